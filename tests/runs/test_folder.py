"""Which checkpoint of a run is found, and what is said where there is none."""

import contextlib
import errno
import os
import shutil

import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.runs import checkpoint
from dagan_tf.runs.folder import Run
from dagan_tf.runs.loading import load_model
from tests.helpers import run_python


def test_newest_best_and_by_number(finished_run):
    run = finished_run[0]
    assert run.find("newest") == run.latest() == checkpoint.latest(run.checkpoints)
    assert run.find("best") == checkpoint.best(run.checkpoints)
    assert run.find("6") == run.find(6) == run.checkpoints / "step-00000006"
    model, _, path = load_model(run.path, "6")
    assert (model.steps_done, path.name) == (6, "step-00000006")
    newest, _, _ = load_model(run.path)
    assert not np.array_equal(model.generator.get_weights()[0], newest.generator.get_weights()[0])


@pytest.mark.parametrize("which", ["5", "worst"])
def test_what_is_not_there_lists_what_is(finished_run, which):
    with pytest.raises(UserError, match=rf"no checkpoint '{which}'.*steps (3, )?6, 9"):
        finished_run[0].find(which)


def test_one_process_holds_a_run(tmp_path):
    run = Run(tmp_path / "run")
    run.hold()
    run.hold()
    script = f"from dagan_tf.runs.folder import Run; run = Run({str(run.path)!r}); run.hold(); print('held')"
    with pytest.raises(AssertionError, match="is being trained by another process"):
        run_python(script)
    run.release()
    assert run_python(script) == "held\n"


@pytest.mark.parametrize(("number", "holds"), [(errno.ENOLCK, True), (errno.ENOSYS, True), (errno.EIO, False)])
def test_a_file_system_without_locks_refuses_nobody(tmp_path, monkeypatch, number, holds):
    asked = []

    def refuse(file, how):
        asked.append(how)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    for run in (Run(tmp_path), Run(tmp_path)):
        with contextlib.nullcontext() if holds else pytest.raises(UserError, match="Give another folder"):
            run.hold()
        run.release()
    assert len(asked) == 2


def test_a_folder_that_cannot_be_held_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=rf"{tmp_path} cannot be written as a run folder.*Give another folder"):
        Run(tmp_path).hold()


def test_checkpoints_without_their_configuration(finished_run, tmp_path):
    run = Run(tmp_path / "left")
    with pytest.raises(UserError, match="Give the folder that training wrote"):
        run.read_config()
    shutil.copytree(finished_run[0].checkpoints, run.checkpoints)
    with pytest.raises(UserError, match=r"Its checkpoints need that file: restore it"):
        run.read_config()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b"{"])
def test_a_damaged_configuration(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"is not a run's configuration: .*Restore the file"):
        Run(tmp_path).read_config()


def test_no_checkpoint_at_all(tmp_path):
    with pytest.raises(UserError, match="ended before its first one"):
        Run(tmp_path).find("best")
