"""How many distinct patches label maps have, which decides what SPADE's convolutions cost (see docs/patch-table.md).

Here they are counted alone, not numbered: each patch becomes a sum of 64 bits of random numbers, one for each id and
place, and different sums are counted. Two patches of one sum would be counted once; with 10^6 patches a map that is
to be expected in less than one of ten million maps.
"""

import numpy as np

NUMBERS = np.random.default_rng(0).integers(2**64, size=2**16, dtype=np.uint64)
OUTSIDE, EDGE = np.random.default_rng(2).integers(2**64, size=2, dtype=np.uint64)
WEIGHTS = np.random.default_rng(1).integers(2**63, size=(2, 5), dtype=np.uint64) * 2 + 1
"""Odd numbers for the places of a patch, along rows and columns."""


def patch_shares(example, factors, use_edges=False):
    """The shares of distinct patches in an example's label map at each level of a network.

    Args:
        example: dictionary of `"label"` (h, w), and of `"instance"` (h, w) where edges are used, at the network's size.
        factors: image size over the level's size, of each level.
        use_edges: whether a patch has the borders of instances in it, too.

    Returns:
        Floats (levels, 2): distinct 3x3 and 5x5 patches over pixels.
    """
    numbers = np.take(NUMBERS, example["label"], mode="wrap")
    if use_edges:
        numbers = numbers + _edges(example["instance"]) * EDGE
    counts = [[_distinct(numbers[::factor, ::factor], side) for side in (3, 5)] for factor in factors]
    return np.array(counts) / np.array([numbers[::factor, ::factor].size for factor in factors])[:, None]


def _edges(instance):
    """Where an instance's id differs from one of 4 neighbours': uint64 0 or 1."""
    result = np.zeros(instance.shape, np.uint64)
    rows, columns = instance[1:] != instance[:-1], instance[:, 1:] != instance[:, :-1]
    for part, found in ((result[1:], rows), (result[:-1], rows), (result[:, 1:], columns), (result[:, :-1], columns)):
        part |= found.astype(np.uint64)
    return result


def _distinct(numbers, side):
    """How many distinct patches of `side` x `side` there are around the places of a map of numbers."""
    height, width = numbers.shape
    padded = np.pad(numbers, side // 2, constant_values=OUTSIDE)
    rows = sum(padded[:, place : place + width] * WEIGHTS[0, place] for place in range(side))
    sums = sum(rows[place : place + height] * WEIGHTS[1, place] for place in range(side)).ravel()
    # Most patches are those of their neighbours, and need not be sorted.
    first = np.concatenate([[True], sums[1:] != sums[:-1]])
    return np.unique(sums[first]).size
