"""SPADE's formula in NumPy (float64), and layers with weights of ordinary size to try it on."""

import numpy as np

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
