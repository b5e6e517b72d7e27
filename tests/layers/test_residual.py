"""SPADE's residual block against its formula written out in NumPy (float64)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.layers import SPADEResBlock, resize_nearest
from dagan_tf.semantics import DenseLevel
from tests.helpers import conv2d
from tests.layers.helpers import CLASSES, HIDDEN, features, numpy_spade, one_hot, randomize, running


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
