"""Label maps of many kinds, kernels, and what NumPy makes of both in float64."""

import numpy as np
import tensorflow as tf

from tests.helpers import conv2d

CLASSES, HIDDEN, OUTPUTS = 5, 6, 4


def label_map(height=8, width=12):
    return np.random.default_rng(0).integers(CLASSES, size=(2, height, width)).astype("uint8")


def instance_map(height=8, width=12):
    """Rectangles of ids beyond a byte, so that borders and interiors both occur."""
    ids = np.random.default_rng(1).integers(3, size=(2, -(-height // 4), -(-width // 4))) * 1000 + 26000
    return np.kron(ids, np.ones((1, 4, 4), "int32")).astype("int32")[:, :height, :width]


def loop_edges(ids):
    edges = np.zeros(ids.shape, bool)
    for b, i, j in np.ndindex(ids.shape):
        for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= y < ids.shape[1] and 0 <= x < ids.shape[2]:
                edges[b, i, j] |= ids[b, y, x] != ids[b, i, j]
    return edges


def numpy_one_hot(labels, instances=None, classes=CLASSES):
    """By comparison: an id outside 0..classes-1 is a pixel without a class."""
    one_hot = labels[..., None] == np.arange(classes)
    return one_hot if instances is None else np.concatenate([one_hot, loop_edges(instances)[..., None]], axis=-1)


def convolutions(channels=CLASSES):
    """The (kernel, bias) of a SPADE layer: shared, scale, shift, on a map of so many channels."""
    rng = np.random.default_rng(2)
    pairs = ((channels, HIDDEN), (HIDDEN, OUTPUTS), (HIDDEN, OUTPUTS))
    return [
        (rng.normal(size=(3, 3, *pair)).astype("float32"), rng.normal(size=pair[1]).astype("float32")) for pair in pairs
    ]


def tensors(convolutions, dtype="float32"):
    return [tuple(tf.constant(array, dtype) for array in pair) for pair in convolutions]


def numpy_modulation(one_hot, shared, scale, shift):
    """Scale and shift."""
    hidden = np.maximum(conv2d(one_hot, *shared), 0)
    return conv2d(hidden, *scale), conv2d(hidden, *shift)


def assert_near(actual, expected, tolerance=1e-5):
    """Equal shapes, and values equal to within the tolerance times the largest expected magnitude."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max(initial=0))
