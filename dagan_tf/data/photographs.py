"""Photographs as the files that a prepared folder keeps."""

import tempfile
from pathlib import Path

from PIL import ExifTags, Image

from dagan_tf.data.decoding import NPY, read_photo
from dagan_tf.images import encode_png

COPIED = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}
"""Formats that are kept as they are, and their suffixes; MPO is JPEG, as some cameras write it."""


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
    suffix = _suffix(photo)
    data = encode_png(pixels) if suffix is None else Path(photo).read_bytes()
    return suffix or ".png", data, pixels.shape[:2]


def _suffix(path):
    """The suffix under which a file is kept as it is, or None."""
    if path.suffix.lower() == NPY:
        return None
    with Image.open(path) as picture:
        upright = picture.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return COPIED.get(picture.format) if upright else None
