"""How a run begins, new or continued: its configuration out of a preset and what was changed, and its folder."""

import datetime

from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunConfig, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import Preset, get_preset
from dagan_tf.runs.folder import Run
from dagan_tf.runs.hosts import count_hosts

PARTS = {"model": ModelConfig, "labels": LabelSpec, "data": DataConfig, "train": TrainConfig}
"""The configurations that a `RunConfig` consists of."""


def configure(preset=None, changes=None):
    """The `RunConfig` of a preset with some fields changed.

    Args:
        preset: its name; `None`: facades, and none where the data are one's own pairs.
        changes: a dictionary of parts (see `PARTS`) to dictionaries of fields, such as `{"train": {"seed": 3}}`.

    Returns:
        A `RunConfig`. Its `data` is that of the changes, else the facades; of another preset's data nothing is known,
        so that it is `None`.

    Raises:
        UserError: an unknown preset, or values that cannot be or do not fit together.
    """
    changes = changes or {}
    data = _changed_data(DataConfig() if preset in (None, "facades") else None, changes)
    return _changed(_preset(preset, data, changes.get("model", {})), data, changes)


def _changed_data(data, changes):
    fields = changes.get("data", {})
    return (data or DataConfig()).replace(**fields) if fields else data


def _changed(base, data, changes):
    """The `RunConfig` of a `Preset` with fields changed; the number of classes is that of the label files, too."""
    model, labels = changes.get("model", {}), changes.get("labels", {})
    classes = {"num_classes": model["num_classes"]} if "num_classes" in model else {}
    train = base.train.replace(**changes.get("train", {}))
    return RunConfig(base.model.replace(**model), base.labels_with(**{**classes, **labels}), data, train)


def _preset(name, data, model):
    if name or data is None or data.dataset != "folder":
        return get_preset(name or "facades")
    if "num_classes" not in model:
        raise UserError("Your own pairs need `num_classes`, the classes of their label maps, or a `preset`.")
    own = ModelConfig(num_classes=model["num_classes"], image_size=model.get("image_size", (256, 256)))
    return Preset(own, LabelSpec(num_classes=own.num_classes), TrainConfig())


def begin(config, path=None):
    """The `Run` of a new folder, which is not made yet.

    Args:
        config: the `RunConfig`.
        path: the folder; `None`: runs/DATASET-DATE-TIME.

    Raises:
        UserError: the folder holds a run already, or several hosts were given none.
    """
    if path is None and count_hosts() > 1:
        raise UserError("Several hosts need the same run folder, on a disk that all of them see: give `run_dir`.")
    name = config.data.dataset if config.data else "run"
    run = Run(path or f"runs/{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    if run.exists:
        raise UserError(
            f"{run.path} holds a run already. Continue it with `resume` {run.path}, or give another `run_dir`."
        )
    return run


def resume(path, preset=None, changes=None):
    """The `Run` of a folder and its `RunConfig`, with its data where they lie now.

    Args:
        path: the folder.
        preset, changes: as in `configure`, those of its start once more, or none.

    Raises:
        UserError: the folder holds no run, or its configuration is another; the message names the fields.
    """
    run = Run(path)
    return run, check_same(run.read_config(), preset, changes)


def check_same(saved, preset=None, changes=None):
    """A saved `RunConfig` with the data where they lie now; `UserError` if anything else of it would change."""
    changes = changes or {}
    own = Preset(saved.model, saved.labels, saved.train)
    changed = _changed(get_preset(preset) if preset else own, _changed_data(saved.data, changes), changes)
    differences = saved.differences(changed)
    if differences:
        lines = "\n".join(f"  {name}: the run has {old!r}, given was {new!r}" for name, old, new in differences)
        advice = "Give all that it was started with, or no `preset`" if preset else "Leave these out"
        raise UserError(
            f"A run resumes with its own configuration. It differs in:\n{lines}\n{advice}, or start a new run with "
            "another `run_dir`."
        )
    return changed
