"""JSON and arrays."""

import json

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.server import json_tensors
from dagan_tf.server.status import RequestError, StatusCode
from dagan_tf.server.tensors import TensorSpec

LIMIT = 1 << 20


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3, 4), (300, 300)])
def test_text_and_back(dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 3).astype(dtype)
    text = json_tensors.to_text(np.asarray(array), "y")
    assert json.loads(text) == array.tolist()
    if array.size or array.ndim == 1:
        spec = TensorSpec("x", tf.as_dtype(dtype), (None,) * len(shape))
        received = json_tensors.to_array(json.loads(text), spec, LIMIT)
        assert received.dtype == array.dtype
        np.testing.assert_array_equal(received, array)


def test_bytes_need_a_name_that_says_so():
    array = np.array([b"\xff"], object)
    assert json.loads(json_tensors.to_text(array, "a_bytes")) == [{"b64": "/w=="}]
    assert json.loads(json_tensors.to_text(np.array(["é".encode()], object), "a")) == ["é"]
    with pytest.raises(RequestError) as error:
        json_tensors.to_text(array, "a")
    assert error.value.code == StatusCode.FAILED_PRECONDITION


def test_dtypes_without_json():
    with pytest.raises(RequestError) as error:
        json_tensors.to_array([1], TensorSpec("x", tf.complex64, (None,)), LIMIT)
    assert error.value.code == StatusCode.UNIMPLEMENTED


def test_a_bomb_of_lists_is_not_parsed():
    with pytest.raises(RequestError, match="lists and objects"):
        json_tensors.parse(b'{"inputs": [' + b"[]," * (LIMIT // 4) + b"[]]}", LIMIT)


@pytest.mark.parametrize("value", [[[1, 2], [3]], [[1, 2], 3], [1, [2, 3]], [[1], [[2]]], [[[1]], [[2]]], 1, []])
def test_nesting_that_is_no_matrix(value):
    with pytest.raises(RequestError):
        json_tensors.to_array(value, TensorSpec("x", tf.int32, (None, 2)), LIMIT)
