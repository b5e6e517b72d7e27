"""Checkpoints: a folder for each saved step, written by `files.replaced`, so that every one that is found is whole."""

import datetime
import io
import json
import pathlib

from dagan_tf.errors import StorageError, UserError
from dagan_tf.files import remove_folder, replaced

WEIGHTS = "model.weights.h5"
STATE = "state.json"
NAMES = "step-*"
"""The pattern of checkpoints' names."""


def save(model, folder, state, keep=2):
    """Saves a `DAGAN` as `folder/step-NNNNNNNN` and removes all but the newest `keep` checkpoints and the best.

    The weights file holds both networks, the moving average, both optimizers' slots and the step.

    Args:
        model: a compiled `DAGAN`.
        folder: where a run's checkpoints are; made if missing.
        state: a dictionary of JSON values written beside the weights, see `read_state`.
        keep: checkpoints to keep, at least 1, beside the best by `state["best_by"]`, see `best`.

    Returns:
        The checkpoint's path.

    Raises:
        StorageError: it could not be written; the checkpoints are as they were.
    """
    folder = pathlib.Path(folder)
    step = model.steps_done
    target = folder / f"step-{step:08d}"
    if target not in checkpoints(folder):
        try:
            with replaced(target) as unfinished:  # a folder that is there under this name is no checkpoint
                _write(model, unfinished, {"step": step, **state})
        except OSError as error:
            newest = latest(folder)
            raise StorageError(
                f"The checkpoint of step {step} could not be written to {folder}: {error.strerror or error}. "
                + (f"{newest.name} is whole; " if newest else "There is none before it; ")
                + "make room, or see to the disk, and resume the run."
            ) from error
    kept = {target, best(folder, state.get("best_by")), *checkpoints(folder)[-keep:]}
    for old in checkpoints(folder):
        if old not in kept:
            remove_folder(old)
    return target


def _write(model, folder, state):
    folder.mkdir()
    _write_weights(model, folder / WEIGHTS)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    (folder / STATE).write_text(json.dumps({**state, "saved": now}, indent=2) + "\n")


class _Memory(io.BytesIO):
    """A file in memory by a name that Keras saves weights to."""

    def __str__(self):
        return WEIGHTS


def _write_weights(model, path):
    """By way of memory: HDF5 that meets a full disk half-way takes the process with it."""
    memory = _Memory()
    model.save_weights(memory)
    content = memory.getbuffer()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; it takes {len(content) / 1e6:.1f} MB") from error


def checkpoints(folder):
    """The checkpoints in a folder, oldest first: a list of paths. One whose state cannot be read is none."""
    return sorted(p for p in pathlib.Path(folder).glob(NAMES) if (p / WEIGHTS).is_file() and _has_state(p))


def _has_state(path):
    try:
        return "step" in read_state(path)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):  # not what a disk may say for a moment
        return False


def latest(folder):
    """The newest checkpoint's path, or `None`."""
    return (checkpoints(folder) or [None])[-1]


def best(folder, name=None):
    """The checkpoint at the end of the epoch whose mean loss was the lowest, or `None`.

    Args:
        folder: where a run's checkpoints are.
        name: of the loss; `None`: the one that the newest checkpoint's run goes by.
    """
    states = {path: read_state(path) for path in checkpoints(folder)}
    if name is None and states:
        name = list(states.values())[-1].get("best_by")
    found = {
        path: state["losses"][name]
        for path, state in states.items()
        if state.get("step_in_epoch") == 0 and name in state.get("losses", ())
    }
    return min(found, key=found.get, default=None)


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
        older = [path.name for path in checkpoints(checkpoint.parent) if path.name < checkpoint.name]
        raise UserError(
            f"The checkpoint {checkpoint} could not be loaded: {error}. Check that the run's config.json is the one "
            "it was written with. If the file is damaged, move the checkpoint away: "
            + (f"{older[-1]} is the next that is used." if older else "there is none before it, the run begins again.")
        ) from error
