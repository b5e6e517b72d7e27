"""The base of layers that take and give features as (B, H, W, C)."""

import keras

from dagan_tf.backend import check_channels_last


class ChannelsLastLayer(keras.layers.Layer):
    """A layer for features (B, H, W, C), which Keras' setting of the other order would make wrong without a word.

    Raises:
        UserError: `keras.config.image_data_format()` is "channels_first".
    """

    def __init__(self, **kwargs):
        check_channels_last()
        super().__init__(**kwargs)
