"""TensorProtos that TensorFlow itself writes come back as they were; impossible ones are refused early."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.server.status import RequestError
from dagan_tf.server.tensors import TensorSpec, byte_size, from_proto, to_proto

LIMIT = 1 << 20


def spec_of(array, shape=None):
    return TensorSpec("x", tf.as_dtype(array.dtype), shape)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "int64", "uint32", "uint64", "float16", "float32", "float64", "bool"]
)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 3)])
def test_numbers(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    for proto in (tf.make_tensor_proto(array), to_proto(array)):
        received = from_proto(proto, spec_of(array), LIMIT)
        assert received.dtype == array.dtype
        np.testing.assert_array_equal(received, array)


@pytest.mark.parametrize("shape", [(), (2,), (1, 2)])
def test_strings(shape):
    array = np.full(shape, b"\x00\xff", object)
    received = from_proto(to_proto(array), TensorSpec("x", tf.string, shape), LIMIT)
    assert received.shape == shape
    assert received.ravel().tolist() == array.ravel().tolist()


@pytest.mark.parametrize(
    ("wanted", "shape", "fits"),
    [
        (None, (1, 2, 3), True),
        ((None, 2), (5, 2), True),
        ((None, 2), (0, 2), True),
        ((None, 2), (5, 3), False),
        ((None, 2), (2,), False),
        ((), (), True),
        ((None,), (-1,), False),
        (None, (-1,), False),
        ((None, None), (1 << 62, 1 << 62), False),
        ((None,), (LIMIT // 4,), True),
        ((None,), (LIMIT // 4 + 1,), False),
    ],
)
def test_shapes(wanted, shape, fits):
    spec = TensorSpec("x", tf.int32, wanted)
    if fits:
        spec.check_shape(shape, LIMIT)
    else:
        with pytest.raises(RequestError, match="Received shape"):
            spec.check_shape(shape, LIMIT)


def test_strings_count_with_their_bytes():
    assert byte_size(np.array([[b"abc", b""], [b"d" * 100, b"e"]], object)) == 104
    assert byte_size(np.zeros((2, 3), np.float32)) == 24


def test_the_text_of_a_spec():
    assert str(TensorSpec("x", tf.float32, (None, 3))) == "float32 (any, 3)"
    assert str(TensorSpec("x", tf.string, None)) == "string (any rank)"
