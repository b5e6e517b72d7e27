"""Checkpoints: a folder a step, written aside and renamed into place, so that every one that is found is whole."""

import datetime
import json
import os
import pathlib
import shutil

from dagan_tf.errors import UserError
from dagan_tf.files import flush

WEIGHTS = "model.weights.h5"
STATE = "state.json"


def save(model, folder, state, keep=2):
    """Saves a `DAGAN` as `folder/step-NNNNNNNN` and removes all but the newest `keep` checkpoints.

    The weights file holds both networks, the moving average, both optimizers' slots and the step.

    Args:
        model: a compiled `DAGAN`.
        folder: where a run's checkpoints are; made if missing.
        state: a dictionary of JSON values written beside the weights, see `read_state`.
        keep: checkpoints to keep, at least 1.

    Returns:
        The checkpoint's path.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    step = int(model.step)
    target = folder / f"step-{step:08d}"
    if not target.is_dir():
        aside = folder / f".{target.name}.{os.getpid()}"
        try:
            _write(model, aside, {"step": step, **state})
            aside.rename(target)
            flush(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    for old in checkpoints(folder)[:-keep]:
        if old != target:
            shutil.rmtree(old)
    return target


def _write(model, aside, state):
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    model.save_weights(aside / WEIGHTS)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    (aside / STATE).write_text(json.dumps({**state, "saved": now}, indent=2) + "\n")
    for path in (aside / WEIGHTS, aside / STATE, aside):
        flush(path)


def checkpoints(folder):
    """The checkpoints in a folder, oldest first: a list of paths."""
    found = [p for p in pathlib.Path(folder).glob("step-*") if (p / WEIGHTS).is_file() and (p / STATE).is_file()]
    return sorted(found)


def latest(folder):
    """The newest checkpoint's path, or `None`."""
    return (checkpoints(folder) or [None])[-1]


def read_state(checkpoint):
    """The state that was saved with a checkpoint."""
    return json.loads((checkpoint / STATE).read_text())


def load(model, checkpoint):
    """Loads a checkpoint into a `DAGAN` of the same configuration; a compiled one gets its optimizers' slots, too.

    Raises:
        UserError: the file does not fit the model or cannot be read.
    """
    try:
        model.load_weights(checkpoint / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"The checkpoint {checkpoint} could not be loaded: {error}. Check that the run's config.json is the one "
            "it was written with; an older checkpoint beside it may do."
        ) from error
