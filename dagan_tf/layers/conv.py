"""Convolution, as a matrix product where the kernel is large and the feature map small."""

from keras import ops

from dagan_tf.backend import on_tensorflow_cpu, traced_once, with_shape


def convolve(x, kernel, strides=1, padding=None):
    """Convolves a feature map with zero padding.

    On TensorFlow's CPUs it is a product of the map's windows and the kernel where the kernel is much larger than the
    map: to bring such a kernel into the convolution's memory layout takes longer than to multiply by it.

    Args:
        x: (B, h, w, C).
        kernel: (k, k, C, F).
        strides: step in both directions.
        padding: zero rows and columns added on every side; `None` keeps the size at stride 1 ("same").

    Returns:
        (B, h', w', F) in x's dtype.
    """
    if padding is not None:
        return ops.conv(pad(x, padding), kernel, strides=strides, padding="valid")
    if strides == 1 and _is_small(x, kernel):
        return with_shape(_product(x, kernel, kernel.shape[0]), (*x.shape[:-1], kernel.shape[-1]))
    return ops.conv(x, kernel, strides=strides, padding="same")


def pad(x, padding):
    """Adds zero rows and columns to a map (B, h, w, C) on every side."""
    return ops.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def conv_output_length(length, kernel_size, strides=1, padding=None):
    """The height or width that `convolve` makes of `length`; `None`, which is not known, stays `None`."""
    if length is None:
        return None
    covered = length + (kernel_size - 1 if padding is None else 2 * padding)
    return (covered - kernel_size) // strides + 1


def _is_small(x, kernel):
    _, height, width, _ = x.shape
    size, *_, filters = kernel.shape
    known = None not in (height, width)
    return known and size > 1 and filters >= 2 * height * width and on_tensorflow_cpu()


@traced_once
def _product(x, kernel, size):
    """The product of the size x size windows of x, (B h w, size size C), and the kernel, (size size C, F)."""
    batch, height, width, channels = ops.shape(x)
    filters = ops.shape(kernel)[-1]
    before, after = (size - 1) // 2, size // 2
    x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    # No subscripts: their gradient takes several times as long as that of `slice`.
    shape = (batch, height, width, channels)
    windows = [ops.slice(x, (0, i, j, 0), shape) for i in range(size) for j in range(size)]
    rows = ops.reshape(ops.concatenate(windows, axis=-1), (-1, size * size * channels))
    return ops.reshape(ops.matmul(rows, ops.reshape(kernel, (-1, filters))), (-1, height, width, filters))
