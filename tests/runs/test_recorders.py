"""What a run says and leaves: how long its first step took, and what is forgotten of one that was killed."""

import json
import re

import pytest

from dagan_tf.runs.folder import Run
from dagan_tf.runs.recorders import FirstStep, History

LINES = [json.dumps({"epoch": n, "step": 3 * n, "g_hinge": 0.5}) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("text", "step", "kept"),
    [
        ("\n".join(LINES) + "\n", 9, LINES),
        ("\n".join(LINES) + "\n", 8, LINES[:2]),
        ("\n".join(LINES) + "\n", 0, []),
        ("\n".join(LINES[:2]) + "\n" + LINES[2][:20], 9, LINES[:2]),
        ("\n".join(LINES), 9, LINES),  # only the last line's end is missing
    ],
    ids=["nothing", "one epoch", "all", "a cut line", "a cut end"],
)
def test_forget_after(tmp_path, text, step, kept):
    run = Run(tmp_path)
    run.history.write_text(text)
    History(run, 3, writer=None).forget_after(step)
    assert run.history.read_text() == "".join(line + "\n" for line in kept)
    assert [p.name for p in tmp_path.iterdir()] == ["history.jsonl"]


def test_a_new_run_has_nothing_to_forget(tmp_path):
    History(Run(tmp_path), 3, writer=None).forget_after(0)
    assert list(tmp_path.iterdir()) == []


def test_the_first_step_is_announced_once_also_in_a_run_of_two_fits(capsys):
    callback = FirstStep()
    callback.on_train_begin()
    assert capsys.readouterr().out == "Building the training graph ...\n"
    callback.on_train_batch_end(0)
    assert re.fullmatch(r"\.\.\. the first step took \d\.\d s\n", capsys.readouterr().out)
    callback.on_train_batch_end(1)
    callback.on_train_begin()
    callback.on_train_batch_end(0)
    assert capsys.readouterr().out == ""
