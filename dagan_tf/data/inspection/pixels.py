"""What one example's pixels tell: ids, isolated pixels, a photo's digest, and what its file says about a photo."""

import hashlib

import numpy as np
from PIL import ExifTags, Image

from dagan_tf.data.decoding import DEEP_MODES, NPY, WITH_ALPHA
from dagan_tf.data.listing import PHOTO

ROWS_APART = 8
"""A photo's digest is that of every eighth row: an eighth of the time, and different photos differ in those, too."""
NEARLY_BLACK = 256 // 16
"""The brightest level, of 8 bits, of photos of 12 bits that were not scaled to 16."""
ISOLATED = 0.005
"""Share of isolated pixels above which a label map looks like noise; `check` warns of none of the real samples."""


def id_counts(label):
    """How many pixels each id has: a dictionary."""
    if label.dtype == np.uint8:
        counts = np.array(Image.fromarray(label).histogram())
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    values, counts = np.unique(label, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def isolated_share(label):
    """The share of pixels, those at the border left out, that differ from all of their 4 neighbours."""
    rows, columns = label[1:] != label[:-1], label[:, 1:] != label[:, :-1]
    found = rows[:-1, 1:-1] & rows[1:, 1:-1]
    found &= columns[1:-1, :-1]
    found &= columns[1:-1, 1:]
    return np.count_nonzero(found) / max(1, found.size)


def digest(image):
    """A short text that is the same for equal photos (h, w, 3) and another for others."""
    rows = np.ascontiguousarray(image[::ROWS_APART])
    return hashlib.blake2b(rows, digest_size=16, person=str(image.shape)[-16:].encode()).hexdigest()


def photo_faults(path, image):
    """What may be wrong with a photo that could be read, as `diagnosis.faults` gives it: kinds of warnings.

    Args:
        path: of its file.
        image: its pixels (h, w, 3) uint8.
    """
    if path.suffix.lower() == NPY:  # an array is not turned, nor transparent
        return []
    with Image.open(path) as picture:
        return list(_photo_faults(path, picture, image))


def map_faults(path):
    """What may be wrong with a label map or an instance map that could be read, as `photo_faults` gives it."""
    if path.suffix.lower() == NPY:
        return []
    with Image.open(path) as picture:
        return list(_turned(path, picture, "map: does the photo fit to it as it is turned?"))


def _turned(path, picture, what):
    # Image's own: that of a PNG would decode it.
    orientation = Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        yield "turned", f"{path}: a camera's note (EXIF orientation {orientation}) turns this {what}", path


def _photo_faults(path, picture, image):
    yield from _turned(path, picture, "photo: does the label map fit to it as it is turned?")
    if picture.mode in DEEP_MODES and image.max() <= NEARLY_BLACK:
        yield "dark", (
            f"{path}: a photo of 16 bits whose brightest level is 1/16 of the range or less becomes nearly black. "
            "Scale its levels to 0..65535, or to 8 bits."
        ), path  # fmt: skip
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        opacity = picture.convert("RGBA").getchannel("A").getextrema()[0]
        if opacity < 255:
            yield "transparent", (
                f"{path}: this photo is transparent (opacity from {opacity} of 255 on), which is left out: colours "
                "that nobody saw appear. Put it on a background."
            ), path  # fmt: skip


def example_faults(source, index, example):
    """The warnings of one example that could be read, as `diagnosis.faults` gives what is wrong."""
    found, files = [], source.files(index) if hasattr(source, "files") else {}
    share = isolated_share(example["label"])
    if share > ISOLATED:
        name = source.name(index)
        text = (
            f"{name}: {share:.1%} of the label pixels differ from all of their neighbours, which looks like noise or "
            "smoothed edges. Was the map a JPEG, or resized without nearest neighbour? Make it anew from the original."
        )
        found.append(("noise", text, name))
    found += [fault for role, path in files.items() if role != PHOTO for fault in map_faults(path)]
    if PHOTO in files and "image" in example:
        found += photo_faults(files[PHOTO], example["image"])
    return found
