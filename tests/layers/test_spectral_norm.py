"""Spectral normalisation against NumPy's SVD, a power iteration and finite differences in float64, and SciPy."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from dagan_tf.layers import SpectralNormConv2D
from tests.helpers import conv2d

KERNELS = [(1, 8, 8), (3, 4, 6), (3, 16, 5), (4, 3, 16), (3, 64, 64)]  # size, input channels, filters


def build(size, channels, filters, **options):
    keras.utils.set_random_seed(0)
    layer = SpectralNormConv2D(filters, size, **options)
    layer.build((None, 8, 8, channels))
    layer.kernel.assign(np.random.default_rng(size * channels).normal(size=layer.kernel.shape))
    return layer


def images(channels, height=5, width=6, batch=2):
    return np.random.default_rng(7).normal(size=(batch, height, width, channels)).astype("float32")


def singular_values(layer):
    kernel = np.asarray(layer.kernel, "float64")
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)


def sigma(layer):
    return float(np.mean(layer.kernel / layer.normalized_kernel()))


def pytorch_matrix(layer):
    """(out, -1), as in the published definition: the transpose of the one that the layer works with."""
    kernel = np.asarray(layer.kernel, "float64")
    return np.moveaxis(kernel, -1, 0).reshape(kernel.shape[-1], -1)


def numpy_power_iteration(matrix, u):
    v = matrix.T @ u
    v /= np.linalg.norm(v)
    u = matrix @ v
    return u / np.linalg.norm(u), v


@pytest.mark.parametrize("shape", KERNELS)
def test_sigma_after_build(shape):
    """NumPy's own 15 iterations reach at least 0.89 of the largest singular value in each of 300 draws of a kernel."""
    keras.utils.set_random_seed(0)
    size, channels, filters = shape
    layer = SpectralNormConv2D(filters, size)
    layer.build((None, 8, 8, channels))
    largest = singular_values(layer)[0]
    assert 0.88 * largest <= sigma(layer) <= largest * (1 + 1e-5)
    for vector in (layer.u, layer.v):
        np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)


def test_warm_up_follows_the_kernel_that_the_initializer_made():
    """A kernel 100 times as large has 100 times the sigma from the start."""
    small, large = (
        SpectralNormConv2D(6, 3, kernel_initializer={"class_name": "RandomNormal", "config": config})
        for config in ({"stddev": 0.001, "seed": 3}, {"stddev": 0.1, "seed": 3})
    )
    for layer in (small, large):
        layer.build((None, 8, 8, 4))
    np.testing.assert_allclose(sigma(large), 100 * sigma(small), rtol=1e-4)


def test_a_layer_that_is_built_inside_a_graph():
    """As in `predict` of a model that was never called: u and v begin as they would elsewhere."""
    inside, outside = (
        SpectralNormConv2D(6, 3, kernel_initializer=keras.initializers.RandomNormal(seed=3)) for _ in "ab"
    )
    keras.Sequential([inside]).predict(images(4), verbose=0)
    outside.build((None, 5, 6, 4))
    np.testing.assert_allclose(inside.u, outside.u, atol=1e-5)
    np.testing.assert_allclose(inside.v, outside.v, atol=1e-5)


@pytest.mark.parametrize("shape", KERNELS)
def test_sigma_after_training_calls(shape):
    layer = build(*shape)
    step = tf.function(lambda x: layer(x, training=True))
    x = images(shape[1], 2, 2, 1)
    for _ in range(200):
        step(x)
    np.testing.assert_allclose(sigma(layer), singular_values(layer)[0], rtol=0.01)
    normalized = np.asarray(layer.normalized_kernel()).reshape(-1, shape[2])
    np.testing.assert_allclose(np.linalg.norm(normalized, 2), 1, rtol=0.01)


def test_a_training_call_is_one_power_iteration_before_use():
    layer, x = build(3, 4, 6), images(4)
    for _ in range(3):
        matrix = pytorch_matrix(layer)
        u, v = numpy_power_iteration(matrix, np.asarray(layer.u, "float64"))
        output = layer(x, training=True)
        np.testing.assert_allclose(layer.u, u, atol=1e-6)
        np.testing.assert_allclose(layer.v, v, atol=1e-6)
        expected = conv2d(x, np.asarray(layer.kernel) / (u @ matrix @ v))
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_inference_leaves_the_singular_vectors_alone():
    layer, x = build(3, 4, 6), images(4)
    before = [layer.u.numpy().copy(), layer.v.numpy().copy()]
    first = layer(x)
    np.testing.assert_array_equal(layer(x, training=False), first)
    np.testing.assert_array_equal(layer.u, before[0])
    np.testing.assert_array_equal(layer.v, before[1])
    layer(x, training=True)
    assert np.abs(layer.u - before[0]).max() > 1e-3


@pytest.mark.parametrize("training", [False, True])
def test_gradient_runs_through_the_kernel_and_sigma_with_u_and_v_fixed(training):
    layer, x = build(3, 2, 4), images(2)
    target = np.random.default_rng(8).normal(size=(2, 5, 6, 4))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=training) * target.astype("float32"))
    gradient = tape.gradient(loss, layer.kernel.value)

    u, v = np.asarray(layer.u, "float64"), np.asarray(layer.v, "float64")
    kernel = np.asarray(layer.kernel, "float64")

    def numpy_loss(kernel):
        return np.sum(conv2d(x, kernel / (v @ kernel.reshape(-1, 4) @ u)) * target)

    numeric, step = np.zeros(kernel.shape), 1e-5
    for index in np.ndindex(kernel.shape):
        moved = np.zeros(kernel.shape)
        moved[index] = step
        numeric[index] = (numpy_loss(kernel + moved) - numpy_loss(kernel - moved)) / (2 * step)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4 * np.abs(numeric).max())


@pytest.mark.parametrize(
    ("size", "strides", "padding"), [(3, 1, None), (1, 1, None), (3, 1, 0), (4, 2, 2), (4, 1, 2), (3, 2, 1)]
)
def test_convolution_with_strides_and_padding(size, strides, padding):
    layer = build(size, 2, 3, strides=strides, padding=padding)
    layer.bias.assign([0.5, -1.0, 2.0])
    x = images(2, 9, 8)
    around = (size - 1) // 2 if padding is None else padding
    padded = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    kernel = np.asarray(layer.normalized_kernel())
    expected = [
        [
            sum(scipy.signal.correlate2d(example[..., c], kernel[..., c, f], "valid") for c in range(2))
            + float(layer.bias[f])
            for f in range(3)
        ]
        for example in padded
    ]
    expected = np.moveaxis(expected, 1, -1)[:, ::strides, ::strides]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)
