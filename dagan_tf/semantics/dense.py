"""Dense semantics: the level that convolves one-hot maps, for every backend, XLA and TFLite."""

from typing import NamedTuple

from keras import ops

from dagan_tf.backend import add_bias


class DenseLevel(NamedTuple):
    """A level that holds the one-hot map and convolves it.

    A named tuple, so that Keras and `tf.function` see the tensor in it.
    """

    one_hot: object
    """(B, H, W, S) floats: the classes, 0 or 1 (their mean over a window, where the map was averaged down) and, where
    used, the edge channel."""

    @property
    def size(self):
        """(H, W) of the level."""
        return tuple(self.one_hot.shape[1:3])

    def convolve(self, kernel, bias, strides=1, padding=None):
        """Convolves the one-hot map with zero padding.

        Args:
            kernel: (k, k, S, F), bias: (F,).
            strides: step in both directions.
            padding: zero rows and columns on every side; `None`, for odd kernels at stride 1 only, keeps the size.

        Returns:
            (B, H', W', F) in the kernel's dtype.
        """
        return convolve(self.one_hot, kernel, bias, strides, padding)

    def modulate(self, x, shared, scale, shift):
        """Modulates x: x * scale + shift, each a convolution of one hidden layer, relu(convolution of the map).

        Args:
            x: (B, H, W, C).
            shared, scale, shift: pairs (kernel, bias) of shapes (3, 3, S, N), (N,); (3, 3, N, C), (C,) twice.

        Returns:
            (B, H, W, C) in x's dtype. The sums are in the biases' dtype, the products in the kernels'.
        """
        return modulate(self.one_hot, x, shared, scale, shift)


def as_level(level):
    """The level that a layer was called with; Keras saves a `DenseLevel` in a functional model as a list."""
    return DenseLevel(*level) if isinstance(level, list) else level


def convolve(one_hot, kernel, bias, strides=1, padding=None):
    """The convolution of `DenseLevel.convolve`, on a one-hot map (B, H, W, S)."""
    x = ops.cast(one_hot, kernel.dtype)
    if padding is None:
        return add_bias(ops.conv(x, kernel, strides=strides, padding="same"), bias)
    x = ops.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return add_bias(ops.conv(x, kernel, strides=strides, padding="valid"), bias)


def modulate(one_hot, x, shared, scale, shift):
    """The modulation of `DenseLevel.modulate`, by a one-hot map (B, H, W, S)."""
    # One convolution for both, so that the hidden layer is read once.
    kernel, bias = (ops.concatenate(pair, axis=-1) for pair in zip(scale, shift, strict=True))
    hidden = ops.cast(ops.relu(convolve(one_hot, *shared)), kernel.dtype)
    both = add_bias(ops.cast(ops.conv(hidden, kernel, padding="same"), bias.dtype), bias)
    scale, shift = ops.split(both, 2, axis=-1)  # the gradient of a split is one concatenation, of two slices two pads
    return ops.cast(ops.cast(x, scale.dtype) * scale + shift, x.dtype)
