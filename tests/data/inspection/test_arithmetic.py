"""The cost of SPADE's convolutions against the kernels of the network's own layers."""

import math

import pytest

from dagan_tf.config import ModelConfig
from dagan_tf.data.inspection import arithmetic
from dagan_tf.networks import Generator
from dagan_tf.semantics import patch_table

SMALL = {"base_filters": 4, "spade_filters": 6, "num_classes": 5, "attention": "none"}


@pytest.mark.parametrize(("depth", "edges"), [("normal", False), ("more", True), ("most", False)])
def test_levels_cost_what_their_kernels_say(depth, edges):
    config = ModelConfig(image_size=(128, 256), depth=depth, use_instance_edges=edges, **SMALL)
    expected = {}
    for stage, block in Generator(config).backbone.layers_by_stage()[1:]:
        norms = [getattr(block, f"norm_{name}") for name in ("0", "1", *("s" * block.learned_shortcut))]
        kernels = [getattr(norm, f"{part}_kernel") for norm in norms for part in ("shared", "gamma", "beta")]
        pixels = 128 * 256 // stage.factor**2
        cost = pixels * sum(math.prod(kernel.shape) for kernel in kernels)
        expected[stage.factor] = expected.get(stage.factor, 0) + cost
    assert arithmetic.levels(config) == sorted(expected.items())


def test_what_the_patch_table_leaves():
    assert arithmetic.WORK_OF_5X5 == patch_table.WORK_OF_5X5
    assert arithmetic.WORTHWHILE_WORK == patch_table.WORTHWHILE_WORK
    assert arithmetic.work_left((0.1, 0.4)) == pytest.approx(0.2)
    assert arithmetic.work_left((0.8, 1.0)) == 1.0  # convolved, all of it
