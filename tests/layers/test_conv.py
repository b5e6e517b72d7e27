"""Convolutions, as such and as matrix products, against NumPy (float64)."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.layers.conv import convolve
from tests.helpers import conv2d

# Map, kernel, strides, and whether the kernel is so much larger than the map that it is a product.
CASES = [
    ((2, 3, 3, 4), (3, 3, 4, 18), 1, True),
    ((2, 3, 3, 4), (3, 3, 4, 17), 1, False),
    ((3, 1, 1, 2), (3, 3, 2, 5), 1, True),
    ((1, 2, 5, 3), (5, 5, 3, 20), 1, True),
    ((2, 1, 2, 3), (3, 3, 3, 40), 2, False),
    ((2, 1, 2, 3), (1, 1, 3, 40), 1, False),
    ((2, 9, 8, 3), (3, 3, 3, 4), 1, False),
]


def values(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def operators(function, *arguments):
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize(("shape", "kernel", "strides", "product"), CASES)
def test_conv(shape, kernel, strides, product):
    x, kernel = values(shape, 0), values(kernel, 1)
    expected = conv2d(x, kernel, strides=strides) if strides == 1 else None
    result = convolve(x, kernel, strides)
    if strides == 1:
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(result, tf.nn.conv2d(x, kernel, strides, "SAME"), rtol=1e-5)
    types = operators(lambda x, kernel: convolve(x, kernel, strides), tf.constant(x), tf.constant(kernel))
    assert ("MatMul" in types, "Conv2D" in types) == (product, not product)


def test_even_kernels_are_padded_as_in_keras():
    x, kernel = values((2, 2, 3, 4), 0), values((4, 4, 4, 12), 1)
    np.testing.assert_allclose(convolve(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME"), rtol=1e-4, atol=1e-4)


def test_gradients_of_the_product_are_the_convolutions():
    x, kernel, u = tf.constant(values((2, 3, 3, 4), 0)), tf.constant(values((3, 3, 4, 18), 1)), values((2, 3, 3, 18), 2)
    results = []
    for function in (convolve, lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            loss = tf.reduce_sum(function(x, kernel) * u)
        results.append(tape.gradient(loss, (x, kernel)))
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_batch_of_any_size():
    kernel = values((3, 3, 4, 18), 1)
    function = tf.function(lambda x: convolve(x, kernel), input_signature=[tf.TensorSpec((None, 3, 3, 4))])
    for batch in (1, 3):
        x = values((batch, 3, 3, 4), batch)
        np.testing.assert_allclose(function(x), conv2d(x, kernel), rtol=1e-4, atol=1e-4)
