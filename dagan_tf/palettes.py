"""Colours for classes of which the data set names none."""

import colorsys

GOLDEN_RATIO = (5**0.5 - 1) / 2


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
