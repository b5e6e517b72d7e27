"""Sheets of images side by side."""

import numpy as np

GAP = 4


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
