"""Label maps, with instance maps where they are used, as one-hot maps and levels."""

import keras
from keras import ops

from dagan_tf.backend import current_graph, on_tensorflow, under_xla
from dagan_tf.config import SEMANTICS
from dagan_tf.errors import UserError, check_choice
from dagan_tf.semantics.dense import DenseLevel
from dagan_tf.semantics.inputs import label_maps


def instance_edges(instance_map):
    """Marks the borders of instances.

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
    """A batch of label maps with its levels, each made when it is first asked for.

    Args:
        label_map: (B, H, W) integers in 0..num_classes-1. An id outside becomes a pixel without a class: check before.
        num_classes: classes of the one-hot map.
        instance_map: (B, H, W) integers; its edges become one more channel. `None`: no edge channel.
        dtype: of the one-hot maps.
        kind: of the levels. "dense" convolves one-hot maps; "patch_table" computes distinct patches once, see
            `patch_table`; "auto" takes the patch table on TensorFlow, but for XLA and symbolic Keras tensors, and for
            maps whose patches do not repeat.
    """

    def __init__(self, label_map, num_classes, instance_map=None, dtype="float32", kind="auto"):
        check_choice("semantics", kind, SEMANTICS)
        self.label_map = label_map
        self.num_classes = num_classes
        self.edges = None if instance_map is None else instance_edges(instance_map)
        self.dtype = dtype
        self.kind = kind
        self._levels = {}

    @classmethod
    def from_inputs(cls, inputs, config, dtype="float32", kind="auto"):
        """Makes the semantics of a network's inputs, in any of the forms of `inputs.label_maps`.

        Raises:
            UserError: they have another form, or the network needs an instance map and there is none.
        """
        maps = label_maps(inputs, config)
        return cls(maps["label"], config.num_classes, maps.get("instance"), dtype, kind)

    def one_hot(self, factor=1):
        """The map nearest-downsampled by `factor`: (B, H/factor, W/factor, S), picking every factor-th pixel.

        Strided slicing picks pixels 0, f, 2f, ... as the authors' resize does; TensorFlow's own picks others.
        """
        channels = ops.one_hot(self.label_map[:, ::factor, ::factor], self.num_classes, dtype=self.dtype)
        if self.edges is None:
            return channels
        edges = ops.cast(self.edges[:, ::factor, ::factor], self.dtype)[..., None]
        return ops.concatenate([channels, edges], axis=-1)

    def level(self, factor=1):
        """The level at 1/factor of the label map's size.

        Raises:
            UserError: `kind` is "patch_table" where there can be no patch table.
        """
        key = factor, current_graph()
        if key not in self._levels:
            self._levels[key] = self._make_level(factor)
        return self._levels[key]

    def _make_level(self, factor):
        obstacle = "dense semantics" if self.kind == "dense" else self._obstacle()
        if obstacle and self.kind == "patch_table":
            raise UserError(
                f"`semantics` patch_table needs TensorFlow without XLA. Received: {obstacle}. Give auto or dense."
            )
        if obstacle:
            return DenseLevel(self.one_hot(factor))
        from dagan_tf.semantics import patch_table  # TensorFlow's operators, which other backends lack

        edges = None if self.edges is None else self.edges[:, ::factor, ::factor]
        work = patch_table.WORTHWHILE_WORK if self.kind == "auto" else patch_table.ANY_WORK
        return patch_table.patch_table_level(self.label_map[:, ::factor, ::factor], edges, self.num_classes, work)

    def _obstacle(self):
        """What keeps this map from a patch table, in words, or `None`."""
        if not on_tensorflow():
            return f"the backend {keras.backend.backend()}"
        if isinstance(self.label_map, keras.KerasTensor):
            return "a symbolic Keras tensor"
        return "XLA" if under_xla() else None
