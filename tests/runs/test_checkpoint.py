"""Checkpoints: whole or absent, the newest found, the oldest removed."""

import keras
import numpy as np
import pytest

from dagan_tf.errors import StorageError, UserError
from dagan_tf.files import remove_unfinished
from dagan_tf.runs import checkpoint, session
from dagan_tf.training.dagan import DAGAN
from tests.helpers import tiny_config


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return DAGAN(tiny_config().model)


def test_save_load_and_keep(model, tmp_path):
    for step in (3, 6, 9):
        model.step.assign(step)
        checkpoint.save(model, tmp_path, {"epoch": step // 3}, keep=2)
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == ["step-00000006", "step-00000009"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000006", "step-00000009"]
    newest = checkpoint.latest(tmp_path)
    state = checkpoint.read_state(newest)
    assert (state["step"], state["epoch"]) == (9, 3)
    other = DAGAN(tiny_config().model)
    checkpoint.load(other, newest)
    assert int(other.step) == 9
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_was_just_saved_is_never_removed(model, tmp_path):
    model.step.assign(9)
    checkpoint.save(model, tmp_path, {})
    model.step.assign(2)
    checkpoint.save(model, tmp_path, {}, keep=1)
    assert {p.name for p in checkpoint.checkpoints(tmp_path)} == {"step-00000002", "step-00000009"}


def test_a_failed_save_leaves_nothing(model, tmp_path, monkeypatch):
    model.step.assign(1)
    checkpoint.save(model, tmp_path, {})
    model.step.assign(2)

    def fails(model, path):
        path.write_bytes(b"half")
        raise OSError("a bad sector")

    monkeypatch.setattr(checkpoint, "_write_weights", fails)
    with pytest.raises(StorageError, match=r"step 2 could not .* a bad sector\. step-00000001 is whole"):
        checkpoint.save(model, tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_folders_that_are_no_checkpoints_are_not_found(tmp_path):
    assert checkpoint.latest(tmp_path) is None
    (tmp_path / "step-00000005").mkdir()
    (tmp_path / ".step-00000007.123").mkdir()
    (tmp_path / ".step-00000007.123" / checkpoint.WEIGHTS).touch()
    assert checkpoint.latest(tmp_path) is None


def test_damaged_and_foreign_weights(model, tmp_path):
    model.step.assign(4)
    path = checkpoint.save(model, tmp_path, {})
    other = DAGAN(tiny_config().model.replace(base_filters=8))
    with pytest.raises(UserError, match="could not be loaded"):
        checkpoint.load(other, path)
    weights = path / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"move the checkpoint away: there is none before it"):
        checkpoint.load(model, path)
    path.rename(tmp_path / "step-00000005")
    model.step.assign(4)
    checkpoint.save(model, tmp_path, {})
    with pytest.raises(UserError, match=r"move the checkpoint away: step-00000004 is the next"):
        checkpoint.load(model, tmp_path / "step-00000005")


@pytest.mark.parametrize("text", ["", '{"step": 3', "[]", "7"])
def test_a_state_that_cannot_be_read_is_no_checkpoint(model, tmp_path, text):
    state = {"step_in_epoch": 0, "losses": {"g_feature": 1.0}, "best_by": "g_feature"}
    for step in (3, 6):
        model.step.assign(step)
        checkpoint.save(model, tmp_path, state)
    (tmp_path / "step-00000003" / checkpoint.STATE).write_text(text)
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == ["step-00000006"]
    assert checkpoint.best(tmp_path).name == "step-00000006"
    model.step.assign(3)
    assert checkpoint.save(model, tmp_path, state) in checkpoint.checkpoints(tmp_path)


def test_the_best_is_kept_beside_the_newest(model, tmp_path):
    losses = {1: 5.0, 2: 3.0, 3: 4.0, 4: 6.0, 5: 7.0}
    for step, value in losses.items():
        model.step.assign(step)
        # Step 4 is in the middle of an epoch: its means are of too few steps to count.
        state = {"step_in_epoch": int(step == 4), "losses": {"g_feature": value, "d_fake": -value}}
        checkpoint.save(model, tmp_path, {**state, "best_by": "g_feature"}, keep=1)
    assert [p.name for p in checkpoint.checkpoints(tmp_path)] == ["step-00000002", "step-00000005"]
    assert checkpoint.best(tmp_path).name == "step-00000002"
    assert checkpoint.best(tmp_path, "d_fake").name == "step-00000005"
    assert checkpoint.best(tmp_path, "g_perceptual") is None
    assert checkpoint.best(tmp_path / "none") is None


def test_what_a_killed_process_left_is_removed(model, tmp_path):
    model.step.assign(3)
    checkpoint.save(model, tmp_path, {})
    (tmp_path / ".step-00000004.77").mkdir()
    (tmp_path / ".step-00000004.77" / checkpoint.WEIGHTS).write_bytes(b"half")
    remove_unfinished(tmp_path, checkpoint.NAMES)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000003"]


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_full_disk_leaves_the_checkpoint_before(small_disk, precision, tmp_path):
    """In float16 Keras writes the optimizers' slots twice."""
    model, other = (session.build_model(tiny_config(precision=precision), 3) for _ in range(2))
    model.step.assign(1)
    size = sum(path.stat().st_size for path in checkpoint.save(model, tmp_path / "elsewhere", {}).iterdir())
    folder = small_disk(int(1.5 * size))
    first = checkpoint.save(model, folder, {})
    model.step.assign(2)
    with pytest.raises(
        StorageError, match=r"step 2 could not be .*No space left on device; it takes .*step-00000001 is whole"
    ):
        checkpoint.save(model, folder, {})
    assert [p.name for p in folder.iterdir()] == ["step-00000001"]
    checkpoint.load(other, first)
    assert other.steps_done == 1
    small_disk(3 * size, "remount,")
    assert checkpoint.save(model, folder, {}).name == "step-00000002"
