"""The multi-scale discriminator of pix2pixHD with intermediate features, spectrally normalised as in SPADE."""

import keras
import numpy as np
from keras import ops

from dagan_tf.config import ModelConfig
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.spade import NEGATIVE_SLOPE
from dagan_tf.layers.spectral_norm import SpectralNormConv2D
from dagan_tf.semantics import DenseLevel, Semantics

KERNEL_SIZE = 4
PADDING = 2
LAYERS = 5
MAX_FILTERS = 512


def instance_norm(x):
    """Instance normalisation without affine part, epsilon 1e-5, statistics in float32. (B, H, W, C) to the same."""
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2), keepdims=True)
    scale = ops.rsqrt(variance + 1e-5)
    return x * ops.cast(scale, x.dtype) - ops.cast(mean * scale, x.dtype)


def downsample(x):
    """3x3 mean at stride 2 with padding 1, in which padded cells do not count. (B, H, W, C) to half the size."""
    height, width = x.shape[1:3]
    sums = ops.average_pool(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, strides=2, padding="valid")
    return sums * ops.cast(_inverse_share(height)[:, None, None] * _inverse_share(width)[:, None], x.dtype)


def _inverse_share(size):
    """3 / (cells of each window that lie inside), for windows of 3 that start at -1, 1, 3, ..."""
    starts = np.arange(-1, size - 1, 2)
    inside = np.minimum(starts + 3, size) - np.maximum(starts, 0)
    return (3.0 / inside).astype("float32")


@keras.saving.register_keras_serializable(package="dagan_tf")
class PatchDiscriminator(keras.layers.Layer):
    """One PatchGAN: five 4x4 convolutions, the inner three spectrally normalised and followed by instance norm.

    Args:
        filters: channels of the first layer; they double in each layer up to 512.

    Build it with the channels of label map and image together. Call: `scale(image, level)` with image (kB, H, W, 3) and
    the level of B label maps, which are those of each B images in turn; the input of the paper's first layer is their
    concatenation, and a convolution of it is a sum of two.
    Returns the list of the five layers' outputs; the last, (kB, h, w, 1), is the score.
    """

    def __init__(self, filters=64, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        widths = [self.filters * 2**i for i in range(LAYERS - 1)]
        widths = [widths[0]] + [min(width, MAX_FILTERS) for width in widths[1:]] + [1]
        self.convs, shape = [], tuple(input_shape)
        for i, (filters, strides) in enumerate(zip(widths, (2, 2, 2, 1, 1), strict=True)):
            conv = self._conv(i, filters, strides)
            conv.build(shape)
            self.convs.append(conv)
            shape = (*shape[:-1], filters)
        self.built = True

    def _conv(self, i, filters, strides):
        options = {"strides": strides, "kernel_initializer": xavier(), "name": f"conv_{i}", "dtype": self.dtype_policy}
        if 0 < i < LAYERS - 1:
            return SpectralNormConv2D(filters, KERNEL_SIZE, padding=PADDING, use_bias=False, **options)
        return keras.layers.Conv2D(filters, KERNEL_SIZE, padding="valid", **options)

    def call(self, image, level, training=False):
        x = ops.leaky_relu(self._first(image, level), NEGATIVE_SLOPE)
        features = [x]
        for i, conv in enumerate(self.convs[1:], 1):
            if isinstance(conv, SpectralNormConv2D):
                x = instance_norm(conv(x, training=training))
            else:
                x = conv(ops.pad(x, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0))))
            if i < LAYERS - 1:
                x = ops.leaky_relu(x, NEGATIVE_SLOPE)
            features.append(x)
        return features

    def _first(self, image, level):
        conv = self.convs[0]
        kernel, bias = (ops.cast(weight, self.compute_dtype) for weight in (conv.kernel, conv.bias))
        of_labels, of_image = ops.split(kernel, [kernel.shape[2] - image.shape[-1]], axis=2)
        labels = level.convolve(of_labels, bias, strides=2, padding=PADDING)
        image = ops.pad(image, ((0, 0), (PADDING, PADDING), (PADDING, PADDING), (0, 0)))
        images = ops.conv(image, of_image, strides=2, padding="valid")
        shape = images.shape[1:]
        return ops.reshape(ops.reshape(images, (-1, ops.shape(labels)[0], *shape)) + labels, (-1, *shape))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="dagan_tf")
class Discriminator(keras.Model):
    """PatchGANs on concat(one-hot label map [+ instance edges], image) at full, half, ... size.

    The weights exist when the constructor returns.

    Args:
        config: a `ModelConfig`.
        semantics: how the label map is read, see `Semantics`: "auto", "dense" or "patch_table".

    Call: a dictionary with `"label"` (B, H, W) integers, `"instance"` likewise where the configuration uses edges, and
    `"image"` (B, H, W, 3) floats in [-1, 1], or several batches of images of the same maps, (kB, H, W, 3). Returns a
    list over scales of lists over layers of features (kB, h, w, C); the last feature of each scale is its score
    (kB, h, w, 1).
    """

    def __init__(self, config, semantics="auto", **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.semantics = semantics
        self.supports_jit = semantics != "patch_table"  # Keras compiles with XLA on GPUs what does
        self.scales = [
            PatchDiscriminator(config.discriminator_filters, name=f"scale_{i}", dtype=self.dtype_policy)
            for i in range(config.num_discriminators)
        ]
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        height, width = self.config.image_size
        for scale in self.scales:
            scale.build((None, height, width, self.config.semantic_channels + 3))
            height, width = -(-height // 2), -(-width // 2)
        self.built = True

    def call(self, inputs, training=False):
        semantics = Semantics.from_inputs(inputs, self.config, self.compute_dtype, self.semantics)
        image, level = ops.cast(inputs["image"], self.compute_dtype), semantics.level()
        features = []
        for i, scale in enumerate(self.scales):
            if i == 1:
                one_hot = semantics.one_hot()
            if i:
                one_hot, image = downsample(one_hot), downsample(image)
                level = DenseLevel(one_hot)
            features.append(scale(image, level, training=training))
        return features

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict(), "semantics": self.semantics}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
