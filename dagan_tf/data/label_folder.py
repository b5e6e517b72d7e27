"""Label maps in files, in whatever form they are, as a source of `dagan_tf.data.preparation`."""

import numpy as np

from dagan_tf.data.decoding import colours_are_no_ids, read_map
from dagan_tf.data.description import ClassRow
from dagan_tf.data.example import Example
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO, find_files
from dagan_tf.data.reading import check_indices, read_label
from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec

FIRST_INSTANCE = 1000
"""The id of the first annotated object in an instance map whose other pixels have their label's id."""


class LabelFolder:
    """The pictures of a folder of label maps, with a folder of photographs.

    Args:
        label_dir: folder of label maps as `dagan_tf.data.decoding` reads them, with ids, or with colours of `rows`.
        image_dir: folder of photographs of the same names.
        instance_dir: folder of instance maps of the same names, or None.
        coco: `CocoFile` of the same pictures, whose objects make the instance maps, or None. As the authors of
            COCO-Stuff's instance maps did it, pixels of no object keep the id of their label: edges are where ids
            differ, so that stuff has outlines, too. Objects count up from `FIRST_INSTANCE`, or from the highest label
            id of the picture where that is higher, so that none has the id of a label.
        rows: the classes as `ClassRow`s, or None: every id that a pixel has is a class.

    Raises:
        UserError: a folder is missing or empty. Files that lack their partner are reported when they are read.
    """

    def __init__(self, label_dir, image_dir, instance_dir=None, *, coco=None, rows=None):
        labels = find_files(label_dir, LABEL)
        self._files = {LABEL: labels, PHOTO: find_files(image_dir, PHOTO, ignore=labels.values())}
        if instance_dir is not None:
            self._files[INSTANCE] = find_files(instance_dir, INSTANCE, ignore=labels.values())
        self.names = sorted(set().union(*self._files.values()))
        self._coco, self.rows = coco, rows

    def find(self, name):
        """The ids in one label map, a set: what the classes are made of where none are given."""
        return set(np.unique(self._label(name)).tolist())

    def settle(self, found):
        """Takes the ids in all label maps as the classes."""
        self.rows = tuple(ClassRow(value) for value in sorted(found))

    def read(self, name):
        """The `Example` of one picture; raises `UserError`."""
        label, photo = self._label(name), self._file(name, PHOTO)
        return Example(label, self._instance(name, label), photo)

    def _file(self, name, role):
        if name not in self._files[role]:
            there = next(files[name] for files in self._files.values() if name in files)
            raise UserError(
                f"{there}: expected a {role} of the same name. Received: none. Rename, add or remove files."
            )
        return self._files[role][name]

    def _label(self, name):
        """The ids of one label map; where its pixels are colours, those of the classes that have the colours."""
        path = self._file(name, LABEL)
        pixels, palette = read_map(path, LABEL)
        coloured = bool(self.rows) and self.rows[0].colour is not None
        if pixels.ndim == 3:
            if not coloured:
                raise UserError(colours_are_no_ids(path, LABEL))
            colours = LabelSpec(len(self.rows), palette=tuple(row.colour for row in self.rows))
            return np.array([row.id for row in self.rows])[read_label(path, colours)]
        if coloured and palette is not None:
            check_indices(path, pixels, palette, {row.colour: row.id for row in self.rows})
        return pixels

    def _instance(self, name, label):
        if INSTANCE in self._files:
            return read_map(self._file(name, INSTANCE), INSTANCE)[0]
        if self._coco is None:
            return None
        _, objects = self._coco.paint(name)
        if objects.shape != label.shape:
            raise UserError(
                f"{self._files[LABEL][name]}: expected the size of the annotated picture, {_size(objects)}. Received: "
                f"{_size(label)}. Take label maps and annotations of the same pictures."
            )
        label = label.astype(np.int64)
        return np.where(objects > 0, objects + max(FIRST_INSTANCE, label.max() + 1) - 1, label)


def _size(array):
    return f"{array.shape[0]}x{array.shape[1]} (height x width)"
