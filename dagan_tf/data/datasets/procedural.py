"""Facades drawn by code, with the classes of the CMP facades: nothing is downloaded."""

from dagan_tf.data.procedural import ProceduralFacades
from dagan_tf.presets.facades import LABELS

__all__ = ["LABELS", "open_split"]

TEST_EXAMPLES = 50


def open_split(data, labels, *, split, size, seed):
    """`data.num_examples` facades to train on, or others to test with."""
    count = data.num_examples if split == "train" else TEST_EXAMPLES
    return ProceduralFacades(count, size, seed=seed, split=split)
