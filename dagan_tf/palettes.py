"""Colours for classes: a label map as a picture, and colours where the data set names none."""

import colorsys

import numpy as np

from dagan_tf.errors import UserError

GOLDEN_RATIO = (5**0.5 - 1) / 2


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


def distinct_colours(count):
    """Colours that can be told apart, the same ones every time.

    Steps of the golden ratio around the hues never come back to a hue, so that neighbours in the list are far apart
    however many there are; three brightnesses and two saturations alternate.

    Args:
        count: how many.

    Returns:
        A tuple of `count` different (red, green, blue), each in 0 to 255.
    """
    brightness = (1.0, 0.72, 0.46)
    colours = [
        colorsys.hsv_to_rgb(i * GOLDEN_RATIO % 1, 0.85 if i // 3 % 2 else 0.5, brightness[i % 3]) for i in range(count)
    ]
    return tuple(tuple(round(value * 255) for value in colour) for colour in colours)
