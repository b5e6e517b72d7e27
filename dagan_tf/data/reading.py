"""Files of ids and colours to classes: label maps and instance maps without the loss of an id.

Grey and palette files hold ids, colour files the colours of classes. What a file cannot be read as without a doubt is
refused, with its name.
"""

import numpy as np

from dagan_tf.data.decoding import colours_are_no_ids, read_map
from dagan_tf.data.listing import INSTANCE, LABEL, some
from dagan_tf.errors import UserError

MOST_IDS = 5
NO_CLASS = 255


class ForeignIdError(UserError):
    """A label file holds ids, or colours, that stand for no class."""


def read_label(path, spec):
    """The classes of one label file.

    Grey and palette files hold ids (a palette file its indices). Colour files are read where `spec.palette` has a
    colour of its own for each class.

    Args:
        path: of a PNG, TIFF, BMP or NPY file.
        spec: `LabelSpec` of its ids.

    Returns:
        `(h, w)` in `[0, num_classes)`, uint8 up to 256 classes, else int32.

    Raises:
        UserError: the file cannot be decoded, is of a lossy format, or holds ids or colours of no class.
    """
    pixels, colours = read_map(path, LABEL)
    if pixels.ndim == 3:
        classes = _classes_of_colours(path, pixels, spec)
    else:
        classes = _classes_of_ids(path, pixels, spec)
        if colours is not None and has_distinct_colours(spec):
            check_indices(path, pixels, colours, dict(zip(map(tuple, spec.palette), spec.ids, strict=True)))
    return classes.astype(np.uint8 if spec.num_classes <= 256 else np.int32)


def read_ids(path):
    """The ids of one grey or palette label file as they are in it, `(h, w)` integers; colours raise `UserError`."""
    pixels, _ = read_map(path, LABEL)
    if pixels.ndim == 3:
        raise ForeignIdError(colours_are_no_ids(path, LABEL))
    return pixels


def read_instance(path):
    """The ids `(h, w)` int32 of one instance map; raises `UserError`."""
    pixels, _ = read_map(path, INSTANCE)
    if pixels.min() < -(2**31) or pixels.max() >= 2**31:
        raise UserError(f"{path}: expected ids of 32 bits. Received: {pixels.min()} to {pixels.max()}. Number anew.")
    return pixels.astype(np.int32)


def has_distinct_colours(spec):
    """Whether every class has a colour of its own, by which files in colours can be read."""
    return bool(spec.palette) and len(set(map(tuple, spec.palette))) == spec.num_classes


def _classes_of_ids(path, ids, spec):
    if ids.dtype == np.uint8 and spec.num_classes < NO_CLASS:
        # One look into a table for each pixel, in the place of several passes over integers of four bytes.
        classes = np.take(_table(spec), ids)
        if classes.max() < spec.num_classes:
            return classes
    # Wide integers are cut to a range that int32 has, so that none wraps round to an id that is one.
    classes = spec.to_classes(np.clip(ids, -(2**30), 2**30).astype(np.int32))
    wrong = (classes < 0) | (classes >= spec.num_classes)
    if wrong.any():
        raise ForeignIdError(_bad_ids(path, ids[wrong], spec))
    return classes


def _table(spec):
    """The class of each id of 8 bits, uint8 (256,), and `NO_CLASS` where there is none."""
    classes = spec.to_classes(np.arange(256))
    return np.where((classes >= 0) & (classes < spec.num_classes), classes, NO_CLASS).astype(np.uint8)


def _classes_of_colours(path, pixels, spec):
    if not has_distinct_colours(spec):
        raise ForeignIdError(colours_are_no_ids(path, LABEL))
    codes, known = _codes(pixels), _codes(np.array(spec.palette))
    order = np.argsort(known)
    places = np.minimum(np.searchsorted(known, codes, sorter=order), len(known) - 1)
    classes = order[places]
    if (wrong := known[classes] != codes).any():
        values, counts = np.unique(codes[wrong], return_counts=True)
        found = [f"({v >> 16}, {v >> 8 & 255}, {v & 255}) ({n} pixels)" for v, n in zip(values, counts, strict=True)]
        raise ForeignIdError(
            f"{path}: expected the colours of the {spec.num_classes} classes alone. Received: {some(found, MOST_IDS)}. "
            "Smooth edges and lossy formats make colours between classes: export without them, or add the colours."
        )
    return classes


def check_indices(path, indices, colours, ids):
    """Raises `UserError` for a palette file whose colours name other ids than its indices: programs number them anew.

    Args:
        path: of the file, for the message.
        indices: (h, w), its pixels.
        colours: (n, 3), its palette.
        ids: the id of each class' colour, a dictionary.
    """
    named = {index: ids.get(tuple(colour), index) for index, colour in enumerate(colours.tolist())}
    # Few files have any, so that the pixels need not be looked at.
    other = [index for index, named_id in named.items() if index != named_id and (indices == index).any()]
    if other:
        raise UserError(
            f"{path}: expected a palette picture whose indices are ids. Received: colours of the ids "
            f"{some([named[index] for index in other], MOST_IDS)} under the indices {some(other, MOST_IDS)}. Save it "
            "in colours (RGB), which are read by the palette, or in grey."
        )


def _codes(colours):
    """Colours (..., 3) of 0..255 as one number each."""
    red, green, blue = np.moveaxis(np.asarray(colours, np.int64), -1, 0)
    return red << 16 | green << 8 | blue


def _bad_ids(path, bad, spec):
    values, counts = np.unique(bad, return_counts=True)
    found = [f"id {value} ({count} pixels)" for value, count in zip(values, counts, strict=True)]
    text = (
        f"{path}: expected label ids {spec.describe_ids()}, for {spec.num_classes} classes. Received: "
        f"{some(found, MOST_IDS)}. "
    )
    if spec.unknown_id is not None and values.tolist() == [spec.known_ids.stop]:
        return text + f"`num_classes` counts the unknown class, too: with this id it is {spec.num_classes + 1}."
    if spec.unknown_id is None and len(values) == 1:
        return text + (
            f"If {values[0]} means unlabelled, give it as `unknown_id` and count it in `num_classes`; else correct the "
            "file, or the number of classes."
        )
    return text + "Correct the file, or the number of classes."
