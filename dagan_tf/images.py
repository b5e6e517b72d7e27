"""Images of the networks, float32 in [-1, 1], to 8-bit images in [0, 255] and back, and 8-bit images as PNG.

The functions for NumPy arrays need no TensorFlow; those whose names end in `_tensor` are the same inside a graph of it.
"""

import io

import numpy as np
from PIL import Image

from dagan_tf.files import replaced

HALF_RANGE = 127.5
"""8-bit levels that lie between 0 and 1 of an image in [-1, 1]."""


def to_uint8(image):
    """Images in [-1, 1] of any shape as a NumPy array of uint8: rounded to the nearest level, others are clipped."""
    return np.clip(np.rint((np.asarray(image, np.float32) + 1) * HALF_RANGE), 0, 255).astype(np.uint8)


def to_uint8_tensor(image):
    """`to_uint8` of a float32 tensor, with operators that TFLite has, too."""
    import tensorflow as tf

    return tf.cast(tf.clip_by_value(tf.round((image + 1) * HALF_RANGE), 0, 255), tf.uint8)


def from_uint8_tensor(levels):
    """A uint8 tensor of any shape as float32 in [-1, 1]; `to_uint8` undoes it exactly."""
    import tensorflow as tf

    return tf.cast(levels, tf.float32) / HALF_RANGE - 1


def encode_png(array):
    """An array `(H, W)` of uint8 or uint16, or `(H, W, 3)` of uint8, as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()


def write_png(path, array):
    """Writes a uint8 array `(H, W)` or `(H, W, 3)` as a PNG file, whole or not at all; makes its folder."""
    with replaced(path) as unfinished:
        Image.fromarray(array).save(unfinished, format="PNG")
