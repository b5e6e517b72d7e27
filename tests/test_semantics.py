"""Label maps to levels: one-hot maps and edges against loops over pixels, modulation against NumPy convolutions."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.semantics import DenseLevel, Semantics, instance_edges
from tests.conftest import conv2d

CLASSES = 5


def label_map(height=8, width=12):
    return np.random.default_rng(0).integers(CLASSES, size=(2, height, width)).astype("uint8")


def instance_map(height=8, width=12):
    """Rectangles of ids beyond a byte, so that borders and interiors both occur."""
    ids = np.random.default_rng(1).integers(3, size=(2, height // 4, width // 4)) * 1000 + 26000
    return np.kron(ids, np.ones((1, 4, 4), "int32")).astype("int32")


def loop_edges(ids):
    edges = np.zeros(ids.shape, bool)
    for b, i, j in np.ndindex(ids.shape):
        for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= y < ids.shape[1] and 0 <= x < ids.shape[2]:
                edges[b, i, j] |= ids[b, y, x] != ids[b, i, j]
    return edges


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_one_hot_picks_every_factor_th_pixel(factor, dtype):
    labels = label_map().astype(dtype)
    one_hot = Semantics(tf.constant(labels), CLASSES).one_hot(factor)
    expected = np.zeros((2, 8 // factor, 12 // factor, CLASSES), "float32")
    for b, i, j in np.ndindex(expected.shape[:3]):
        expected[b, i, j, labels[b, i * factor, j * factor]] = 1
    np.testing.assert_array_equal(one_hot, expected)
    assert one_hot.dtype == "float32"


def test_one_hot_has_the_dtype_asked_for():
    assert Semantics(tf.constant(label_map()), CLASSES, dtype="bfloat16").one_hot().dtype == "bfloat16"


def test_an_id_outside_is_a_pixel_without_a_class():
    one_hot = Semantics(tf.fill((1, 2, 2), CLASSES), CLASSES).one_hot()
    np.testing.assert_array_equal(one_hot, np.zeros((1, 2, 2, CLASSES)))


def test_edges():
    ids = instance_map()
    edges = instance_edges(tf.constant(ids))
    assert edges.dtype == "bool"
    np.testing.assert_array_equal(edges, loop_edges(ids))


def test_edges_of_random_ids_and_of_one_instance():
    ids = label_map().astype("int32")
    np.testing.assert_array_equal(instance_edges(tf.constant(ids)), loop_edges(ids))
    assert not np.any(instance_edges(tf.ones((1, 3, 4), "int32")))


@pytest.mark.parametrize("factor", [1, 2])
def test_edges_are_the_last_channel_and_found_before_downsampling(factor):
    labels, ids = label_map(), instance_map()
    semantics = Semantics(tf.constant(labels), CLASSES, tf.constant(ids), dtype="float16")
    one_hot = semantics.one_hot(factor)
    assert one_hot.shape[-1] == CLASSES + 1
    assert one_hot.dtype == "float16"
    np.testing.assert_array_equal(one_hot[..., -1], loop_edges(ids)[:, ::factor, ::factor])
    np.testing.assert_array_equal(one_hot[..., :-1], Semantics(tf.constant(labels), CLASSES).one_hot(factor))


def convolutions():
    rng = np.random.default_rng(2)
    pairs = ((CLASSES, 6), (6, 4), (6, 4))
    return [
        (rng.normal(size=(3, 3, *pair)).astype("float32"), rng.normal(size=pair[1]).astype("float32")) for pair in pairs
    ]


@pytest.mark.parametrize("factor", [1, 2])
def test_modulation(factor):
    labels = label_map()
    shared, gamma, beta = convolutions()
    one_hot = np.eye(CLASSES)[labels[:, ::factor, ::factor]]
    hidden = np.maximum(conv2d(one_hot, *shared), 0)
    level = Semantics(tf.constant(labels), CLASSES).level(factor)
    result = level.modulation(*([tf.constant(array) for array in pair] for pair in (shared, gamma, beta)))
    np.testing.assert_allclose(result[0], conv2d(hidden, *gamma), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result[1], conv2d(hidden, *beta), rtol=1e-4, atol=1e-4)


def test_convolve_computes_in_the_kernels_dtype():
    kernel, bias = convolutions()[0]
    level = DenseLevel(tf.constant(np.eye(CLASSES, dtype="float32")[label_map()]))
    expected = conv2d(level.one_hot, kernel, bias)
    np.testing.assert_allclose(level.convolve(tf.constant(kernel), tf.constant(bias)), expected, rtol=1e-4, atol=1e-4)
    half = level.convolve(tf.constant(kernel, "float16"), tf.constant(bias, "float16"))
    assert half.dtype == "float16"
    np.testing.assert_allclose(half, expected, atol=0.05)


def config(**options):
    return ModelConfig(num_classes=CLASSES, image_size=(32, 64), **options)


def test_from_inputs():
    labels, ids = label_map(32, 64), instance_map(32, 64)
    inputs = {"label": tf.constant(labels), "instance": tf.constant(ids)}
    with_edges = Semantics.from_inputs(inputs, config(use_instance_edges=True), "float16")
    np.testing.assert_array_equal(
        with_edges.one_hot(), Semantics(inputs["label"], CLASSES, inputs["instance"]).one_hot()
    )
    assert with_edges.one_hot().dtype == "float16"
    without = Semantics.from_inputs(inputs, config())  # an instance map that is not wanted changes nothing
    assert without.one_hot().shape == (2, 32, 64, CLASSES)


@pytest.mark.parametrize("shape", [(32, 64), (1, 32, 64, 1), (1, 64, 32), (1, 32, 32)])
def test_label_map_of_another_shape(shape):
    with pytest.raises(UserError, match=r"\(B, 32, 64\).*Received: shape " + str(shape).replace("(", r"\(")[:-1]):
        Semantics.from_inputs({"label": tf.zeros(shape, "int32")}, config())


@pytest.mark.parametrize("inputs", [{}, {"instance": None}])
def test_missing_instance_map(inputs):
    with pytest.raises(UserError, match='give "instance"'):
        Semantics.from_inputs({"label": tf.zeros((1, 32, 64), "int32"), **inputs}, config(use_instance_edges=True))
