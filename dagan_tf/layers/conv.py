"""Convolution, as a matrix product where the kernel is large and the map small."""

import keras
from keras import ops


def conv_same(x, kernel, strides=1):
    """A zero-padded convolution; at stride 1 it keeps the size.

    On TensorFlow's CPUs it is a product of the map's windows and the kernel where the kernel is much larger than the
    map: to bring such a kernel into the convolution's layout takes longer than to multiply by it.

    Args:
        x: (B, h, w, C).
        kernel: (k, k, C, F).
        strides: step in both directions.

    Returns:
        (B, h', w', F).
    """
    if strides == 1 and _is_small(x, kernel):
        return _product(x, kernel)
    return ops.conv(x, kernel, strides=strides, padding="same")


def _is_small(x, kernel):
    _, height, width, _ = x.shape
    size, *_, filters = kernel.shape
    known = None not in (height, width)
    return known and size > 1 and filters >= 2 * height * width and _on_tensorflow_cpu()


def _on_tensorflow_cpu():
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


def _product(x, kernel):
    """The product of the windows of x, (B h w, k k C), and the kernel, (k k C, F)."""
    _, height, width, channels = x.shape
    size, filters = kernel.shape[0], kernel.shape[-1]
    before, after = (size - 1) // 2, size // 2
    x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    shape = (-1, height, width, channels)
    # No subscripts: their gradient takes several times as long as that of `slice`.
    windows = [ops.slice(x, (0, i, j, 0), shape) for i in range(size) for j in range(size)]
    rows = ops.reshape(ops.concatenate(windows, axis=-1), (-1, size * size * channels))
    return ops.reshape(ops.matmul(rows, ops.reshape(kernel, (-1, filters))), (-1, height, width, filters))
