"""Nearest-neighbour resizing that every backend and XLA can differentiate, with PyTorch's choice of pixels."""

import numpy as np
from keras import ops

from dagan_tf.errors import UserError


def resize_nearest(x, size):
    """Nearest-neighbour resizing in which output pixel i reads input pixel floor(i * present / size).

    Args:
        x: (B, H, W, C) with static H and W.
        size: (height, width) of the result.

    Returns:
        (B, height, width, C) in x's dtype.

    Raises:
        UserError: a height or width is not known when the graph is made.
    """
    present = tuple(x.shape[1:3])
    if None in (*present, *size):
        raise UserError(
            f"Feature maps must have a known height and width. Received: {tuple(x.shape)}, to be resized to "
            f"{tuple(size)}. Give the input a fixed size."
        )
    if tuple(size) == present:
        return x
    if all(new % old == 0 for new, old in zip(size, present, strict=True)):
        return _repeated(x, tuple(new // old for new, old in zip(size, present, strict=True)))
    for axis, (new, old) in enumerate(zip(size, present, strict=True), 1):
        x = ops.take(x, np.arange(new) * old // new, axis=axis)
    return x


def _repeated(x, times):
    """Each pixel as a rectangle of (vertical, horizontal) equal ones.

    Pixels are repeated in their row, then whole rows are, both as blocks that lie together in memory. With `ops.repeat`
    the same takes more nodes of a graph, and its gradient more time.
    """
    _, height, width, channels = x.shape
    vertical, horizontal = times
    pixels = ops.tile(ops.reshape(x, (-1, 1, channels)), (1, horizontal, 1))
    rows = ops.tile(ops.reshape(pixels, (-1, 1, width * horizontal * channels)), (1, vertical, 1))
    return ops.reshape(rows, (-1, height * vertical, width * horizontal, channels))
