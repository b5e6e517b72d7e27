"""From the configuration of a run to its examples."""

from dagan_tf.data.folder import FolderSource
from dagan_tf.data.procedural.facades import ProceduralFacades
from dagan_tf.errors import UserError
from dagan_tf.presets.facades import LABELS

PROCEDURAL_TEST_EXAMPLES = 50


def open_source(data, spec, size, split, seed=0):
    """The examples of one split.

    Args:
        data: a `DataConfig`.
        spec: the `LabelSpec` of the label files.
        size: (height, width) at which procedural facades are drawn.
        split: "train" or "test".
        seed: of procedural facades.

    Returns:
        A source (see `FileSource`), or `None`: this dataset has no test split.

    Raises:
        UserError: the examples are not where the configuration says, or cannot be fetched.
    """
    if data.dataset == "folder":
        return FolderSource(data.label_dir, data.image_dir, data.instance_dir, spec=spec) if split == "train" else None
    _check_facades(data, spec)
    if data.dataset == "procedural":
        count = data.num_examples if split == "train" else PROCEDURAL_TEST_EXAMPLES
        return ProceduralFacades(count, size, seed=seed, split=split)
    return _facades(data.data_dir, split, spec)


def _check_facades(data, spec):
    """Both kinds of facades have the classes of their preset: with others the networks would not fit the ids."""
    own = LABELS
    if (spec.num_classes, spec.first_id, spec.unknown_id) != (own.num_classes, own.first_id, own.unknown_id):
        raise UserError(
            f"The dataset {data.dataset} has ids 0 to {own.num_classes - 1}, {own.num_classes} classes. Received: "
            f"{spec.num_classes} classes, first id {spec.first_id}, unknown id {spec.unknown_id}. Leave out the flags "
            "for label files and --num-classes, and use the preset facades."
        )


def _facades(data_dir, split, spec):
    from dagan_tf.data.datasets import facades  # imports TensorFlow Datasets, which the other sources do without

    if data_dir is None:
        return facades.facades_from_tfds(split)
    only_base = split == "test" and facades.has_split(data_dir, "train") and not facades.has_split(data_dir, "test")
    return None if only_base else facades.facades_from_folder(data_dir, split, spec)
