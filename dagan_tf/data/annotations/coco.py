"""COCO's annotations: one JSON file for all pictures, with categories and objects as polygons or run lengths.

Format: https://cocodataset.org/#format-data, "object detection". Objects are rasterised by COCO's own library,
pycocotools (`pip install dagan_tf[annotations]`). Larger ones are painted first, so that small ones before them stay
visible; of two of one area the one with the lower id. Crowds (`iscrowd`) are objects like others.
"""

import importlib
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np

from dagan_tf.data.annotations.classes import ClassIds, check_photo, check_size, rows_of
from dagan_tf.data.description import read_json
from dagan_tf.data.example import Example
from dagan_tf.errors import UserError


class CocoFile:
    """The pictures of a COCO file, as a source of `dagan_tf.data.preparation`.

    Args:
        path: of the JSON file.
        image_dir: folder of the photographs, below which each `file_name` lies.
        rows: the classes as `ClassRow`s, or None: the categories by their id, renumbered from 1, after the background,
            which is 0.
        unknown_id: the id among `rows` that means unlabelled, or None.

    Raises:
        UserError: pycocotools is missing, or the file is not one of COCO. Objects are checked when they are read.
    """

    def __init__(self, path, image_dir, rows=None, unknown_id=None):
        self._path, self._image_dir = Path(path), Path(image_dir)
        self._library = _pycocotools()
        values = read_json(path)
        self._names = _categories(path, _entries(path, values, "categories", ("id", "name")))
        self._images = _images(path, _entries(path, values, "images", ("id", "file_name")))
        self._objects = defaultdict(list)
        for entry in _entries(path, values, "annotations", ("id", "image_id", "category_id")):
            self._objects[entry["image_id"]].append(entry)
        self.names = sorted(self._images)
        self.rows = rows or rows_of(self._names.values())
        self._ids = ClassIds(self.rows, unknown_id)

    def read(self, name):
        """The `Example` of one picture; raises `UserError`."""
        label, instance = self.paint(name)
        return Example(label, instance, self.photo(name))

    def photo(self, name):
        """The path of one photograph, which is there."""
        image = self._image(name)
        return check_photo(f"{self._path}, image {image['id']}", self._image_dir / image["file_name"])

    def paint(self, name):
        """The objects of one picture as maps.

        Returns:
            (label ids `(h, w)` int32, instance ids `(h, w)` int32: from 1, and 0 where no object is).

        Raises:
            UserError: there is no picture of that name, or an object of it is malformed.
        """
        image = self._image(name)
        where = f"{self._path}, image {image['id']} ({name})"
        size = check_size(where, image.get("height"), image.get("width"))
        label, instance = np.full(size, self._ids.background, np.int32), np.zeros(size, np.int32)
        for number, (class_id, runs) in enumerate(self._painted(image["id"], size), start=1):
            covered = self._library.decode(runs).astype(bool)
            label[covered], instance[covered] = class_id, number
        return label, instance

    def _image(self, name):
        if name not in self._images:
            raise UserError(f"{self._path}: expected an image of the name {name}. Received: none. Add it there.")
        return self._images[name]

    def _painted(self, image_id, size):
        """The objects of one picture in the order in which they are painted: [(class id, run lengths)]."""
        found = []
        for entry in self._objects.get(image_id, ()):
            where = f"{self._path}, annotation {entry['id']}"
            if entry["category_id"] not in self._names:
                raise UserError(f"{where}: there is no category {entry['category_id']!r}. Add it to the categories.")
            try:
                class_id = self._ids[self._names[entry["category_id"]]]
            except UserError as error:
                raise UserError(f"{where}: {error}") from error
            runs = self._runs(where, entry.get("segmentation"), size)
            found.append((-int(self._library.area(runs)), entry["id"], class_id, runs))
        return [(class_id, runs) for _, _, class_id, runs in sorted(found, key=lambda item: item[:2])]

    def _runs(self, where, shape, size):
        """The run lengths of one object as pycocotools has them."""
        if isinstance(shape, list) and shape and all(map(_is_polygon, shape)):
            return self._library.merge(self._library.frPyObjects(shape, *size))
        if isinstance(shape, dict) and shape.get("size") == list(size):
            runs = _compressed(self._library, shape.get("counts"), size)
            if runs is not None:
                return runs
        raise UserError(
            f"{where}: expected a segmentation as polygons of at least 3 points [[x, y, x, y, x, y ...]], or as run "
            f"lengths that fill a picture of size {list(size)}. Received: {_short(shape)}. Annotate it again."
        )


def _is_polygon(shape):
    """Whether this is a flat list of the coordinates of three points or more."""
    numbers = isinstance(shape, list) and all(isinstance(n, int | float) and abs(n) < 2**20 for n in shape)
    return numbers and len(shape) >= 6 and len(shape) % 2 == 0


def _compressed(library, counts, size):
    """Run lengths, a list of numbers or COCO's text of them, as pycocotools has them, or None if they are malformed.

    The library itself trusts them, and decoding too many of them would write past the end of the picture.
    """
    if isinstance(counts, list):
        counts = np.array(counts) if all(isinstance(n, int) and 0 <= n < 2**31 for n in counts) else np.array([-1])
    elif isinstance(counts, str) and counts:
        counts = _expanded(counts)
    else:
        return None
    if counts.min(initial=0) < 0 or counts.sum() != size[0] * size[1]:
        return None
    return library.frPyObjects({"counts": counts.tolist(), "size": list(size)}, *size)


def _expanded(text):
    """The run lengths in COCO's text: numbers of 5 bits a letter, from the third on as differences to the one but last.

    Source: the published code of pycocotools, `rleFrString`.
    """
    counts, value, shift = [], 0, 0
    for letter in text.encode("utf-8", "replace"):
        bits = letter - 48
        if not 0 <= bits < 64 or shift > 40:
            return np.array([-1])
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return np.array(counts if shift == 0 else [-1])


def _entries(path, values, key, fields):
    """A list of the file, whose entries have these fields."""
    entries = values.get(key)
    if not isinstance(entries, list):
        raise UserError(f'{path}: expected a file of COCO with a list "{key}". Received: none. Is it another file?')
    for number, entry in enumerate(entries, start=1):
        missing = [field for field in fields if not isinstance(entry, dict) or not _usable(field, entry.get(field))]
        if missing:
            raise UserError(
                f"{path}, entry {number} of {key}: expected {' and '.join(missing)}. Received: {_short(entry)}."
            )
    return entries


def _usable(field, value):
    """Ids are whole numbers, and names are texts."""
    return isinstance(value, str) and bool(value) if "name" in field else isinstance(value, int)


def _categories(path, entries):
    """The names of the categories by id, sorted by id."""
    names = {entry["id"]: entry["name"] for entry in sorted(entries, key=lambda entry: entry["id"])}
    if not entries or len(names) < len(entries) or len(set(names.values())) < len(entries):
        raise UserError(
            f"{path}: expected categories, each with an id and a name of its own. Received: {len(entries)}, of "
            f"{len(names)} ids and {len(set(names.values()))} names. Rename or remove some."
        )
    return names


def _images(path, entries):
    """The entries of the pictures by name, the path of the photograph without its suffix."""
    images = {}
    for entry in entries:
        file = PurePosixPath(entry["file_name"])
        if not file.name or file.is_absolute() or ".." in file.parts:
            raise UserError(f"{path}: expected a file_name below the folder of photographs. Received: {file}.")
        name = file.with_suffix("").as_posix()
        if name in images:
            raise UserError(f"{path}: expected one image of the name {name}. Received: two. Rename or remove one.")
        images[name] = entry
    ids = {entry["id"] for entry in entries}
    if not entries or len(ids) < len(entries):
        raise UserError(f"{path}: expected images with an id each. Received: {len(entries)}, of {len(ids)} ids.")
    return images


def _short(value):
    text = str(value)
    return text if len(text) < 80 else f"{text[:80]} ..."


def _pycocotools():
    try:
        return importlib.import_module("pycocotools.mask")
    except ImportError as error:
        raise UserError(
            f"COCO's annotations need a package that is missing: pip install -e '.[annotations]'. ({error})"
        ) from error
