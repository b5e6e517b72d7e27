"""Label map (+ instance map) -> the semantic maps, one level per resolution, that every SPADE layer reads.

A *level* answers two questions about the label map at one resolution: its convolution with a kernel, and the
modulation (gamma, beta) that SPADE's convolutions make of it. Layers ask their level and do not know how it computes
the answer.
"""

from typing import NamedTuple

from keras import ops

from dagan_tf.errors import UserError


class DenseLevel(NamedTuple):
    """A level that holds the one-hot map and convolves it: works on every backend, under XLA and in TFLite.

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

    def modulation(self, shared, gamma, beta):
        """gamma and beta of one SPADE layer: two convolutions on a shared hidden layer with ReLU.

        Args:
            shared, gamma, beta: pairs (kernel, bias) of shapes (3, 3, S, N), (N,); (3, 3, N, C), (C,) twice.

        Returns:
            `(gamma, beta)`, each (B, h, w, C).
        """
        hidden = ops.relu(self.convolve(*shared))
        # One convolution for both reads `hidden` once; `split`'s gradient is one concatenation, a slice's is two pads.
        kernel = ops.concatenate([gamma[0], beta[0]], axis=-1)
        bias = ops.concatenate([gamma[1], beta[1]], axis=-1)
        return tuple(ops.split(ops.conv(hidden, kernel, padding="same") + bias, 2, axis=-1))


def instance_edges(instance_map):
    """Borders of instances.

    Args:
        instance_map: (B, H, W) integers.

    Returns:
        (B, H, W) bool: whether the id differs from that of any of the 4 neighbours inside the map.
    """
    rows = instance_map[:, 1:] != instance_map[:, :-1]
    columns = instance_map[:, :, 1:] != instance_map[:, :, :-1]
    below, above = ((0, 0), (1, 0), (0, 0)), ((0, 0), (0, 1), (0, 0))
    right, left = ((0, 0), (0, 0), (1, 0)), ((0, 0), (0, 0), (0, 1))
    padded = [ops.pad(rows, below), ops.pad(rows, above), ops.pad(columns, right), ops.pad(columns, left)]
    return ops.logical_or(ops.logical_or(padded[0], padded[1]), ops.logical_or(padded[2], padded[3]))


class Semantics:
    """A batch of label maps with its levels.

    Args:
        label_map: (B, H, W) integers in 0..num_classes-1. An id outside becomes a pixel without a class: check before.
        num_classes: classes of the one-hot map.
        instance_map: (B, H, W) integers; its edges become one more channel. `None`: no edge channel.
        dtype: of the one-hot maps.
    """

    def __init__(self, label_map, num_classes, instance_map=None, dtype="float32"):
        self.label_map = label_map
        self.num_classes = num_classes
        self.edges = None if instance_map is None else instance_edges(instance_map)
        self.dtype = dtype

    @classmethod
    def from_inputs(cls, inputs, config, dtype="float32"):
        """The semantics of a batch dictionary with `"label"` and, if `config.use_instance_edges`, `"instance"`.

        Raises:
            UserError: the network needs an instance map and there is none, or the label map is not (B, H, W) with the
                configuration's image size.
        """
        label_map = inputs["label"]
        sizes = zip(label_map.shape[1:], config.image_size, strict=False)
        if len(label_map.shape) != 3 or any(size not in (None, expected) for size, expected in sizes):
            height, width = config.image_size
            raise UserError(
                f'"label" must be a batch of label maps (B, {height}, {width}), the image_size that this network was '
                f"built with. Received: shape {tuple(label_map.shape)}."
            )
        if config.use_instance_edges and inputs.get("instance") is None:
            raise UserError('This network reads instance edges: give "instance", integers (B, H, W), beside "label".')
        return cls(label_map, config.num_classes, inputs["instance"] if config.use_instance_edges else None, dtype)

    def one_hot(self, factor=1):
        """The map nearest-downsampled by `factor`: (B, H/factor, W/factor, S), picking every factor-th pixel.

        Strided slicing picks pixels 0, f, 2f, ... as the release's resize does; TensorFlow's own picks others.
        """
        channels = ops.one_hot(self.label_map[:, ::factor, ::factor], self.num_classes, dtype=self.dtype)
        if self.edges is None:
            return channels
        edges = ops.cast(self.edges[:, ::factor, ::factor], self.dtype)[..., None]
        return ops.concatenate([channels, edges], axis=-1)

    def level(self, factor=1):
        """The level at 1/factor of the label map's size."""
        return DenseLevel(self.one_hot(factor))
