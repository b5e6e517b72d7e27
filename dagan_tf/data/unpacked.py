"""Unpacked copies of public data sets: where their folders are, and their pairs as a source with short names."""

from pathlib import Path

from dagan_tf.data.folder import FileSource
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO, find_files, pair
from dagan_tf.errors import UserError


class PairsSource(FileSource):
    """A `FileSource` whose examples have short names, and whose photos' files are known.

    Args:
        labels, images, instances, spec: as for `FileSource`.
        names: a name for each example, no two alike.
    """

    def __init__(self, labels, images, instances=None, *, spec, names):
        super().__init__(labels, images, instances, spec=spec)
        self.names, self.photos = list(names), list(images)

    def subset(self, indices):
        """The source of some of the examples, in the order of their indices."""
        result = super().subset(indices)
        result.names, result.photos = [self.names[i] for i in indices], [self.photos[i] for i in indices]
        return result


def pairs_in(label_dir, image_dir, instance_dir=None, *, spec, optional=False):
    """The pairs of a folder of label maps and one of photos, with a folder of instance maps where there is one.

    Args:
        label_dir, image_dir, instance_dir: the folders; instance maps may be `None`.
        spec: `LabelSpec` of the label files.
        optional: whether all of the folders may be missing, as those of a split that was not unpacked are.

    Returns:
        A `PairsSource` whose names are paths below the folders, without suffix; or `None` where all are missing.

    Raises:
        UserError: a folder is missing while others are not, one is empty, or the names do not pair.
    """
    folders = {LABEL: label_dir, PHOTO: image_dir, INSTANCE: instance_dir}
    folders = {role: folder for role, folder in folders.items() if folder is not None}
    if optional and not any(Path(folder).is_dir() for folder in folders.values()):
        return None
    files = {role: find_files(folder, role) for role, folder in folders.items()}
    labels = files.pop(LABEL)
    others = [pair(labels, found, role) for role, found in files.items()]
    return PairsSource(list(labels.values()), *others, spec=spec, names=labels)


def find_root(data_dir, marks, nested, title, how):
    """The folder of an unpacked copy: `data_dir` itself, or the sub-folder `nested` that its archive makes.

    Args:
        data_dir: the folder that the user gave.
        marks: names of sub-folders, of which the right folder has at least one.
        nested: name of the sub-folder.
        title, how: what the data set is called and how to get it, for the message.

    Raises:
        UserError: neither folder has one of the sub-folders.
    """
    for folder in (Path(data_dir), Path(data_dir) / nested):
        if any((folder / mark).is_dir() for mark in marks):
            return folder
    found = "none of them" if Path(data_dir).is_dir() else "no such folder"
    raise UserError(f"Expected {title} in {data_dir}: a folder {' or '.join(marks)}. Received: {found}. {how}.")
