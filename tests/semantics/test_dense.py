"""The level of one-hot maps against NumPy convolutions."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.semantics import DenseLevel, Semantics
from tests.helpers import conv2d
from tests.semantics.helpers import (
    CLASSES,
    OUTPUTS,
    assert_near,
    convolutions,
    instance_map,
    label_map,
    numpy_modulation,
    numpy_one_hot,
    tensors,
)


def level(labels=None):
    return DenseLevel(tf.constant(numpy_one_hot(label_map() if labels is None else labels), "float32"))


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("with_edges", [False, True])
def test_modulate(factor, with_edges):
    labels, instances = label_map(), instance_map() if with_edges else None
    layers = convolutions(CLASSES + with_edges)
    scale, shift = numpy_modulation(numpy_one_hot(labels, instances)[:, ::factor, ::factor], *layers)
    semantics = Semantics(tf.constant(labels), CLASSES, instances if instances is None else tf.constant(instances))
    dense = DenseLevel(semantics.one_hot(factor))
    x = np.random.default_rng(3).normal(size=scale.shape).astype("float32")
    assert_near(dense.modulate(tf.constant(x), *tensors(layers)), x * scale + shift)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolve(size):
    rng = np.random.default_rng(4)
    kernel, bias = (rng.normal(size=shape).astype("float32") for shape in ((size, size, CLASSES, OUTPUTS), (OUTPUTS,)))
    expected = conv2d(numpy_one_hot(label_map()), kernel, bias)
    assert_near(level().convolve(tf.constant(kernel), tf.constant(bias)), expected)


def test_convolve_computes_in_the_kernels_dtype():
    kernel, bias = convolutions()[0]
    half = level().convolve(tf.constant(kernel, "float16"), tf.constant(bias, "float16"))
    assert half.dtype == "float16"
    np.testing.assert_allclose(half, conv2d(numpy_one_hot(label_map()), kernel, bias), atol=0.05)


def test_cells_outside_the_map_add_nothing():
    """On a map of one pixel the middle taps alone are left."""
    shared, scale, shift = convolutions()
    hidden = np.maximum(shared[0][1, 1, 3] + shared[1], 0)
    x = np.random.default_rng(3).normal(size=(1, 1, 1, OUTPUTS)).astype("float32")
    modulated = level(np.full((1, 1, 1), 3)).modulate(tf.constant(x), *tensors((shared, scale, shift)))
    assert_near(modulated, x * (hidden @ scale[0][1, 1] + scale[1]) + hidden @ shift[0][1, 1] + shift[1])
