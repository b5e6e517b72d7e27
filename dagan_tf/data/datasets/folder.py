"""Your own pairs: a folder of label maps, one of photographs, and one of instance maps where the model reads edges."""

from dagan_tf.data.folder import FolderSource

LABELS = None


def open_split(data, labels, *, split, size, seed):
    """All pairs are for training; `size` and `seed` are for data sets that are drawn."""
    if split == "test":
        return None
    return FolderSource(data.label_dir, data.image_dir, data.instance_dir, spec=labels)
