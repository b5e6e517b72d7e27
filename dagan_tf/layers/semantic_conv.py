"""Convolution of a label map, or of a label map and an image together."""

import keras
from keras import ops

from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.conv import conv_output_length, convolve
from dagan_tf.layers.initializers import xavier
from dagan_tf.semantics import as_level


@keras.saving.register_keras_serializable(package="dagan_tf")
class SemanticConv2D(ChannelsLastLayer):
    """2-D convolution of a level of the label map, or of its concatenation with an image.

    The level decides how it convolves its label map: as a one-hot map, or without one. A convolution of a
    concatenation is the sum of two convolutions, so the image is convolved apart.

    Args:
        filters: output channels.
        kernel_size: height and width of the kernel.
        semantic_channels: channels S of the level.
        image_channels: channels C of the image, 0 where there is none.
        strides: step in both directions.
        padding: zero rows and columns added on every side; `None` keeps the size at stride 1 ("same").

    Call: `conv(level)`, or `conv(level, image)` with (kB, H, W, C): k batches of images of the same B label maps.
    Returns (kB, H', W', filters) in the compute dtype.
    """

    def __init__(self, filters, kernel_size, semantic_channels, image_channels=0, strides=1, padding=None, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.semantic_channels = semantic_channels
        self.image_channels = image_channels
        self.strides = strides
        self.padding = padding

    def build(self, level_shape=None, image_shape=None):
        shape = (self.kernel_size, self.kernel_size, self.semantic_channels + self.image_channels, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=xavier())
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.built = True

    def call(self, level, image=None):
        level = as_level(level)
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if image is None:
            return level.convolve(kernel, bias, self.strides, self.padding)
        of_labels, of_image = ops.split(kernel, [self.semantic_channels], axis=2)
        labels = level.convolve(of_labels, bias, self.strides, self.padding)
        images = convolve(image, of_image, self.strides, self.padding)
        shape = images.shape[1:]
        # The label maps are those of each B images in turn.
        return ops.reshape(ops.reshape(images, (-1, ops.shape(labels)[0], *shape)) + labels, (-1, *shape))

    def compute_output_shape(self, level_shape, image_shape=None):
        batch, *size, _ = image_shape or level_shape[0]
        size = (conv_output_length(length, self.kernel_size, self.strides, self.padding) for length in size)
        return (batch, *size, self.filters)

    def get_config(self):
        names = ("filters", "kernel_size", "semantic_channels", "image_channels", "strides", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
