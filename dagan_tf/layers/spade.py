"""SPADE and its residual block (Park et al., CVPR 2019)."""

import keras
import numpy as np
from keras import ops

from dagan_tf.layers.batch_norm import EPSILON, BatchNorm, batch_moments
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.resize import resize_nearest
from dagan_tf.layers.spectral_norm import SpectralNormConv2D
from dagan_tf.semantics import DenseLevel

NEGATIVE_SLOPE = 0.2


def _at(x, size):
    return resize_nearest(x, size) if size else x


def _shape_at(shape, size):
    return (shape[0], *(size or shape[1:3]), shape[-1])


def moments_at(x, size):
    """`batch_moments` of x resized (nearest) to `size`, or as it is: x's own, where each pixel is repeated as often."""
    evenly = not size or all(old and new % old == 0 for new, old in zip(size, x.shape[1:3], strict=True))
    return batch_moments(x if evenly else _at(x, size))


@keras.saving.register_keras_serializable(package="dagan_tf")
class SPADE(keras.layers.Layer):
    """Spatially adaptive denormalisation: batchnorm(x) * (1 + gamma) + beta, gamma and beta made from the label map.

    Source: Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization", Eq. 1-3.

    Args:
        semantic_channels: channels S of the level that `call` receives.
        hidden_filters: channels of the hidden layer between label map and modulation.
        folded: there is no batch normalisation: the kernels called gamma and beta make scale and shift of x itself,
            see `fold_statistics`. For inference only.
        size: (height, width) to which x is resized (nearest), after it was normalised: that costs less and gives the
            same as resizing it first. `None`: as it is.

    Call: `spade(x, level)` with x (B, h, w, C) float and a level of `dagan_tf.semantics` of the output's size, for
    example `DenseLevel(one_hot)`. Returns (B, h, w, C), or (B, *size, C). `moments`, a keyword: x's `moments_at` that
    size for training, where they are known already.
    """

    def __init__(self, semantic_channels, hidden_filters=128, folded=False, size=None, **kwargs):
        super().__init__(**kwargs)
        self.semantic_channels = semantic_channels
        self.hidden_filters = hidden_filters
        self.folded = folded
        self.size = None if size is None else tuple(size)
        self.norm = None if folded else BatchNorm(name="norm", dtype=self.dtype_policy)

    def build(self, input_shape):
        channels = input_shape[-1]
        if self.norm:
            self.norm.build(input_shape)
        self.shared_kernel, self.shared_bias = self._add_conv("shared", self.semantic_channels, self.hidden_filters)
        # Each on its own, not one kernel of 2C outputs: the fan-out of their initialisation is C.
        self.gamma_kernel, self.gamma_bias = self._add_conv("gamma", self.hidden_filters, channels)
        self.beta_kernel, self.beta_bias = self._add_conv("beta", self.hidden_filters, channels)
        self.built = True

    def _add_conv(self, name, inputs, filters):
        # A folded layer holds its large kernels as they are used, and the rest, which is summed, in float32.
        dtype = self.compute_dtype if self.folded and name != "shared" else None
        kernel = self.add_weight(
            name=f"{name}_kernel",
            shape=(3, 3, inputs, filters),
            initializer=xavier(),
            dtype=dtype,
            autocast=not self.folded,
        )
        bias = self.add_weight(name=f"{name}_bias", shape=(filters,), initializer="zeros", autocast=not self.folded)
        return kernel, bias

    def call(self, x, level, training=False, moments=None):
        # Keras saves a `DenseLevel` in a functional model as the list of its fields.
        level = DenseLevel(*level) if isinstance(level, list) else level
        shared, scale, shift = map(self._conv, ("shared", "gamma", "beta"))
        if not self.folded:
            if training and moments is None:
                moments = moments_at(x, self.size)
            x, scale = self.norm(x, training=training, moments=moments), (scale[0], 1 + scale[1])
        return level.modulate(_at(x, self.size), shared, scale, shift)

    def _conv(self, name):
        kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
        return ops.convert_to_tensor(kernel), ops.convert_to_tensor(bias)

    def fold_statistics(self, other):
        """Takes the weights of a `SPADE` that is not folded, with its running statistics in them.

        (x * a + b) * (1 + gamma) + beta = x * (1 + gamma) * a + (1 + gamma) * b + beta, where a and b are the
        statistics': both factors are convolutions of the same hidden layer.
        """
        a = 1 / np.sqrt(np.asarray(other.norm.moving_variance, "float64") + EPSILON)
        b = -a * np.asarray(other.norm.moving_mean, "float64")
        for source, target in (("shared_kernel", self.shared_kernel), ("shared_bias", self.shared_bias)):
            target.assign(getattr(other, source))
        for part, one in (("kernel", 0), ("bias", 1)):
            gamma, beta = (np.asarray(getattr(other, f"{name}_{part}"), "float64") for name in ("gamma", "beta"))
            getattr(self, f"gamma_{part}").assign((one + gamma) * a)
            getattr(self, f"beta_{part}").assign((one + gamma) * b + beta)

    def compute_output_shape(self, input_shape, *args):
        return _shape_at(input_shape, self.size)

    def get_config(self):
        return {
            **super().get_config(),
            "semantic_channels": self.semantic_channels,
            "hidden_filters": self.hidden_filters,
            "folded": self.folded,
            "size": self.size,
        }


@keras.saving.register_keras_serializable(package="dagan_tf")
class SPADEResBlock(keras.layers.Layer):
    """Residual block with SPADE before each spectrally normalised convolution.

    x_s + conv_1(lrelu(norm_1(conv_0(lrelu(norm_0(x)))))), where x_s is x, or conv_s(norm_s(x)) if the number of
    channels changes. Source: Park et al., Figure 4 (left); leaky ReLU 0.2.

    Args:
        filters: output channels; the middle has min(input channels, filters).
        semantic_channels: channels of the level.
        hidden_filters: hidden channels of each SPADE layer.
        folded: its layers are, see `SPADE` and `SpectralNormConv2D`.
        size: (height, width) to which x is resized (nearest) first; `None`: as it is.

    Call: `block(x, level)`, x (B, h, w, C). Returns (B, h, w, filters), or (B, *size, filters).
    """

    def __init__(self, filters, semantic_channels, hidden_filters=128, folded=False, size=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.semantic_channels = semantic_channels
        self.hidden_filters = hidden_filters
        self.folded = folded
        self.size = None if size is None else tuple(size)

    def build(self, input_shape):
        channels = input_shape[-1]
        middle = min(channels, self.filters)
        middle_shape = (*_shape_at(input_shape, self.size)[:-1], middle)
        self.norm_0, self.conv_0 = self._branch("0", input_shape, middle, 3, self.size)
        self.norm_1, self.conv_1 = self._branch("1", middle_shape, self.filters, 3)
        self.learned_shortcut = channels != self.filters
        if self.learned_shortcut:
            self.norm_s, self.conv_s = self._branch("s", input_shape, self.filters, 1, self.size)
        self.built = True

    def _branch(self, name, shape, filters, kernel_size, size=None):
        options = {"folded": self.folded, "dtype": self.dtype_policy}
        norm = SPADE(self.semantic_channels, self.hidden_filters, size=size, name=f"norm_{name}", **options)
        conv = SpectralNormConv2D(
            filters,
            kernel_size,
            use_bias=kernel_size > 1,
            kernel_initializer=xavier(),
            name=f"conv_{name}",
            **options,
        )
        norm.build(shape)
        conv.build(norm.compute_output_shape(shape))
        return norm, conv

    def branches(self):  # no property: Keras would save its lists
        """The block's two or three pairs of `SPADE` and `SpectralNormConv2D`."""
        pairs = [(self.norm_0, self.conv_0), (self.norm_1, self.conv_1)]
        return [*pairs, (self.norm_s, self.conv_s)] if self.learned_shortcut else pairs

    def call(self, x, level, training=False):
        # norm_0 and norm_s have the same input.
        options = {"training": training, "moments": moments_at(x, self.size) if training and not self.folded else None}
        if self.learned_shortcut:
            shortcut = self.conv_s(self.norm_s(x, level, **options), training=training)
        else:
            shortcut = _at(x, self.size)
        y = self._activate(self.norm_0(x, level, **options))
        y = self.conv_0(y, training=training)
        y = self._activate(self.norm_1(y, level, training=training))
        return shortcut + self.conv_1(y, training=training)

    @staticmethod
    def _activate(x):
        return ops.leaky_relu(x, NEGATIVE_SLOPE)

    def compute_output_shape(self, input_shape, *args):
        return (*_shape_at(input_shape, self.size)[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "semantic_channels": self.semantic_channels,
            "hidden_filters": self.hidden_filters,
            "folded": self.folded,
            "size": self.size,
        }
