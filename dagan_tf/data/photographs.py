"""Photographs as the files that a prepared folder keeps."""

import tempfile
from pathlib import Path

from PIL import Image

from dagan_tf.data.folder import read_photo
from dagan_tf.images import encode_png

COPIED = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}
"""Formats that are kept as they are, and their suffixes; MPO is JPEG, as some cameras write it."""
ORIENTATION = 0x0112
"""The tag of EXIF that says how the camera was held; 1 is upright."""


def photo_file(photo):
    """What to keep of a photograph.

    JPEG and PNG stay as they are, byte for byte, unless the camera was turned: programs disagree about that note, so
    such a photograph, and any other format, becomes a PNG of its upright pixels.

    Args:
        photo: path of the file, or its bytes.

    Returns:
        (suffix, bytes, (h, w) of the upright picture).

    Raises:
        UserError: it cannot be decoded to its last row.
    """
    if isinstance(photo, bytes):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "embedded photograph"
            path.write_bytes(photo)
            return photo_file(path)
    pixels = read_photo(photo)
    with Image.open(photo) as picture:
        suffix, turned = COPIED.get(picture.format), picture.getexif().get(ORIENTATION, 1) != 1
    if suffix is None or turned:
        return ".png", encode_png(pixels), pixels.shape[:2]
    return suffix, Path(photo).read_bytes(), pixels.shape[:2]
