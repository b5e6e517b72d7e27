"""Images of the networks, floats in [-1, 1], as 8-bit images and PNG files."""

import numpy as np
from PIL import Image

from dagan_tf.files import replaced


def to_uint8(image):
    """Float images `(...)` in [-1, 1] as uint8 in [0, 255], rounded to the nearest level; others are clipped."""
    return np.clip(np.rint((np.asarray(image, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def write_png(path, array):
    """Writes a uint8 array `(h, w)` or `(h, w, 3)` as a PNG file, whole or not at all; makes its folder."""
    with replaced(path) as unfinished:
        Image.fromarray(array).save(unfinished, format="PNG")
