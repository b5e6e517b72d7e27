"""Nearest-neighbour resizing that every backend and XLA can differentiate, with PyTorch's choice of pixels."""

import numpy as np
from keras import ops

from dagan_tf.backend import traced_once, with_shape
from dagan_tf.errors import UserError


@traced_once
def _repeated(x, times, axis):
    return ops.repeat(x, times, axis=axis)


def _resize_axis(x, size, axis):
    present = x.shape[axis]
    if size == present:
        return x
    if size % present == 0:
        return with_shape(_repeated(x, size // present, axis), (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    return ops.take(x, np.arange(size) * present // size, axis=axis)


def resize_nearest(x, size):
    """Nearest resizing in which output pixel i reads input pixel floor(i * present / size).

    Args:
        x: (B, H, W, C) with static H and W.
        size: (height, width) of the result.

    Returns:
        (B, height, width, C) in x's dtype.

    Raises:
        UserError: a height or width is not known when the graph is made.
    """
    if None in (*x.shape[1:3], *size):
        raise UserError(
            f"Feature maps must have a known height and width. Received: {tuple(x.shape)}, to be resized to "
            f"{tuple(size)}. Give the input a fixed size."
        )
    return _resize_axis(_resize_axis(x, size[0], 1), size[1], 2)
