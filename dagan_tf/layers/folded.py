"""Layers for inference, in which spectral normalisation and batch statistics are folded into the kernels.

They hold neither singular vectors nor running statistics, and compute the same pictures with less. Nothing here trains:
each trained layer makes its folded form with `folded()`.
"""

import keras
from keras import ops

from dagan_tf.backend import add_bias
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.conv import conv_output_length, convolve
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.resize import resize_nearest
from dagan_tf.semantics import as_level


@keras.saving.register_keras_serializable(package="dagan_tf")
class FoldedConv2D(ChannelsLastLayer):
    """2-D convolution whose kernel is W/sigma of a `SpectralNormConv2D`.

    The kernel is stored in the dtype in which it is multiplied.

    Args:
        filters, kernel_size, strides, padding, use_bias: as in `SpectralNormConv2D`.

    Input (B, H, W, C) float, output (B, H', W', filters) in the compute dtype.
    """

    def __init__(self, filters, kernel_size, strides=1, padding=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=xavier(), dtype=self.compute_dtype, autocast=False
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None
        self.built = True

    def call(self, inputs):
        outputs = convolve(inputs, ops.convert_to_tensor(self.kernel), self.strides, self.padding)
        return outputs if self.bias is None else add_bias(outputs, ops.convert_to_tensor(self.bias))

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        size = (conv_output_length(length, self.kernel_size, self.strides, self.padding) for length in size)
        return (batch, *size, self.filters)

    def get_config(self):
        names = ("filters", "kernel_size", "strides", "padding", "use_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="dagan_tf")
class FoldedSPADE(ChannelsLastLayer):
    """x * scale + shift, both made from the label map: a `SPADE` with its running statistics in the kernels.

    (x * a + b) * (1 + gamma) + beta = x * (1 + gamma) * a + (1 + gamma) * b + beta, where a and b are those of the
    statistics: both factors are convolutions of the same hidden layer.

    The large kernels are stored in the dtype in which they are multiplied; the rest, which is summed, in float32.

    Args:
        semantic_channels, hidden_filters: as in `SPADE`.

    Call: `spade(x, level)` with x (B, h, w, C) float and a level of `dagan_tf.semantics`. Returns (B, H, W, C) with
    the level's size (H, W).
    """

    def __init__(self, semantic_channels, hidden_filters=128, **kwargs):
        super().__init__(**kwargs)
        self.semantic_channels = semantic_channels
        self.hidden_filters = hidden_filters

    def build(self, input_shape):
        channels = input_shape[-1]
        self.shared = self._add_conv("shared", self.semantic_channels, self.hidden_filters, "float32")
        self.scale = self._add_conv("scale", self.hidden_filters, channels, self.compute_dtype)
        self.shift = self._add_conv("shift", self.hidden_filters, channels, self.compute_dtype)
        self.built = True

    def _add_conv(self, name, inputs, filters, dtype):
        kernel = self.add_weight(
            name=f"{name}_kernel", shape=(3, 3, inputs, filters), initializer=xavier(), dtype=dtype, autocast=False
        )
        bias = self.add_weight(
            name=f"{name}_bias", shape=(filters,), initializer="zeros", dtype="float32", autocast=False
        )
        return kernel, bias

    def call(self, x, level):
        level = as_level(level)
        pairs = (map(ops.convert_to_tensor, pair) for pair in (self.shared, self.scale, self.shift))
        return level.modulate(resize_nearest(x, level.size), *map(tuple, pairs))

    def compute_output_shape(self, x_shape, level_shape):
        return (*level_shape[0][:3], x_shape[-1])

    def get_config(self):
        own = {"semantic_channels": self.semantic_channels, "hidden_filters": self.hidden_filters}
        return {**super().get_config(), **own}
