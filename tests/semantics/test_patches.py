"""Numbers of distinct patches against windows of NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view

from dagan_tf.semantics.patches import LARGEST_BASE, distinct_patches, distinct_triples


def windows(numbers, size):
    """Every window of a size (k, l) inside a batch of maps: (B, h', w', k * l)."""
    found = sliding_window_view(numbers, size, axis=(1, 2))
    return found.reshape(*found.shape[:3], -1)


def assert_numbered(index, contents, expected):
    """`index` gives each place the number at which `contents` holds its window, and no window has two numbers."""
    np.testing.assert_array_equal(np.asarray(contents)[np.asarray(index)], expected)
    distinct = np.unique(expected.reshape(-1, expected.shape[-1]), axis=0)
    assert len(contents) == len(distinct) == len(np.unique(index))


def number_maps():
    """Maps of numbers 0..6."""
    rng = np.random.default_rng(8)
    maps = {f"{n} numbers": rng.integers(n, size=(2, 9, 11)) for n in (1, 2, 7)}
    sizes = [(1, 1, 1), (1, 1, 6), (3, 6, 1), (2, 2, 2), (3, 3, 3)]
    return maps | {str(size): rng.integers(7, size=size) for size in sizes}


NUMBER_MAPS = number_maps()
number_family = pytest.mark.parametrize("numbers", NUMBER_MAPS.values(), ids=NUMBER_MAPS)


@number_family
@pytest.mark.parametrize("axis", [1, 2])
def test_distinct_triples(numbers, axis):
    numbers = np.pad(numbers, ((0, 0), (1, 1), (1, 1)))
    triples = distinct_triples(tf.constant(numbers, "int32"), tf.constant(7, "int64"), axis)
    assert_numbered(triples.index, triples.digits, windows(numbers, (3, 1) if axis == 1 else (1, 3)))
    assert triples.fits
    assert triples.digits.dtype == triples.index.dtype == "int32"


@number_family
@pytest.mark.parametrize(("count", "outside"), [(8, 7), (7, 0), (20, 12)])
def test_distinct_patches(numbers, count, outside):
    """What is outside may be a number that is also inside."""
    patches = distinct_patches(tf.constant(numbers, "int32"), count, outside)
    padded = np.pad(numbers, ((0, 0), (1, 1), (1, 1)), constant_values=outside)
    contents = np.reshape(patches.rows, (-1, 9)) - count * np.arange(9)
    assert_numbered(patches.index, contents, windows(padded, (3, 3)))
    assert patches.count == len(contents)
    np.testing.assert_array_equal(patches.owners, np.repeat(np.arange(len(contents)), 9))
    assert patches.fits


def test_maps_of_a_batch_share_their_patches():
    numbers = NUMBER_MAPS["7 numbers"][:1]
    one = distinct_patches(tf.constant(numbers, "int32"), 8, 7)
    four = distinct_patches(tf.constant(np.tile(numbers, (4, 1, 1)), "int32"), 8, 7)
    assert one.count == four.count
    np.testing.assert_array_equal(four.index, np.tile(one.index, (4, 1, 1)))


def test_triples_up_to_the_limit_are_exact():
    limit = LARGEST_BASE
    assert limit**3 - 1 <= np.iinfo("int64").max
    numbers = np.array([[[limit - 1] * 3, [limit - 1, limit - 1, limit - 2], [limit - 2, limit - 1, 0], [0, 0, 0]]])
    triples = distinct_triples(tf.constant(numbers, "int32"), tf.constant(limit, "int64"), axis=2)
    assert triples.fits
    assert_numbered(triples.index, triples.digits, numbers[:, :, None])


@pytest.mark.parametrize("excess", [1, 2**10, 2**40])
def test_triples_beyond_the_limit_are_not_used(excess):
    count = tf.constant(LARGEST_BASE + excess, "int64")
    assert not distinct_triples(tf.zeros((1, 3, 3), "int32"), count, axis=1).fits


def test_patches_fit_if_triples_along_both_axes_do():
    """Numbers may be too many for a triple while the triples are few."""
    assert not distinct_patches(tf.zeros((1, 3, 3), "int32"), LARGEST_BASE + 1, 0).fits


def test_the_drawn_example():
    """The maps that the module's docstring shows."""
    ids = tf.constant([[[0, 0, 0, 1]] * 4])
    patches = distinct_patches(ids, 3, 2)
    assert patches.index[0].numpy().tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7], [8, 9, 10, 11]]
    contents = np.reshape(patches.rows, (-1, 3, 3)) - 3 * np.arange(9).reshape(3, 3)
    assert contents[0].tolist() == [[2, 2, 2], [2, 0, 0], [2, 0, 0]]
    assert contents[6].tolist() == [[0, 0, 1]] * 3
    wide = distinct_patches(patches.index, patches.count + 1, patches.count)
    assert wide.index[0].numpy().ravel().tolist() == list(range(16))
