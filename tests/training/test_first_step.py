"""What the quick start's first training step costs, in counts that do not depend on the machine."""

import pytest

from tests.helpers import run_python

MOST_NODES, MOST_CALLS, MOST_RATIO = 11_000, 7_000_000, 1.25
COUNT = """
import cProfile, pstats, sys
import tensorflow as tf
from dagan_tf.training.dagan import DAGAN

size = {"image_size": (64, 64), "base_filters": 16, "spade_filters": 48, "discriminator_filters": 32}
model = DAGAN.from_preset("facades", semantics=sys.argv[1], **size)
model.compile()
batch = {"label": tf.TensorSpec((4, 64, 64), tf.uint8), "image": tf.TensorSpec((4, 64, 64, 3), tf.float32)}
profile = cProfile.Profile()
graph = profile.runcall(tf.function(model.train_step).get_concrete_function, batch).graph.as_graph_def()
print(len(graph.node) + sum(len(function.node_def) for function in graph.library.function))
print(pstats.Stats(profile).total_calls)
"""


@pytest.fixture(scope="module")
def counts():
    """Nodes of the step's graph and its functions, and Python calls while it is traced, by kind of semantics.

    In fresh processes: in others layers may have been traced before.
    """
    return {kind: [int(line) for line in run_python(COUNT, kind).split()] for kind in ("dense", "auto")}


def test_nodes_and_calls(counts):
    nodes, calls = counts["auto"]
    assert nodes <= MOST_NODES
    assert calls <= MOST_CALLS


def test_the_patch_table_adds_little(counts):
    for auto, dense in zip(counts["auto"], counts["dense"], strict=True):
        assert auto <= MOST_RATIO * dense
