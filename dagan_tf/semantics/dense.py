"""The level that convolves one-hot maps: every backend, XLA, TFLite."""

from typing import NamedTuple

from keras import ops


class Modulation(NamedTuple):
    """What SPADE does to a normalised map x (B, h, w, C): x * scale + shift, in x's dtype."""

    scale: object
    """(B, h, w, C)."""
    shift: object
    """(B, h, w, C)."""

    def __call__(self, x):
        return ops.cast(ops.cast(x, self.scale.dtype) * self.scale + self.shift, x.dtype)


def joined(scale, shift):
    """Two convolutions (kernel, bias) of one input as one: it reads the input once."""
    return ops.concatenate([scale[0], shift[0]], axis=-1), ops.concatenate([scale[1], shift[1]], axis=-1)


class DenseLevel(NamedTuple):
    """A level that holds the one-hot map and convolves it.

    A named tuple, so that Keras and `tf.function` see the tensor in it.
    """

    one_hot: object
    """(B, h, w, S) floats: the classes, 0 or 1 (their shares, where it was downsampled by means) and, where used, the
    edge channel."""

    def convolve(self, kernel, bias, strides=1, padding=None):
        """The map's zero-padded convolution.

        Args:
            kernel: (k, k, S, F), bias: (F,).
            strides: step in both directions.
            padding: zero rows and columns on every side; `None`, for odd kernels at stride 1 only, keeps the size.

        Returns:
            (B, h', w', F) in the kernel's dtype.
        """
        x = ops.cast(self.one_hot, kernel.dtype)
        if padding is None:
            return ops.conv(x, kernel, strides=strides, padding="same") + bias
        x = ops.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        return ops.conv(x, kernel, strides=strides, padding="valid") + bias

    def modulation(self, shared, scale, shift):
        """The modulation of one SPADE layer: two convolutions on a shared hidden layer with ReLU.

        Args:
            shared, scale, shift: pairs (kernel, bias) of shapes (3, 3, S, N), (N,); (3, 3, N, C), (C,) twice.

        Returns:
            A `Modulation` in the biases' dtype, in which all sums are, too; the products are in the kernels'.
        """
        kernel, bias = joined(scale, shift)
        hidden = ops.cast(ops.relu(self.convolve(*shared)), kernel.dtype)
        both = ops.cast(ops.conv(hidden, kernel, padding="same"), bias.dtype) + bias
        return Modulation(*ops.split(both, 2, axis=-1))  # whose gradient is one concatenation; a slice's is two pads
