"""The level of one-hot maps, and what a modulation does, against NumPy convolutions."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.semantics import DenseLevel, Semantics
from dagan_tf.semantics.dense import Modulation
from tests.conftest import conv2d
from tests.semantics.conftest import (
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


def test_a_modulation_scales_and_then_shifts():
    modulation = Modulation(tf.constant([[2.0, -1.0]]), tf.constant([[3.0, 5.0]]))
    np.testing.assert_array_equal(modulation(tf.constant([[10.0, 20.0]])), [[23, -15]])


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("with_edges", [False, True])
def test_modulation(factor, with_edges):
    labels, instances = label_map(), instance_map() if with_edges else None
    layers = convolutions(CLASSES + with_edges)
    scale, shift = numpy_modulation(numpy_one_hot(labels, instances)[:, ::factor, ::factor], *layers)
    semantics = Semantics(tf.constant(labels), CLASSES, instances if instances is None else tf.constant(instances))
    modulation = DenseLevel(semantics.one_hot(factor)).modulation(*tensors(layers))
    assert_near(modulation.scale, scale)
    assert_near(modulation.shift, shift)
    x = np.random.default_rng(3).normal(size=scale.shape).astype("float32")
    assert_near(modulation(tf.constant(x)), x * scale + shift)


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
    modulation = level(np.full((1, 1, 1), 3)).modulation(*tensors((shared, scale, shift)))
    assert_near(modulation.scale[0, 0, 0], hidden @ scale[0][1, 1] + scale[1])
    assert_near(modulation.shift[0, 0, 0], hidden @ shift[0][1, 1] + shift[1])
