"""The level that computes each distinct patch of the label map once: exact, with TensorFlow, for any shape.

SPADE's two 3x3 convolutions of the label map see 5x5 ids and nothing else, and real maps have few distinct 5x5 patches
(benchmarks/README.md has how many). So the hidden layer is computed for each distinct 3x3 patch, scale and shift for
each distinct 5x5 patch (`patches` numbers both), and pixels look their values up. An id also says whether its pixel is
on an instance edge.

The numbers are those of the dense level but for the order of sums. Where patches do not repeat, as on noise, the level
convolves the one-hot map.
"""

from typing import NamedTuple

import tensorflow as tf

from dagan_tf.backend import add_bias, shared_traces, traced_once, with_shape
from dagan_tf.semantics import dense
from dagan_tf.semantics.patches import Patches, distinct_patches
from dagan_tf.semantics.row_sums import scale_and_shift, sums_of_rows

WORTHWHILE_WORK = 0.85
"""Work a pixel, in distinct 3x3 patches, up to which looking up costs less than convolving (CPUs, few classes)."""
ANY_WORK = 2.0
"""More than the work of a map in which every patch is distinct."""
WORK_OF_5X5 = 0.25
"""Work of a distinct 5x5 patch, in distinct 3x3 patches."""
FEW_CHANNELS = 32
"""Channels up to which a convolution of the one-hot map is as quick as a sum of rows."""


class PatchTableLevel(NamedTuple):
    """A level that holds the distinct patches of the label map. Made by `patch_table_level`."""

    ids: tf.Tensor
    """int32 (B, H, W): see `_pixel_ids`."""
    patches: Patches
    """3x3 patches of ids."""
    wide_patches: Patches
    """3x3 patches of the numbers of `patches`, and so 5x5 patches of ids."""
    repeats: tf.Tensor
    """Whether patches repeat enough, and are few enough, to be looked up."""

    @property
    def size(self):
        """(H, W) of the level."""
        return tuple(self.ids.shape[1:])

    def convolve(self, kernel, bias, strides=1, padding=None):
        """As `DenseLevel.convolve`; a sum of rows of the kernel, without a one-hot map where that is cheaper."""
        size, _, channels, filters = kernel.shape
        if channels < FEW_CHANNELS:
            return dense.convolve(_one_hot(self.ids, channels, kernel.dtype), kernel, bias, strides, padding)
        padding = (size - 1) // 2 if padding is None else padding
        around = [[0, 0], [padding, padding], [padding, padding]]
        ids, values = tf.pad(self.ids, around, constant_values=channels), _embedding(kernel)
        windows = [slice(i, i - size + 1 or None, strides) for i in range(size)]
        rows = tf.stack([ids[:, vertical, horizontal] for vertical in windows for horizontal in windows], axis=-1)
        rows += tf.range(size * size) * (2 * channels + 2)
        places = tf.shape(rows)[:-1]
        owners = tf.repeat(tf.range(tf.reduce_prod(places)), size * size)
        sums = sums_of_rows(values, tf.reshape(rows, [-1]), owners)
        sums = tf.reshape(sums, tf.concat([places, [filters]], axis=0)) + tf.cast(bias, tf.float32)
        return tf.cast(sums, kernel.dtype)

    def modulate(self, x, shared, scale, shift):
        """As `DenseLevel.modulate`; where patches do not repeat by convolutions of the one-hot map."""
        with shared_traces():
            shape = (self.ids.shape[0], *self.size, scale[1].shape[0])
            return with_shape(_modulate(self, x, shared, scale, shift), shape)


@traced_once
def _modulate(level, x, shared, scale, shift):
    return tf.cond(
        level.repeats,
        lambda: _look_up_modulation(level, x, shared, scale, shift),
        lambda: dense.modulate(_one_hot(level.ids, tf.shape(shared[0])[2], shared[0].dtype), x, shared, scale, shift),
    )


def _look_up_modulation(level, x, shared, scale, shift):
    # Tensors of this branch's own graph: the gradients of look-ups and sums, which use them, can take no others.
    level, x, shared, scale, shift = tf.nest.map_structure(tf.identity, (level, x, shared, scale, shift))
    hidden = tf.nn.relu(add_bias(level.patches.convolved(_embedding(shared[0])), tf.cast(shared[1], tf.float32)))
    hidden = tf.concat([hidden, tf.zeros_like(hidden[:1])], axis=0)  # outside the map
    hidden = tf.cast(hidden, scale[0].dtype)
    scale, shift = (
        add_bias(level.wide_patches.convolved_features(hidden, kernel), tf.cast(bias, tf.float32))
        for kernel, bias in (scale, shift)
    )
    return scale_and_shift(x, scale, shift, level.wide_patches.index)


def _pixel_ids(label_map, edges, num_classes):
    """Ids 0..2S+1 with S channels of the one-hot map: the class, or S for none; S+1 more on an edge."""
    channels = num_classes + (edges is not None)
    ids = tf.cast(label_map, tf.int64)
    ids = tf.cast(tf.where((ids >= 0) & (ids < num_classes), ids, channels), tf.int32)
    return ids if edges is None else ids + (channels + 1) * tf.cast(edges, tf.int32)


def _one_hot(ids, channels, dtype):
    """The one-hot map (B, H, W, channels) of `_pixel_ids`; its last channel is 1 on an edge, too."""
    one_hot = tf.one_hot(ids % (channels + 1), channels, dtype=dtype)
    edges = tf.cast(ids > channels, dtype)[..., None]
    return tf.concat([one_hot[..., :-1], one_hot[..., -1:] + edges], axis=-1)


def _embedding(kernel):
    """What each id adds to a convolution at each place: float32 (k*k, 2S+2, F) for a kernel (k, k, S, F).

    The second half is for ids on an edge, whose channel is the last of S.
    """
    shape = tf.shape(kernel)
    rows = tf.cast(tf.reshape(kernel, [-1, shape[2], shape[3]]), tf.float32)
    rows = tf.pad(rows, [[0, 0], [0, 1], [0, 0]])  # a pixel without a class, or outside the map
    return tf.concat([rows, rows + rows[:, -2:-1]], axis=1)


def patch_table_level(label_map, edges, num_classes, worthwhile_work=WORTHWHILE_WORK):
    """The level of a label map.

    Args:
        label_map: (B, H, W) integers; ids outside 0..num_classes-1 are pixels without a class.
        edges: bool (B, H, W), or `None`: no edge channel.
        num_classes: classes of the one-hot map.
        worthwhile_work: work a pixel, in distinct 3x3 patches, up to which patches are looked up; beyond, the level
            convolves the one-hot map.
    """
    label_map = tf.convert_to_tensor(label_map)
    edges = None if edges is None else tf.convert_to_tensor(edges)
    with shared_traces():
        ids, *rest = _numbered(label_map, edges, num_classes, worthwhile_work)
    return PatchTableLevel(with_shape(ids, label_map.shape), *rest)


@traced_once
def _numbered(label_map, edges, num_classes, worthwhile_work):
    """The fields of `PatchTableLevel`."""
    channels = num_classes + (edges is not None)
    ids = _pixel_ids(label_map, edges, num_classes)
    patches = distinct_patches(ids, 2 * channels + 2, channels)
    wide_patches = distinct_patches(patches.index, patches.count + 1, patches.count)
    # In the work of a convolution at each pixel: what distinct patches leave of it.
    work = tf.cast(patches.count, tf.float32) + WORK_OF_5X5 * tf.cast(wide_patches.count, tf.float32)
    repeats = work <= worthwhile_work * tf.cast(tf.size(ids), tf.float32)
    return ids, patches, wide_patches, repeats & patches.fits & wide_patches.fits
