"""Facades drawn by code: a data set that needs no download.

`ProceduralFacades` is the source of examples. `layout` decides where things are, in fractions of the picture, so that
it is the same at any size; `style` and `materials` say what they are made of, `paint` paints them.
"""

import zlib

import numpy as np

from dagan_tf.data.procedural.layout import draw_layout, rasterise
from dagan_tf.data.procedural.paint import paint
from dagan_tf.data.procedural.style import draw_style
from dagan_tf.errors import UserError

SMALLEST_SIDE = 32


class ProceduralFacades:
    """Examples of facades drawn by code: label maps and pictures, with the interface of `FileSource`.

    Everything about an example follows from `(seed, split, index)`: the order of access and the other
    examples do not matter. Its layout in fractions of the picture does not depend on `size`.

    Args:
        num_examples: how many examples there are, at least 1.
        size: `(H, W)` in pixels, each at least 32.
        seed: a whole number, 0 or more; another seed gives other houses.
        split: any name; two splits share no example.

    Raises:
        UserError: `num_examples`, `size` or `seed` is out of range.
    """

    def __init__(self, num_examples, size=(64, 64), seed=0, split="train"):
        if num_examples < 1:
            raise UserError(f"`num_examples` must be at least 1. Received: {num_examples}.")
        if seed < 0:
            raise UserError(f"`seed` must be at least 0. Received: {seed}.")
        self.size = _checked_size(size)
        self.seed = seed
        self.split = split
        self._num_examples = num_examples

    def __len__(self):
        return self._num_examples

    def name(self, index):
        """The example's name, for example `procedural/train/000012`; raises `IndexError` outside of 0 to n - 1."""
        self._check_index(index)
        return f"procedural/{self.split}/{index:06d}"

    def fingerprint(self):
        """A text that changes when the examples do."""
        return f"procedural 1 {self.size} {self.seed} {self.split}"

    def __getitem__(self, index):
        """Draws one example.

        Returns:
            A dictionary of `"label"` `(H, W)` uint8 with the ids 1 to 12 of the CMP facades (0 never occurs), and
            `"image"` `(H, W, 3)` uint8, which fits it pixel by pixel.

        Raises:
            IndexError: `index` is outside of 0 to n - 1.
        """
        self._check_index(index)
        drawing = rasterise(draw_layout(self._rng(index, 0)), self.size)
        style = draw_style(self._rng(index, 1))
        image = paint(drawing, style, self._rng(index, 2))
        return {"label": drawing.label, "image": image}

    def _check_index(self, index):
        if not 0 <= index < self._num_examples:
            raise IndexError(f"index {index} is outside 0..{self._num_examples - 1}")

    def _rng(self, index, purpose):
        # One stream per purpose: how much noise a size needs must not change the layout or the colours.
        return np.random.default_rng([self.seed, zlib.crc32(self.split.encode()), index, purpose])


def _checked_size(size):
    try:
        height, width = (int(side) for side in size)
    except (TypeError, ValueError):
        raise UserError(f"`size` must be (height, width) in pixels. Received: {size!r}.") from None
    if min(height, width) < SMALLEST_SIDE:
        raise UserError(f"`size` must be at least {SMALLEST_SIDE} pixels each way. Received: {height}x{width}.")
    return height, width
