"""Label maps as pictures: colours, and sheets of images side by side."""

import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.palettes import distinct_colours

GAP = 4


def colour(label, palette_or_num_classes):
    """Paints a label map: every class in its colour.

    Args:
        label: integer array `(...)` of classes.
        palette_or_num_classes: colours by class as `(red, green, blue)` in 0..255, such as `LabelSpec.palette`,
            or the number of classes, which then get colours of their own (the same ones every time).

    Returns:
        uint8 array `(..., 3)`.

    Raises:
        UserError: a class has no colour.
    """
    given = palette_or_num_classes
    palette = np.asarray(distinct_colours(given) if isinstance(given, int) else given, np.uint8)
    label = np.asarray(label)
    if label.size and (label.min() < 0 or label.max() >= len(palette)):
        raise UserError(
            f"Expected classes 0 to {len(palette) - 1}, for which there are colours. Received: {label.min()} to "
            f"{label.max()}. Give a palette with a colour for every class."
        )
    return palette[label]


def grid(rows):
    """Puts images on one sheet, in rows, with thin white gaps between them.

    Args:
        rows: list of rows from top to bottom, each a list of uint8 images `(h, w, 3)`, all of one size. Shorter rows
            are filled with white.

    Returns:
        uint8 array `(H, W, 3)`.
    """
    height, width, _ = rows[0][0].shape
    down, across = height + GAP, width + GAP
    sheet = np.full((down * len(rows) - GAP, across * max(map(len, rows)) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet[i * down : i * down + height, j * across : j * across + width] = image
    return sheet
