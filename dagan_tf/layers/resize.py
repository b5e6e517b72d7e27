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
    """Repeats each pixel as a rectangle.

    In one pass over memory, where `ops.repeat` takes one for each axis. The gradient is written as what it is, the sum
    over a rectangle, in the form of a pooling: the sum that backends derive takes several times as long.
    """
    _, height, width, channels = x.shape
    vertical, horizontal = times

    @ops.custom_gradient
    def repeat(x):
        def gradient(*upstreams, upstream=None):  # Keras' backends give it in one form or the other
            upstream = upstreams[0] if upstream is None else upstream
            means = ops.average_pool(upstream, times, strides=times, padding="valid")
            return means * (vertical * horizontal)

        pixels = ops.reshape(x, (-1, height, 1, width, 1, channels))
        tiles = ops.tile(pixels, (1, 1, vertical, 1, horizontal, 1))
        return ops.reshape(tiles, (-1, height * vertical, width * horizontal, channels)), gradient

    return repeat(x)
