"""SPADE against its formula written out in NumPy (float64)."""

import numpy as np

from dagan_tf.layers import SPADE
from dagan_tf.semantics import DenseLevel
from tests.layers.helpers import CLASSES, HIDDEN, features, numpy_spade, one_hot, randomize, running


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
