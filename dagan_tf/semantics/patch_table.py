"""The level that computes each distinct patch of the label map once: exact, on TensorFlow, where shapes may be dynamic.

Two zero-padded 3x3 convolutions see 5x5 ids of the label map and nothing else, and real maps have few distinct 5x5
patches (benchmarks/README.md has their shares). So the distinct 3x3 patches of ids are numbered, then the distinct 3x3
patches of these numbers; the hidden layer is computed for the first, scale and shift for the second, and pixels look
their values up. An instance edge is a part of the id. Outside the map is a number of its own among the 3x3 patches,
whose hidden layer is zero; among the ids it is that of a pixel without a class.

The numbers are those of the dense level but for the order of sums. There is no hashing that could collide: three
neighbours in a row, then three such rows, are written as one integer of 64 bits, in base "how many there are", and
where that could overflow the level computes densely.
"""

from typing import NamedTuple

import tensorflow as tf
from tensorflow.python.ops import control_flow_util

from dagan_tf import xla
from dagan_tf.semantics.dense import DenseLevel

LIMIT = 2**21 - 1
"""Numbers of which three fit into one signed integer of 64 bits."""
SHARE = 0.85
"""Work a pixel, in distinct 3x3 patches, beyond which looking up costs more than it saves on CPUs, with few classes."""
ALWAYS = 2.0
"""More than the work of a map in which every patch is distinct."""
FEW = 32
"""Channels up to which a convolution of the one-hot map is as quick as a sum of rows."""
WIDE = 0.25
"""Work of a distinct 5x5 patch, in distinct 3x3 patches."""


def under_xla():
    """Whether what is traced now will be compiled by XLA, which needs static shapes."""
    # No public function tells the first, nor knows the flags of the third.
    compiled = control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
    return compiled or bool(tf.config.optimizer.get_jit()) or _clustered()


def _clustered():
    """Whether the flags for automatic clustering mean this machine's devices."""
    return xla.clusters_cpus() or (xla.clusters() and bool(tf.config.list_physical_devices("GPU")))


def _sums_of_rows(rows, owners, parts, count):
    """For each part the sum of its owners' rows, the gradient of sums of parts: float32 (count, F).

    A product with a sparse matrix of ones: several times as quick as TensorFlow's own gradient, which adds row by row.

    Args:
        rows: float32 (n, F).
        owners, parts: int32 (m,), pairs in lexicographic order; owners in 0..n-1, parts in 0..count-1.
        count: int32 scalar.
    """
    indices = tf.cast(tf.stack([owners, parts], axis=1), tf.int64)
    shape = tf.cast(tf.stack([tf.shape(rows)[0], count]), tf.int64)
    ones = tf.ones_like(owners, tf.float32)
    matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=ones, dense_shape=shape)
    matrix = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=rows)


@tf.custom_gradient
def sums_of_parts(values, parts, owners):
    """For each owner the sum of its parts' values: float32 (n, F).

    Args:
        values: float32 (count, F).
        parts, owners: int32 (m,), pairs in lexicographic order of (owner, part); each owner of 0..n-1 has a part.
    """

    def gradient(upstream):
        return _sums_of_rows(upstream, owners, parts, tf.shape(values)[0]), None, None

    return tf.sparse.segment_sum(values, parts, owners), gradient


@tf.custom_gradient
def look_up(values, index):
    """What stands at each place: (B, h, w, F) of values, float32 (n, F), and index, int32 (B, h, w) in 0..n-1."""

    def gradient(upstream):
        places = tf.reshape(index, [-1])
        rows = tf.reshape(upstream, [-1, values.shape[-1]])
        return _sums_of_rows(rows, tf.range(tf.size(places)), places, tf.shape(values)[0]), None

    return tf.gather(values, index), gradient


class Triples(NamedTuple):
    """Distinct triples of neighbouring numbers and where they occur."""

    parts: tf.Tensor
    """int32 (n, 3): the three numbers of each."""
    index: tf.Tensor
    """int32 (B, h, w): which one is at a place."""
    fits: tf.Tensor
    """Whether 64 bits held a triple; where not, `parts` and `index` mean nothing."""


def distinct_triples(numbers, count, axis):
    """Numbers the distinct triples of neighbours along an axis.

    Args:
        numbers: int32 (B, h, w), each in 0..count-1.
        count: int64 scalar.
        axis: 1 or 2; the result is two shorter along it.

    Returns:
        `Triples`.
    """
    numbers = tf.cast(numbers, tf.int64)
    windows = (slice(0, -2), slice(1, -1), slice(2, None))
    a, b, c = (numbers[:, window] if axis == 1 else numbers[:, :, window] for window in windows)
    codes, index = tf.unique(tf.reshape((a * count + b) * count + c, [-1]))
    fits = count <= LIMIT
    codes = tf.where(fits, codes, 0)
    parts = tf.stack([codes // (count * count), codes // count % count, codes % count], axis=1)
    return Triples(tf.cast(parts, tf.int32), tf.reshape(index, tf.shape(a)), fits)


class Patches(NamedTuple):
    """The distinct 3x3 patches of a map of numbers and where they occur."""

    parts: tf.Tensor
    """int32 (9n,): the nine numbers of each patch, row by row, plus `count` times the place 0..8."""
    owners: tf.Tensor
    """int32 (9n,): to which patch each of `parts` belongs."""
    index: tf.Tensor
    """int32 (B, h, w): which patch is around a place."""
    count: tf.Tensor
    """int32 scalar n."""
    fits: tf.Tensor
    """As in `Triples`."""

    def convolved(self, values):
        """A 3x3 convolution at each patch: (n, F), the sums of what its nine numbers give.

        Args:
            values: (9, count, F): what a number gives at each place.
        """
        return sums_of_parts(tf.reshape(values, [-1, values.shape[-1]]), self.parts, self.owners)


def distinct_patches(numbers, count, outside):
    """Numbers the distinct 3x3 patches of a map.

    Args:
        numbers: int32 (B, h, w), each in 0..count-1.
        count: int32 scalar.
        outside: int32 scalar in 0..count-1 that stands around the map.

    Returns:
        `Patches`.
    """
    padded = tf.pad(numbers, [[0, 0], [1, 1], [1, 1]], constant_values=outside)
    rows = distinct_triples(padded, tf.cast(count, tf.int64), axis=2)
    patches = distinct_triples(rows.index, tf.shape(rows.parts, tf.int64)[0], axis=1)
    parts = tf.reshape(tf.gather(rows.parts, patches.parts), [-1, 9]) + tf.range(9) * count
    distinct = tf.shape(parts)[0]
    owners = tf.repeat(tf.range(distinct), 9)
    return Patches(tf.reshape(parts, [-1]), owners, patches.index, distinct, rows.fits & patches.fits)


class PatchTableLevel(NamedTuple):
    """A level that holds the distinct patches of the label map; see `patch_table`. Made by `patch_table_level`."""

    ids: tf.Tensor
    """int32 (B, h, w): see `_ids`."""
    patches: Patches
    """3x3 patches of ids."""
    wide_patches: Patches
    """3x3 patches of the numbers of `patches`, and so 5x5 patches of ids."""
    repeats: tf.Tensor
    """Whether patches repeat enough, and are few enough, to be looked up."""

    def convolve(self, kernel, bias, strides=1, padding=None):
        """As `DenseLevel.convolve`; a sum of rows of the kernel, without a one-hot map where that is cheaper."""
        size, _, channels, filters = kernel.shape
        if channels < FEW:
            return self._dense(channels, kernel.dtype).convolve(kernel, bias, strides, padding)
        padding = (size - 1) // 2 if padding is None else padding
        around = [[0, 0], [padding, padding], [padding, padding]]
        ids, values = tf.pad(self.ids, around, constant_values=channels), _embedding(kernel)
        windows = [slice(i, i - size + 1 or None, strides) for i in range(size)]
        parts = tf.stack([ids[:, rows, columns] for rows in windows for columns in windows], axis=-1)
        parts += tf.range(size * size) * values.shape[1]
        places = tf.shape(parts)[:-1]
        owners = tf.repeat(tf.range(tf.reduce_prod(places)), size * size)
        sums = sums_of_parts(tf.reshape(values, [-1, filters]), tf.reshape(parts, [-1]), owners)
        sums = tf.reshape(sums, tf.concat([places, [filters]], axis=0)) + tf.cast(bias, tf.float32)
        return tf.cast(sums, kernel.dtype)

    def modulate(self, x, shared, scale, shift):
        """As `DenseLevel.modulate`; where patches do not repeat by a `DenseLevel`."""
        return tf.cond(
            self.repeats,
            lambda: self._looked_up(x, shared, scale, shift),
            lambda: self._dense(shared[0].shape[2], shared[0].dtype).modulate(x, shared, scale, shift),
        )

    def _looked_up(self, x, shared, scale, shift):
        hidden = tf.nn.relu(self.patches.convolved(_embedding(shared[0])) + tf.cast(shared[1], tf.float32))
        hidden = tf.concat([hidden, tf.zeros_like(hidden[:1])], axis=0)  # outside the map
        hidden = tf.cast(hidden, scale[0].dtype)
        rows = self._rows(hidden, *scale), self._rows(hidden, *shift)
        x = tf.identity(x)  # of this branch's graph: another's would not be waited for
        with tf.control_dependencies([x]):  # else a graph makes, and holds, those of all layers at its start
            scale, shift = (look_up(values, self.wide_patches.index) for values in rows)
        return tf.cast(tf.cast(x, tf.float32) * scale + shift, x.dtype)

    def _rows(self, hidden, kernel, bias):
        """A convolution of the hidden layer, by distinct 5x5 patch: float32 (n, C).

        In half precision, too: the gradient of a row is a sum over all places of its patch.
        """
        # What a 3x3 patch gives at each place of a 5x5 patch: there are fewer of the first.
        values = tf.matmul(hidden, tf.reshape(kernel, [9, *kernel.shape[2:]]))
        return self.wide_patches.convolved(tf.cast(values, tf.float32)) + tf.cast(bias, tf.float32)

    def _dense(self, channels, dtype):
        one_hot = tf.one_hot(self.ids % (channels + 1), channels, dtype=dtype)
        edges = tf.cast(self.ids > channels, dtype)[..., None]
        return DenseLevel(tf.concat([one_hot[..., :-1], one_hot[..., -1:] + edges], axis=-1))


def _ids(label_map, edges, num_classes):
    """Ids 0..2S+1 with S channels of the one-hot map: the class, or S for none; S+1 more on an edge."""
    channels = num_classes + (edges is not None)
    ids = tf.cast(label_map, tf.int64)
    ids = tf.cast(tf.where((ids >= 0) & (ids < num_classes), ids, channels), tf.int32)
    return ids if edges is None else ids + (channels + 1) * tf.cast(edges, tf.int32)


def _embedding(kernel):
    """What each id adds to a convolution at each place: float32 (k*k, 2S+2, F) for a kernel (k, k, S, F).

    The second half is for ids on an edge, whose channel is the last of S.
    """
    rows = tf.cast(tf.reshape(kernel, [-1, *kernel.shape[2:]]), tf.float32)
    rows = tf.pad(rows, [[0, 0], [0, 1], [0, 0]])  # a pixel without a class, or outside the map
    return tf.concat([rows, rows + rows[:, -2:-1]], axis=1)


def patch_table_level(label_map, edges, num_classes, share=SHARE):
    """The level of a label map.

    Args:
        label_map: (B, h, w) integers; ids outside 0..num_classes-1 are pixels without a class.
        edges: bool (B, h, w), or `None`: no edge channel.
        num_classes: classes of the one-hot map.
        share: work a pixel, in distinct 3x3 patches, up to which patches are looked up; beyond, the level computes
            densely.
    """
    channels = num_classes + (edges is not None)
    ids = _ids(label_map, edges, num_classes)
    patches = distinct_patches(ids, 2 * channels + 2, channels)
    wide_patches = distinct_patches(patches.index, patches.count + 1, patches.count)
    # Of the products, the share of the first is left; each of the second takes a sum of nine.
    work = tf.cast(patches.count, tf.float32) + WIDE * tf.cast(wide_patches.count, tf.float32)
    repeats = work <= share * tf.cast(tf.size(ids), tf.float32)
    return PatchTableLevel(ids, patches, wide_patches, repeats & patches.fits & wide_patches.fits)
