"""Nearest resizing against its formula, pixel by pixel; its gradient against counts of how often a pixel is read."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.layers import resize_nearest

SIZES = [
    ((4, 6), (4, 6)),
    ((4, 6), (8, 18)),
    ((4, 6), (2, 3)),
    ((4, 6), (5, 7)),
    ((5, 7), (3, 4)),
    ((3, 4), (9, 6)),
    ((1, 1), (3, 5)),
]


def image(size):
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")


@pytest.mark.parametrize(("present", "size"), SIZES)
def test_formula(present, size):
    x = image(present)
    expected = np.zeros((2, *size, 3), "float32")
    for i in range(size[0]):
        for j in range(size[1]):
            expected[:, i, j] = x[:, int(i * present[0] / size[0]), int(j * present[1] / size[1])]
    np.testing.assert_array_equal(resize_nearest(tf.constant(x), size), expected)


def test_downsampling_picks_every_other_pixel_from_the_first():
    x = image((8, 12))
    np.testing.assert_array_equal(resize_nearest(tf.constant(x), (4, 6)), x[:, ::2, ::2])


def test_upsampling_doubles_pixels():
    x = image((3, 5))
    np.testing.assert_array_equal(resize_nearest(tf.constant(x), (6, 10)), np.kron(x, np.ones((1, 2, 2, 1))))


def test_same_size_is_the_tensor_itself():
    x = tf.constant(image((3, 5)))
    assert resize_nearest(x, (3, 5)) is x


@pytest.mark.parametrize(("present", "size"), SIZES)
@pytest.mark.parametrize("compiled", [False, True])
def test_gradient_sums_over_the_pixels_that_read(present, size, compiled):
    x = tf.constant(image(present))
    weights = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(resize_nearest(x, size) * weights)
        return tape.gradient(loss, x)

    expected = np.zeros(x.shape)
    for i in range(size[0]):
        for j in range(size[1]):
            expected[:, i * present[0] // size[0], j * present[1] // size[1]] += weights[:, i, j]
    result = tf.function(gradient, jit_compile=compiled)(x)
    np.testing.assert_allclose(tf.convert_to_tensor(result), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_dtype_is_kept(dtype):
    assert resize_nearest(tf.ones((1, 2, 2, 1), dtype), (4, 3)).dtype == dtype


def test_graphs_are_let_go():
    """Whoever holds the graph of a function holds the weights that it captures."""
    graph = tf.function(lambda x: resize_nearest(x, (4, 6))).get_concrete_function(tf.TensorSpec((1, 2, 3, 4))).graph
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None
