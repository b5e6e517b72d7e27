"""The level that convolves one-hot maps: every backend, XLA, TFLite."""

from typing import NamedTuple

from keras import ops


class Modulation(NamedTuple):
    """What SPADE does to a normalised map x (B, h, w, C): x * scale + shift."""

    scale: object
    """(B, h, w, C)."""
    shift: object
    """(B, h, w, C)."""

    def __call__(self, x):
        return x * self.scale + self.shift


def joined(scale, shift):
    """Two convolutions (kernel, bias) of one input as one: it reads the input once."""
    return ops.concatenate([scale[0], shift[0]], axis=-1), ops.concatenate([scale[1], shift[1]], axis=-1)


class DenseLevel(NamedTuple):
    """A level that holds the one-hot map and convolves it.

    A named tuple, so that Keras and `tf.function` see the tensor in it.
    """

    one_hot: object
    """(B, h, w, S) floats, 0 or 1: the classes and, where used, the edge channel."""

    def convolve(self, kernel, bias):
        """The map's zero-padded convolution.

        Args:
            kernel: (k, k, S, F), bias: (F,).

        Returns:
            (B, h, w, F) in the kernel's dtype.
        """
        return ops.conv(ops.cast(self.one_hot, kernel.dtype), kernel, padding="same") + bias

    def modulation(self, shared, scale, shift):
        """The modulation of one SPADE layer: two convolutions on a shared hidden layer with ReLU.

        Args:
            shared, scale, shift: pairs (kernel, bias) of shapes (3, 3, S, N), (N,); (3, 3, N, C), (C,) twice.

        Returns:
            A `Modulation`.
        """
        hidden = ops.relu(self.convolve(*shared))
        kernel, bias = joined(scale, shift)
        # `split`'s gradient is one concatenation, a slice's is two pads.
        return Modulation(*ops.split(ops.conv(hidden, kernel, padding="same") + bias, 2, axis=-1))
