"""How a run begins, new or continued: its configuration out of a preset and what was changed, and its folder."""

import datetime
import os
import pathlib

from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunConfig, TrainConfig
from dagan_tf.data.description import find_classes, read_classes
from dagan_tf.data_config import DATASETS, LOCATIONS
from dagan_tf.errors import UserError
from dagan_tf.files import check_writable
from dagan_tf.presets import PRESETS, Preset, get_preset
from dagan_tf.runs.folder import Run
from dagan_tf.runs.hosts import count_hosts

PARTS = {"model": ModelConfig, "labels": LabelSpec, "data": DataConfig, "train": TrainConfig}
"""The configurations that a `RunConfig` consists of."""


def configure(preset=None, changes=None, classes=None):
    """The `RunConfig` of a preset with some fields changed.

    Args:
        preset: its name; `None`: that of the data set, and none where the data are one's own pairs.
        changes: a dictionary of parts (see `PARTS`) to dictionaries of fields, such as `{"train": {"seed": 3}}`. Where
            data lies is kept as absolute paths, so that the run goes on from any working directory.
        classes: path of a file that says what ids mean (see `dagan_tf.data.description`); `None`: a dataset.json in the
            folders of one's own pairs, where there is one.

    Returns:
        A `RunConfig`. Its `data` is that of the changes, else the data set of the preset's name.

    Raises:
        UserError: an unknown preset, or values that cannot be or do not fit together.
    """
    changes = changes or {}
    data = configure_data(preset, changes)
    described = described_classes(data, classes)
    return _changed(_preset(preset, data, changes.get("model", {}), described), data, changes, described)


def configure_data(preset=None, changes=None):
    """The `DataConfig` alone of what `configure` gives."""
    return _changed_data(DataConfig(preset if preset in DATASETS else "facades"), changes or {})


def _changed_data(data, changes):
    fields = dict(changes.get("data", {}))
    for name in LOCATIONS:
        if fields.get(name):
            fields[name] = os.path.abspath(os.path.expanduser(fields[name]))
    return (data or DataConfig()).replace(**fields) if fields else data


def described_classes(data, classes=None):
    """The `LabelSpec` of a file that says what ids mean: the one given, or one beside one's own pairs; else `None`."""
    if classes is None and data.dataset == "folder":
        folders = [data.data_dir] if data.data_dir else [data.label_dir, os.path.dirname(data.label_dir)]
        classes = find_classes(*folders)
    return None if classes is None else read_classes(classes)


def _changed(base, data, changes, described=None):
    """The `RunConfig` of a `Preset` with fields changed; the number of classes is that of the label files, too."""
    model, labels = changes.get("model", {}), changes.get("labels", {})
    if described:
        _check_described(described, model)
        base = Preset(base.model.replace(num_classes=described.num_classes), described, base.train)
    classes = {"num_classes": model["num_classes"]} if "num_classes" in model else {}
    train = base.train.replace(**changes.get("train", {}))
    if train.perceptual_file:
        train = train.replace(perceptual=os.path.abspath(os.path.expanduser(train.perceptual_file)))
    return RunConfig(base.model.replace(**model), base.labels_with(**{**classes, **labels}), data, train)


def _check_described(described, model):
    count = model.get("num_classes", described.num_classes)
    if count != described.num_classes:
        raise UserError(
            f"The file that describes the classes has {described.num_classes} of them. Received: `num_classes` "
            f"{count}. Leave out `num_classes`, or give another file as `classes`."
        )


def _preset(name, data, model, described=None):
    if name or data is None or data.dataset != "folder":
        own = data.dataset if data and data.dataset in PRESETS else "facades"
        return get_preset(name or own)
    if "num_classes" not in model and not described:
        raise UserError(
            "Your own pairs need `num_classes`, the classes of their label maps with the unknown one, or a file that "
            "describes them (`classes`, or dataset.json beside them), or a `preset`. `python -m dagan_tf.check` says "
            "which ids the files hold."
        )
    count = model.get("num_classes") or described.num_classes
    own = ModelConfig(num_classes=count, image_size=model.get("image_size", (256, 256)))
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
    run = Run(os.path.expanduser(path) if path else f"runs/{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    check_writable(run.path)
    if run.exists:
        raise UserError(
            f"{run.path} holds a run already. Continue it with `resume` {run.path}, or give another `run_dir`."
        )
    return run


def resume(path, preset=None, changes=None, classes=None):
    """The `Run` of a folder and its `RunConfig`, with its data where they lie now.

    Args:
        path: the folder.
        preset, changes, classes: as in `configure`, those of its start once more, or none.

    Raises:
        UserError: the folder holds no run, or its configuration is another; the message names the fields.
    """
    run = Run(path)
    return run, check_same(_found(run.read_config(), run.path), preset, changes, classes)


def _found(config, path):
    """A run's configuration whose relative paths, of runs before 0.1, are tried from here and from the run's folder.

    Where such a path leads to nothing it stays as it is, and what reads the data names it.
    """
    run = pathlib.Path(path).resolve()
    found = {}
    for name in LOCATIONS:
        value = getattr(config.data, name, None)
        if value and not os.path.isabs(value):
            found[name] = _place(value, run)
    if found:
        config = config.replace(data=config.data.replace(**found))
    weights = config.train.perceptual_file
    if weights and not os.path.isabs(weights):
        config = config.replace(train=config.train.replace(perceptual=_place(weights, run)))
    return config


def _place(path, run):
    """A relative path as an absolute one: from here, or else from the run's folder and the two around it."""
    tried = [place / path for place in (pathlib.Path.cwd(), run, *run.parents[:2])]
    return str(next((place for place in tried if place.exists()), path))


def check_same(saved, preset=None, changes=None, classes=None):
    """A saved `RunConfig` with the data where they lie now; `UserError` if anything else of it would change."""
    changes = changes or {}
    own = Preset(saved.model, saved.labels, saved.train)
    data = _changed_data(saved.data, changes)
    described = described_classes(data, classes) if data and (preset or classes) else None
    changed = _changed(get_preset(preset) if preset else own, data, changes, described)
    differences = saved.differences(changed)
    if differences:
        lines = "\n".join(f"  {name}: the run has {old!r}, given was {new!r}" for name, old, new in differences)
        advice = "Give all that it was started with, or no `preset`" if preset else "Leave these out"
        raise UserError(
            f"A run resumes with its own configuration. It differs in:\n{lines}\n{advice}, or start a new run with "
            "another `run_dir`."
        )
    return changed
