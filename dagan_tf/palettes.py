"""Colours for classes: a label map as a picture."""

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
    palette = distinct_colours(given) if isinstance(given, int) else np.asarray(given, np.uint8)
    label = np.asarray(label)
    if label.size and (label.min() < 0 or label.max() >= len(palette)):
        raise UserError(
            f"Expected classes 0 to {len(palette) - 1}, for which there are colours. Received: {label.min()} to "
            f"{label.max()}. Give a palette with a colour for every class."
        )
    return palette[label]


def distinct_colours(count):
    """Colours `(count, 3)` uint8: steps of the golden ratio around the hues, over three brightnesses."""
    brightness = (1.0, 0.72, 0.46)
    colours = [
        colorsys.hsv_to_rgb(i * GOLDEN_RATIO % 1, 0.85 if i // 3 % 2 else 0.5, brightness[i % 3]) for i in range(count)
    ]
    return np.rint(np.array(colours) * 255).astype(np.uint8)
