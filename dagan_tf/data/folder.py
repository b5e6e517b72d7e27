"""Label maps, photos and instance maps in folders, with random access.

Reading a folder needs no TensorFlow. Files pair by their path below their folder without the suffix, so `train/a.png`
goes with `train/a.jpg`.
"""

import copy
from pathlib import Path

import numpy as np

from dagan_tf.data.decoding import read_photo
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO, find_files, pair
from dagan_tf.data.reading import read_instance, read_label
from dagan_tf.errors import UserError


class FileSource:
    """Examples in listed files, read when asked for.

    Args:
        labels: paths of the label files.
        images: paths of the photos in the same order, or None.
        instances: paths of the instance maps in the same order, or None.
        spec: `LabelSpec` that says how the ids name the classes.

    `source[index]` is a dictionary of `"label"`: `(h, w)` classes in `[0, num_classes)`, uint8 up to 256 classes,
    else int32; `"image"`: `(h, w, 3)` uint8 where there are photos; `"instance"`: `(h, w)` int32 where there are
    instance maps. It raises `UserError`, naming the file, for one that cannot be read (see `dagan_tf.data.reading`), or
    that has another size than its label map.
    """

    same_sizes = True
    """Whether the files of an example have one size; other sources bring them to it."""

    def __init__(self, labels, images=None, instances=None, *, spec):
        self._paths = {LABEL: labels, PHOTO: images, INSTANCE: instances}
        self._paths = {role: list(paths) for role, paths in self._paths.items() if paths is not None}
        self.spec = spec

    def __len__(self):
        return len(self._paths[LABEL])

    def name(self, index):
        """The path of the label file, for messages."""
        return str(self._paths[LABEL][index])

    def files(self, index):
        """The files of an example by role (see `dagan_tf.data.listing`): a dictionary of paths."""
        return {role: Path(paths[index]) for role, paths in self._paths.items()}

    def all_files(self, index):
        """Every file of an example: a list of (role, path); a source may have several of one role."""
        return list(self.files(index).items())

    def subset(self, indices):
        """The source of some of the examples, in the order of their indices."""
        result = copy.copy(self)
        result._paths = {role: [paths[index] for index in indices] for role, paths in self._paths.items()}
        return result

    def blank(self):
        """An example of one pixel of class 0, without a photo, in the place of one that cannot be read."""
        pixel = {"label": np.zeros((1, 1), np.uint8 if self.spec.num_classes <= 256 else np.int32)}
        return pixel | ({"instance": np.zeros((1, 1), np.int32)} if INSTANCE in self._paths else {})

    def fingerprint(self):
        """A text that changes when a file or the meaning of ids does: names, sizes, times of change, and the spec."""
        files = [path for paths in self._paths.values() for path in paths]
        states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in map(Path, files)]
        spec = self.spec.replace(class_names=())  # names decide nothing; colours may be what files are read by
        return f"{states} {spec}"

    def __getitem__(self, index):
        example = {"label": self._label(index)}
        if PHOTO in self._paths:
            example["image"] = self._photo(index)
            self._check_size(index, PHOTO, example["label"], example["image"])
        if INSTANCE in self._paths:
            example["instance"] = self._instance(index)
            self._check_size(index, INSTANCE, example["label"], example["instance"])
        return example

    def _label(self, index):
        return read_label(self._paths[LABEL][index], self.spec)

    def _photo(self, index):
        return read_photo(self._paths[PHOTO][index])

    def _instance(self, index):
        return read_instance(self._paths[INSTANCE][index])

    def _check_size(self, index, role, label, array):
        if label.shape != array.shape[:2]:
            files = self.files(index)
            raise UserError(different_sizes(files[LABEL], label.shape, role, files[role], array.shape))


class FolderSource(FileSource):
    """The examples of a folder of label maps, with a folder of photos and one of instance maps where given.

    Args:
        label_dir: folder of label maps; sub-folders count. With it alone there are labels only.
        image_dir: folder of photos with the same names, or None. It may be `label_dir` itself.
        instance_dir: folder of instance maps with the same names, or None.
        spec: `LabelSpec` that says how the ids name the classes.
        choose: which of the names, in their order, are the source's: a function of a list of names to some of them.

    Raises:
        UserError: a folder is missing or empty, or the names do not pair. Files themselves are read, and checked,
            when an example is asked for.
    """

    def __init__(self, label_dir, image_dir=None, instance_dir=None, *, spec, choose=list):
        labels = find_files(label_dir, LABEL)
        others = []
        for folder, role in ((image_dir, PHOTO), (instance_dir, INSTANCE)):
            files = None if folder is None else find_files(folder, role, ignore=labels.values())
            others.append(files and dict(zip(labels, pair(labels, files, role), strict=True)))
        names = choose(list(labels))
        lists = [files and [files[name] for name in names] for files in (labels, *others)]
        super().__init__(*lists, spec=spec)


def different_sizes(label_path, label_shape, role, path, shape):
    """The message for a file that has another size than its label map; shapes are (height, width, ...)."""
    sizes = [f"{s[0]}x{s[1]} (height x width)" for s in (label_shape, shape)]
    turned = tuple(label_shape[:2]) == tuple(shape[1::-1])
    advice = (
        "One of them is turned: photos are read as their camera says (EXIF orientation), so draw labels on the turned "
        "photo." if turned else "Resize one of them (label and instance maps with nearest neighbour only)."
    )  # fmt: skip
    return (
        f"Expected {LABEL} and {role} of equal size. Received: {label_path} of {sizes[0]}, {path} of {sizes[1]}. "
        f"{advice}"
    )
