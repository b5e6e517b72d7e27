"""Counts of distinct patches against a set of all patches, one by one."""

import numpy as np
import pytest

from dagan_tf.data.inspection.patches import patch_shares
from dagan_tf.semantics import instance_edges


def brute_force(label, side):
    """Distinct patches over pixels, by a set of their bytes; outside the map is -1."""
    padded = np.pad(label.astype(int), side // 2, constant_values=-1)
    height, width = label.shape
    patches = {padded[y : y + side, x : x + side].tobytes() for y in range(height) for x in range(width)}
    return len(patches) / label.size


@pytest.mark.parametrize("classes", [2, 300])
@pytest.mark.parametrize("shape", [(16, 24), (32, 16)])
def test_shares_equal_a_brute_force(classes, shape):
    rng = np.random.default_rng(classes)
    coarse = rng.integers(classes, size=(shape[0] // 4, shape[1] // 4), dtype=np.int32)
    label = coarse.repeat(4, axis=0).repeat(4, axis=1)
    label[3, 5] = classes - 1
    shares = patch_shares({"label": label}, (1, 2, 8))
    expected = [[brute_force(label[::factor, ::factor], side) for side in (3, 5)] for factor in (1, 2, 8)]
    np.testing.assert_allclose(shares, expected)


def test_edges_of_instances_are_part_of_a_patch():
    rng = np.random.default_rng(0)
    label = np.zeros((16, 16), np.uint8)
    instance = rng.integers(3, size=(4, 4), dtype=np.int32).repeat(4, axis=0).repeat(4, axis=1)
    both = label + 2 * np.asarray(instance_edges(instance[None]))[0]
    shares = patch_shares({"label": label, "instance": instance}, (1, 2), use_edges=True)
    np.testing.assert_allclose(shares, [[brute_force(both[::f, ::f], side) for side in (3, 5)] for f in (1, 2)])
    assert (patch_shares({"label": label}, (1, 2)) < shares).all()


def test_a_map_of_one_class():
    shares = patch_shares({"label": np.zeros((64, 64), np.uint8)}, (1,))
    np.testing.assert_allclose(shares, [[9 / 4096, 25 / 4096]])  # the inside, and the places near the border
