"""The multi-scale discriminator of pix2pixHD with intermediate features, spectrally normalised as in SPADE."""

import keras
import numpy as np
from keras import ops

from dagan_tf.backend import check_settings, traced_once, with_shape
from dagan_tf.config import ModelConfig
from dagan_tf.layers.activation import leaky_relu
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.conv import pad
from dagan_tf.layers.initializers import xavier
from dagan_tf.layers.semantic_conv import SemanticConv2D
from dagan_tf.layers.spectral_norm import SpectralNormConv2D
from dagan_tf.networks.keras_files import KerasFiles
from dagan_tf.semantics import DenseLevel, Semantics

KERNEL_SIZE = 4
PADDING = 2
LAYERS = 5
MAX_FILTERS = 512


def instance_norm(x):
    """Instance normalisation without scale and shift, epsilon 1e-5, statistics in float32. (B, H, W, C) to the same."""
    return with_shape(_instance_norm(x), x.shape)


@traced_once
def _instance_norm(x):
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(1, 2), keepdims=True)
    scale = ops.rsqrt(variance + 1e-5)
    return x * ops.cast(scale, x.dtype) - ops.cast(mean * scale, x.dtype)


def downsample(x):
    """3x3 mean at stride 2 with padding 1, in which padded cells do not count. (B, H, W, C) to half the size."""
    height, width = x.shape[1:3]
    sums = ops.average_pool(pad(x, 1), 3, strides=2, padding="valid")
    return sums * ops.cast(_inverse_coverage(height)[:, None, None] * _inverse_coverage(width)[:, None], x.dtype)


def _inverse_coverage(size):
    """3 / (cells of each window that lie inside), for windows of 3 that start at -1, 1, 3, ..."""
    starts = np.arange(-1, size - 1, 2)
    inside = np.minimum(starts + 3, size) - np.maximum(starts, 0)
    return (3.0 / inside).astype("float32")


@keras.saving.register_keras_serializable(package="dagan_tf")
class PatchDiscriminator(ChannelsLastLayer):
    """One PatchGAN: five 4x4 convolutions, the inner three spectrally normalised and followed by instance norm.

    Args:
        filters: channels of the first layer; they double in each layer up to 512.
        semantic_channels: channels of the level.

    Call: `scale(image, level)` with image (kB, H, W, 3) and the level of B label maps, which are those of each B images
    in turn; the first layer reads both, see `SemanticConv2D`.
    Returns the list of the five layers' outputs; the last, (kB, h, w, 1), is the score.
    """

    def __init__(self, filters, semantic_channels, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.semantic_channels = semantic_channels

    def build(self, input_shape):
        widths = [self.filters] + [min(self.filters * 2**i, MAX_FILTERS) for i in range(1, LAYERS - 1)] + [1]
        self.convs, channels = [], None
        for i, (filters, strides) in enumerate(zip(widths, (2, 2, 2, 1, 1), strict=True)):
            conv = self._conv(i, filters, strides)
            conv.build((None, None, None, channels))
            self.convs.append(conv)
            channels = filters
        self.built = True

    def _conv(self, i, filters, strides):
        options = {"strides": strides, "name": f"conv_{i}", "dtype": self.dtype_policy}
        if i == 0:
            return SemanticConv2D(filters, KERNEL_SIZE, self.semantic_channels, 3, padding=PADDING, **options)
        options["kernel_initializer"] = xavier()
        if i < LAYERS - 1:
            return SpectralNormConv2D(filters, KERNEL_SIZE, padding=PADDING, use_bias=False, **options)
        return keras.layers.Conv2D(filters, KERNEL_SIZE, padding="valid", **options)

    def call(self, image, level, training=False):
        first, *inner, last = self.convs
        x = leaky_relu(first(level, image))
        features = [x]
        for conv in inner:
            x = leaky_relu(instance_norm(conv(x, training=training)))
            features.append(x)
        return [*features, last(pad(x, PADDING))]

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "semantic_channels": self.semantic_channels}


@keras.saving.register_keras_serializable(package="dagan_tf")
class Discriminator(KerasFiles):
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
        check_settings()
        super().__init__(autocast=False, **kwargs)  # as the generator, for the sake of label maps
        self.config = config
        self.semantics = semantics
        self.supports_jit = semantics != "patch_table"  # Keras compiles with XLA on GPUs what does
        self.scales = [
            PatchDiscriminator(
                config.discriminator_filters, config.semantic_channels, name=f"scale_{i}", dtype=self.dtype_policy
            )
            for i in range(config.num_discriminators)
        ]
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        for scale in self.scales:
            scale.build((None, None, None, 3))
        self.built = True

    def levels(self, semantics):
        """What the scales read of a `Semantics`: a list of levels at full, half, ... size."""
        levels = [semantics.level()]
        one_hot = semantics.one_hot() if len(self.scales) > 1 else None
        for _ in self.scales[1:]:
            one_hot = downsample(one_hot)
            levels.append(DenseLevel(one_hot))
        return levels

    def judge(self, levels, image, training=False):
        """The features of images (kB, H, W, 3) by the `levels` of their B label maps, see the class."""
        image, features = ops.cast(image, self.compute_dtype), []
        for i, (scale, level) in enumerate(zip(self.scales, levels, strict=True)):
            image = downsample(image) if i else image
            features.append(scale(image, level, training=training))
        return features

    def call(self, inputs, training=False):
        semantics = Semantics.from_inputs(inputs, self.config, self.compute_dtype, self.semantics)
        return self.judge(self.levels(semantics), inputs["image"], training=training)

    def get_config(self):
        return {**super().get_config(), "config": self.config.to_dict(), "semantics": self.semantics}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
