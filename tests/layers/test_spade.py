"""SPADE and its residual block against their formulas written out in NumPy (float64)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.layers import SPADE, SPADEResBlock, resize_nearest
from dagan_tf.semantics import DenseLevel
from tests.helpers import conv2d

CLASSES, HIDDEN = 3, 5


def randomize(layer):
    """Weights and running statistics of ordinary size, with singular vectors that belong to the kernels."""
    rng = np.random.default_rng(3)
    for variable in layer.trainable_variables:
        variable.assign(0.4 * rng.normal(size=variable.shape))
    for variable in layer.non_trainable_variables:
        if variable.name == "moving_mean":
            variable.assign(rng.normal(size=variable.shape))
        elif variable.name == "moving_variance":
            variable.assign(rng.uniform(0.5, 2, size=variable.shape))
    return layer


def features(channels=4):
    return (2 + 3 * np.random.default_rng(1).normal(size=(2, 4, 6, channels))).astype("float32")


def one_hot():
    return np.eye(CLASSES, dtype="float32")[np.random.default_rng(2).integers(CLASSES, size=(2, 4, 6))]


def numpy_modulation(spade, labels):
    hidden = np.maximum(conv2d(labels, spade.shared_kernel, spade.shared_bias), 0)
    return (
        conv2d(hidden, spade.gamma_kernel, spade.gamma_bias),
        conv2d(hidden, spade.beta_kernel, spade.beta_bias),
    )


def numpy_spade(spade, x, labels, mean, variance):
    gamma, beta = numpy_modulation(spade, labels)
    return (x - mean) / np.sqrt(variance + 1e-5) * (1 + gamma) + beta


def running(spade):
    return np.asarray(spade.norm.moving_mean, "float64"), np.asarray(spade.norm.moving_variance, "float64")


def make_spade(channels=4):
    spade = SPADE(CLASSES, HIDDEN)
    spade.build((None, 4, 6, channels))
    return randomize(spade)


def test_inference_uses_running_statistics():
    spade, x, labels = make_spade(), features(), one_hot()
    before = running(spade)
    expected = numpy_spade(spade, x, labels, *before)
    np.testing.assert_allclose(spade(x, DenseLevel(labels)), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(running(spade), before)


def test_training_uses_batch_statistics_and_moves_the_running_ones_by_a_tenth():
    spade, x, labels = make_spade(), features(), one_hot()
    old = running(spade)
    batch = x.astype("float64").mean(axis=(0, 1, 2)), x.astype("float64").var(axis=(0, 1, 2))
    output = spade(x, DenseLevel(labels), training=True)
    np.testing.assert_allclose(output, numpy_spade(spade, x, labels, *batch), rtol=1e-4, atol=1e-4)
    for new, before, now in zip(running(spade), old, batch, strict=True):
        np.testing.assert_allclose(new, 0.9 * before + 0.1 * now, rtol=1e-5)


def test_cells_outside_the_map_are_zero():
    """On a constant map the modulation of a corner is that of the 2x2 taps inside: nothing is repeated or reflected."""
    spade = make_spade()
    labels = np.zeros((1, 4, 6, CLASSES), "float32")
    labels[..., 1] = 1
    kernel, bias = np.asarray(spade.shared_kernel)[:, :, 1], np.asarray(spade.shared_bias)
    corner = np.maximum(kernel[1:, 1:].sum(axis=(0, 1)) + bias, 0)
    interior = np.maximum(kernel.sum(axis=(0, 1)) + bias, 0)
    spade.gamma_kernel.assign(np.zeros(spade.gamma_kernel.shape))
    spade.gamma_bias.assign(np.zeros(4))
    only_centre = np.zeros(spade.beta_kernel.shape)
    only_centre[1, 1] = spade.beta_kernel[1, 1]
    spade.beta_kernel.assign(only_centre)

    mean, _ = running(spade)
    output = np.asarray(spade(np.broadcast_to(mean, (1, 4, 6, 4)), DenseLevel(labels)))[0]  # normalised: 0
    for position, hidden in (((0, 0), corner), ((1, 1), interior), ((2, 4), interior)):
        expected = hidden @ only_centre[1, 1] + np.asarray(spade.beta_bias)
        np.testing.assert_allclose(output[position], expected, rtol=1e-5, atol=1e-5)
    assert np.abs(output[0, 0] - output[1, 1]).max() > 0.01


def test_a_level_restored_by_keras_is_a_list():
    spade, x, labels = make_spade(), features(), one_hot()
    np.testing.assert_array_equal(spade(x, [labels]), spade(x, DenseLevel(labels)))


def numpy_block(block, x, labels):
    def norm(name, y):
        spade = getattr(block, f"norm_{name}")
        return numpy_spade(spade, y, labels, *running(spade))

    def conv(name, y):
        layer = getattr(block, f"conv_{name}")
        return conv2d(y, layer.normalized_kernel(), 0.0 if layer.bias is None else layer.bias)

    def leaky(y):
        return np.where(y > 0, y, 0.2 * y)

    shortcut = conv("s", norm("s", x)) if x.shape[-1] != block.filters else x
    middle = conv("0", leaky(norm("0", x)))
    assert middle.shape[-1] == min(x.shape[-1], block.filters)
    return shortcut + conv("1", leaky(norm("1", middle)))


@pytest.mark.parametrize("filters", [4, 2, 7], ids=["identity", "fewer", "more"])
def test_block(filters):
    block = SPADEResBlock(filters, CLASSES, HIDDEN)
    block.build((None, 4, 6, 4))
    randomize(block)
    assert block.learned_shortcut == (filters != 4)
    x, labels = features(), one_hot()
    for _ in range(10):  # singular vectors of the new kernels
        block(x, DenseLevel(labels), training=True)
    expected = numpy_block(block, x, labels)
    np.testing.assert_allclose(block(x, DenseLevel(labels)), expected, rtol=1e-3, atol=1e-3)


def results_of_training(block, x, level, before=lambda x: x):
    """A step's output, gradients and moved variables, then inference; `before` is what x goes through first."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = block(before(x), level, training=True)
        loss = tf.reduce_sum(y * np.random.default_rng(5).normal(size=y.shape).astype("float32"))
    gradients = tape.gradient(loss, [x, *(variable.value for variable in block.trainable_variables)])
    moved = [variable.numpy() for variable in block.non_trainable_variables]
    return [y, *gradients, *moved, block(before(x), level)]


# As it is, two that repeat pixels equally often, and one that does not.
@pytest.mark.parametrize("size", [(4, 6), (8, 12), (12, 6), (5, 9)], ids=str)
@pytest.mark.parametrize("filters", [4, 7], ids=["identity", "learned"])
def test_resized_on_the_way_is_resized_before(size, filters):
    """Though statistics are those of the smaller map where they can be."""
    labels = np.eye(CLASSES, dtype="float32")[np.random.default_rng(2).integers(CLASSES, size=(2, *size))]
    blocks = [SPADEResBlock(filters, CLASSES, HIDDEN) for _ in range(2)]
    for block in blocks:
        keras.utils.set_random_seed(0)  # of the singular vectors' kernels
        block.build((None, 4, 6, 4))
        randomize(block)
    ours = results_of_training(blocks[0], features(), DenseLevel(labels))
    expected = results_of_training(blocks[1], features(), DenseLevel(labels), lambda x: resize_nearest(x, size))
    assert ours[0].shape == (2, *size, filters)
    for value, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=0, atol=2e-5 * max(np.abs(other).max(), 1))


def test_learned_shortcut_is_1x1_without_bias():
    block = SPADEResBlock(7, CLASSES, HIDDEN)
    block.build((None, 4, 6, 4))
    assert tuple(block.conv_s.kernel.shape) == (1, 1, 4, 7)
    assert block.conv_s.bias is None
