"""Batch normalisation without scale and shift, with the authors' constants, over the batch of all devices."""

from dataclasses import dataclass

import keras
from keras import ops

from dagan_tf.backend import on_tensorflow, traced_once, under_strategy, with_shape
from dagan_tf.layers.channels_last import ChannelsLastLayer

MOMENTUM = 0.9
EPSILON = 1e-5


@dataclass(eq=False)
class Moments:
    """The mean and variance of each channel.

    It is no tuple, because Keras would cast a tuple's tensors to the dtype in which a layer computes.
    """

    mean: object
    """float32 (C,)."""
    variance: object
    """float32 (C,), biased."""


def batch_moments(x):
    """The `Moments` of a batch (B, h, w, C): of all replicas' examples together."""
    # Replicas exchange their sums, which TensorFlow does not let them do in a function of its own.
    moments = _moments_of_all(x) if under_strategy() else _moments(x)
    return Moments(*(with_shape(moment, x.shape[-1:]) for moment in moments))


def _moments_of_all(x):
    # Keras' other backends raise on `synchronized`.
    return ops.moments(ops.cast(x, "float32"), axes=(0, 1, 2), synchronized=on_tensorflow())


# Inlined, because its gradient names the squared differences, which are as large as x.
_moments = traced_once(_moments_of_all, inline=True)


def _normalized(x, mean, variance):
    """(x - mean) / sqrt(variance + epsilon) in float32."""
    scale = ops.rsqrt(variance + EPSILON)
    return ops.cast(x, "float32") * scale - mean * scale


@keras.saving.register_keras_serializable(package="dagan_tf")
class BatchNorm(ChannelsLastLayer):
    """(x - mean) / sqrt(variance + 1e-5), by channel: statistics of the batch in training, else running ones.

    Running statistics move by a tenth. As with `keras.layers.BatchNormalization`, which computes the same, a frozen
    layer (`trainable=False`) keeps to them. Here layers that normalise one input can share its moments.

    Call: `norm(x, training=False, moments=None)` with x (B, h, w, C) and, if known already, the `batch_moments` to use
    in training. Returns x's shape in the compute dtype; the arithmetic is in float32.
    """

    def build(self, input_shape):
        self.moving_mean = self._add_statistic("moving_mean", input_shape[-1], "zeros")
        self.moving_variance = self._add_statistic("moving_variance", input_shape[-1], "ones")
        self.built = True

    def _add_statistic(self, name, channels, initializer):
        return self.add_weight(
            name=name, shape=(channels,), initializer=initializer, dtype="float32", trainable=False, autocast=False
        )

    def call(self, x, training=False, moments=None):
        if training and self.trainable:
            moments = batch_moments(x) if moments is None else moments
            self._move(self.moving_mean, moments.mean)
            self._move(self.moving_variance, moments.variance)
        else:
            moments = Moments(*map(ops.convert_to_tensor, (self.moving_mean, self.moving_variance)))
        return ops.cast(_normalized(x, moments.mean, moments.variance), self.compute_dtype)

    @staticmethod
    def _move(statistic, value):
        statistic.assign(ops.convert_to_tensor(statistic) * MOMENTUM + value * (1 - MOMENTUM))

    def compute_output_shape(self, input_shape, *args):
        return input_shape
