"""SIGKILL at any moment, in the middle of a checkpoint, too: the resumed run comes to the same bits."""

import numpy as np

from dagan_tf.files import unfinished
from dagan_tf.runs import session
from dagan_tf.runs.folder import Run
from tests.helpers import tiny_config
from tests.runs import kills


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_bits(finished_run, tmp_path):
    """Twenty such runs: `python -m tests.runs.kills FOLDER`."""
    model = session.build_model(tiny_config(), 3)
    run = Run(tmp_path / "killed")
    attempts, repeated, final = kills.killed_and_resumed(run, tiny_config(), [(2, 0.05), (1, kills.WRITING)], model)
    assert [a.writing for a in attempts if not a.finished][1:] == [True]
    assert (attempts[-1].finished, attempts[-1].step) == (True, 9)
    assert repeated <= kills.EVERY
    for a, b in zip(kills.state(model, finished_run[0].latest()), final, strict=True):
        np.testing.assert_array_equal(a, b)
    assert list(unfinished(run.checkpoints)) == []
