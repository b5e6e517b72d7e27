"""Batch normalisation without affine part, with the release's constants, over the batch of all devices."""

from dataclasses import dataclass

import keras
from keras import ops

MOMENTUM = 0.9
EPSILON = 1e-5


@dataclass(frozen=True)
class Moments:
    """Statistics of each channel. No tuple: Keras would cast its tensors to the dtype in which a layer computes."""

    mean: object
    """float32 (C,)."""
    variance: object
    """float32 (C,), biased."""


def batch_moments(x):
    """The `Moments` of a batch (B, h, w, C), that of all replicas together."""
    batch, height, width, _ = ops.shape(x)
    sums = _sums(ops.cast(x, "float32"))
    count = ops.cast(ops.full((1,), batch * height * width), "float32")
    totals = _over_replicas(ops.concatenate([sums, count]))  # one exchange between devices for all three
    mean, square = ops.split(totals[:-1] / totals[-1], 2)
    return Moments(mean, ops.maximum(square - ops.square(mean), 0.0))


@ops.custom_gradient
def _sums(x):
    """Each channel's sums of values, then of squares: (2C,). The gradient is one multiplication and one addition."""

    def gradient(*upstream):
        of_values, of_squares = ops.split(upstream[-1], 2)
        return x * (2 * of_squares) + of_values

    return ops.concatenate([ops.sum(x, axis=(0, 1, 2)), ops.sum(ops.square(x), axis=(0, 1, 2))]), gradient


def _over_replicas(values):
    """The sums over replicas, where there are any."""
    if keras.backend.backend() != "tensorflow":
        return values
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


@keras.saving.register_keras_serializable(package="dagan_tf")
class BatchNorm(keras.layers.Layer):
    """(x - mean) / sqrt(variance + 1e-5), by channel; in inference with running statistics, which move by a tenth.

    Unlike `keras.layers.BatchNormalization`, it is given the moments of training: layers that normalise one input share
    them, and those of a map are those of its nearest upsampling.

    Call: `norm(x, moments=None)` with x (B, h, w, C) and, in training, `batch_moments` of x, which a frozen layer
    (`trainable=False`) does not heed. Returns x's shape in the compute dtype; the arithmetic is in float32.
    """

    def build(self, input_shape):
        self.moving_mean = self._add_statistic("moving_mean", input_shape[-1], "zeros")
        self.moving_variance = self._add_statistic("moving_variance", input_shape[-1], "ones")
        self.built = True

    def _add_statistic(self, name, channels, initializer):
        return self.add_weight(
            name=name, shape=(channels,), initializer=initializer, dtype="float32", trainable=False, autocast=False
        )

    def call(self, x, moments=None):
        if moments is None or not self.trainable:
            moments = Moments(self.moving_mean, self.moving_variance)
        else:
            self._move(self.moving_mean, moments.mean)
            self._move(self.moving_variance, moments.variance)
        scale = ops.rsqrt(moments.variance + EPSILON)
        return ops.cast(ops.cast(x, "float32") * scale - moments.mean * scale, self.compute_dtype)

    @staticmethod
    def _move(statistic, value):
        statistic.assign(statistic * MOMENTUM + value * (1 - MOMENTUM))

    def compute_output_shape(self, input_shape, *args):
        return input_shape
