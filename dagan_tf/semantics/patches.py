"""Numbers for the distinct patches of a label map.

A zero-padded 3x3 convolution sees nine ids of the label map at each pixel, and two in a row see 5x5 ids. Real label
maps have few distinct patches, so each gets a number, and what depends on a patch is computed once for its number.

An example: a label map of 4x4 pixels and two classes, 0 and 1. Around the map lies a third id, 2. Each 3x3 patch of ids
gets a number, in the order of its first appearance; pixels with equal surroundings get equal numbers. The same
function, applied to the map of these numbers, with 12 around it, numbers the 3x3 patches of 3x3 patches, which are the
5x5 patches of ids.

    ids          3x3 patches     5x5 patches      3x3 patch number 0     3x3 patch number 6
    0 0 0 1      0  1  2  3      0  1  2  3             2 2 2                  0 0 1
    0 0 0 1      4  5  6  7      4  5  6  7             2 0 0                  0 0 1
    0 0 0 1      4  5  6  7      8  9 10 11             2 0 0                  0 0 1
    0 0 0 1      8  9 10 11     12 13 14 15

Two rows have equal 3x3 patches: 12 of 16 are distinct. In so small a map all 5x5 patches are distinct; of a real map of
256x256 pixels about 9 in 100 are, and 3 in 100 of the 3x3 patches.

Nothing is hashed, so nothing can collide. Three neighbours in a row of the map, a *triple*, are written as one integer
in base "how many numbers there are", then three such triples, one below the other, as another: both have to fit into 64
bits, and `fits` says whether they did.
"""

from typing import NamedTuple

import tensorflow as tf

from dagan_tf.semantics.row_sums import sums_of_products, sums_of_rows

LARGEST_BASE = 2**21 - 1
"""The largest base in which three digits fit into one signed integer of 64 bits."""


class Triples(NamedTuple):
    """Distinct triples of neighbouring numbers and where they occur."""

    digits: tf.Tensor
    """int32 (n, 3): the three numbers of each."""
    index: tf.Tensor
    """int32 (B, h, w): which one is at a place."""
    fits: tf.Tensor
    """Whether 64 bits held a triple; where not, `digits` and `index` mean nothing."""


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
    fits = count <= LARGEST_BASE
    codes = tf.where(fits, codes, 0)
    digits = tf.stack([codes // (count * count), codes // count % count, codes % count], axis=1)
    return Triples(tf.cast(digits, tf.int32), tf.reshape(index, tf.shape(a)), fits)


class Patches(NamedTuple):
    """The distinct 3x3 patches of a map of numbers and where they occur."""

    rows: tf.Tensor
    """int32 (9n,): the nine numbers of each patch, row by row, plus `count` times the place 0..8."""
    owners: tf.Tensor
    """int32 (9n,): to which patch each of `rows` belongs."""
    index: tf.Tensor
    """int32 (B, h, w): which patch is around a place."""
    count: tf.Tensor
    """int32 scalar n."""
    fits: tf.Tensor
    """As in `Triples`."""

    def convolved(self, values):
        """A 3x3 convolution at each patch: float32 (n, F), the sums of what its nine numbers give.

        Args:
            values: float32 (9, count, F): what a number gives at each place.
        """
        return sums_of_rows(values, self.rows, self.owners)

    def convolved_features(self, features, kernel):
        """As `convolved`, of a map that has `features` (count, C) for each number: float32 (n, F).

        There are fewer numbers than patches, so each is multiplied by the kernel, (3, 3, C, F), first.
        """
        shape = tf.shape(kernel)
        return sums_of_products(features, tf.reshape(kernel, [9, shape[2], shape[3]]), self.rows, self.owners)


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
    patches = distinct_triples(rows.index, tf.shape(rows.digits, tf.int64)[0], axis=1)
    members = tf.reshape(tf.gather(rows.digits, patches.digits), [-1, 9]) + tf.range(9) * count
    distinct = tf.shape(members)[0]
    owners = tf.repeat(tf.range(distinct), 9)
    return Patches(tf.reshape(members, [-1]), owners, patches.index, distinct, rows.fits & patches.fits)
