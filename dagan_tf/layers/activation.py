"""The activation of both networks."""

from keras import ops

NEGATIVE_SLOPE = 0.2


def leaky_relu(x):
    """The leaky ReLU of both networks: slope 0.2 below zero."""
    return ops.leaky_relu(x, NEGATIVE_SLOPE)
