"""Images of the networks, floats in [-1, 1], as 8-bit images and PNG files."""

import os
from pathlib import Path

import numpy as np
from PIL import Image


def to_uint8(image):
    """Float images `(...)` in [-1, 1] as uint8 in [0, 255], rounded to the nearest level; others are clipped."""
    return np.clip(np.rint((np.asarray(image, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)


def write_png(path, array):
    """Write a uint8 array `(h, w)` or `(h, w, 3)` as a PNG file, making its folder where needed.

    The file appears whole or not at all: it is written beside its place and renamed into it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        Image.fromarray(array).save(aside, format="PNG")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
