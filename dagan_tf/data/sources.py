"""From the configuration of a run to its examples."""

from dagan_tf.data.folder import FolderSource
from dagan_tf.data.procedural import ProceduralFacades
from dagan_tf.errors import UserError

PROCEDURAL_TEST_EXAMPLES = 50


def open_source(data, spec, size, split, seed=0):
    """The examples of one split.

    Args:
        data: a `DataConfig`.
        spec: the `DatasetSpec` of the label files.
        size: (height, width) at which procedural facades are drawn.
        split: "train" or "test".
        seed: of procedural facades.

    Returns:
        A source (see `FileSource`), or `None`: this dataset has no test split.

    Raises:
        UserError: the examples are not where the configuration says, or cannot be fetched.
    """
    if data.dataset == "procedural":
        count = data.num_examples if split == "train" else PROCEDURAL_TEST_EXAMPLES
        return ProceduralFacades(count, size, seed=seed, split=split)
    if data.dataset == "folder":
        return FolderSource(data.label_dir, data.image_dir, data.instance_dir, spec=spec) if split == "train" else None
    return _facades(data.data_dir, split, spec)


def _facades(data_dir, split, spec):
    from dagan_tf.data import facades  # imports TensorFlow Datasets, which the other sources do without

    if data_dir is None:
        return facades.facades_from_tfds(split)
    try:
        return facades.facades_from_folder(data_dir, split, spec)
    except UserError:
        if split == "train":
            raise
        facades.facades_from_folder(
            data_dir, "train", spec
        )  # only the base zip was unpacked: train without a test split
        return None
