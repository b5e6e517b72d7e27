"""SPADE, spatially adaptive denormalisation (Park et al., CVPR 2019)."""

import keras
import numpy as np
from keras import ops

from dagan_tf.layers.batch_norm import EPSILON, BatchNorm, batch_moments
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.folded import FoldedSPADE
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.resize import resize_nearest
from dagan_tf.semantics import as_level


def moments_at(x, size):
    """`batch_moments` of x resized (nearest) to `size`: x's own, where each pixel is repeated as often."""
    evenly = all(old and new % old == 0 for new, old in zip(size, x.shape[1:3], strict=True))
    return batch_moments(x if evenly else resize_nearest(x, size))


@keras.saving.register_keras_serializable(package="dagan_tf")
class SPADE(ChannelsLastLayer):
    """Spatially adaptive denormalisation: batchnorm(x) * (1 + gamma) + beta, gamma and beta made from the label map.

    gamma and beta are convolutions of a hidden layer, relu(convolution of the label map). x may be smaller than the
    level: it is resized (nearest) to the level's size after it was normalised, which costs less than the other way
    round and gives the same.

    Source: Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization", Eq. 1-3.

    Args:
        semantic_channels: channels S of the level that `call` receives.
        hidden_filters: channels of the hidden layer between label map and modulation.

    Call: `spade(x, level)` with x (B, h, w, C) float and a level of `dagan_tf.semantics`, for example
    `DenseLevel(one_hot)`. Returns (B, H, W, C) with the level's size (H, W). `moments`, a keyword: `moments_at(x,
    level.size)` for training, where they are known already.
    """

    def __init__(self, semantic_channels, hidden_filters=128, **kwargs):
        super().__init__(**kwargs)
        self.semantic_channels = semantic_channels
        self.hidden_filters = hidden_filters
        self.norm = BatchNorm(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.norm.build(input_shape)
        self.shared_kernel, self.shared_bias = self._add_conv("shared", self.semantic_channels, self.hidden_filters)
        # Each on its own, not one kernel of 2C outputs: the fan-out of their initialisation is C.
        self.gamma_kernel, self.gamma_bias = self._add_conv("gamma", self.hidden_filters, channels)
        self.beta_kernel, self.beta_bias = self._add_conv("beta", self.hidden_filters, channels)
        self.built = True

    def _add_conv(self, name, inputs, filters):
        kernel = self.add_weight(name=f"{name}_kernel", shape=(3, 3, inputs, filters), initializer=xavier())
        return kernel, self.add_weight(name=f"{name}_bias", shape=(filters,), initializer="zeros")

    def call(self, x, level, training=False, moments=None):
        level = as_level(level)
        if training and moments is None:
            moments = moments_at(x, level.size)
        x = resize_nearest(self.norm(x, training=training, moments=moments), level.size)
        shared, (gamma_kernel, gamma_bias), beta = map(self._conv, ("shared", "gamma", "beta"))
        return level.modulate(x, shared, scale=(gamma_kernel, 1 + gamma_bias), shift=beta)

    def _conv(self, name):
        kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
        return ops.convert_to_tensor(kernel), ops.convert_to_tensor(bias)

    def folded(self, dtype=None):
        """The `FoldedSPADE` that computes what this layer computes in inference, with the dtype policy `dtype`."""
        result = FoldedSPADE(self.semantic_channels, self.hidden_filters, name=self.name, dtype=dtype)
        result.build((None, None, None, self.gamma_bias.shape[0]))
        # What the running statistics make of x is x * a + b.
        a = 1 / np.sqrt(np.asarray(self.norm.moving_variance, "float64") + EPSILON)
        b = -a * np.asarray(self.norm.moving_mean, "float64")
        result.shared[0].assign(self.shared_kernel)
        result.shared[1].assign(self.shared_bias)
        for i, (suffix, one) in enumerate((("kernel", 0), ("bias", 1))):
            gamma, beta = (np.asarray(getattr(self, f"{name}_{suffix}"), "float64") for name in ("gamma", "beta"))
            result.scale[i].assign((one + gamma) * a)
            result.shift[i].assign((one + gamma) * b + beta)
        return result

    def compute_output_shape(self, x_shape, level_shape):
        return (*level_shape[0][:3], x_shape[-1])

    def get_config(self):
        own = {"semantic_channels": self.semantic_channels, "hidden_filters": self.hidden_filters}
        return {**super().get_config(), **own}
