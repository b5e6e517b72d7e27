"""The data sets: one module here and one row of `data_config.DATASETS` for each, both of the same name.

A module has two things:

    LABELS                                    the `LabelSpec` of its label files, or `None` where they are the user's
    open_split(data, labels, *, split, size, seed)       a source of examples, or `None` where there is no such split

A source has `len(source)`, `source[index]`, `source.name(index)` and `source.fingerprint()`, see `FileSource`. Modules
are imported when their data set is opened: only some need TensorFlow Datasets.
"""

import importlib

from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS


def open_source(data, labels, *, split, size, seed=0):
    """The examples of one split of a run's data set.

    Args:
        data: a `DataConfig`.
        labels: the `LabelSpec` of the label files.
        split: "train" or "test".
        size: (height, width) at which a data set that is drawn is drawn; files are read as they are.
        seed: of a data set that is drawn.

    Returns:
        A source (see `FileSource`), or `None`: this data set has no test split.

    Raises:
        UserError: the examples are not where the configuration says, or cannot be fetched, or `labels` are not those
            of the data set.
    """
    module = importlib.import_module(f"{__name__}.{data.dataset}")
    if module.LABELS is not None:
        _check_labels(data.dataset, labels, module.LABELS)
    return module.open_split(data, labels, split=split, size=size, seed=seed)


def _check_labels(dataset, labels, own):
    """With other classes than the data set's own the networks would not fit the ids; names and colours may differ."""
    if (labels.num_classes, labels.first_id, labels.unknown_id) == (own.num_classes, own.first_id, own.unknown_id):
        return
    presets = [f", and use the preset {name}" for name, preset in PRESETS.items() if preset.labels == own]
    raise UserError(
        f"The data set {dataset} has label ids {own.describe_ids()}, {own.num_classes} classes. Received: "
        f"{labels.num_classes} classes, first id {labels.first_id}, unknown id {labels.unknown_id}. Leave out "
        f"`first_id`, `unknown_id` and `num_classes`{''.join(presets[:1])}."
    )
