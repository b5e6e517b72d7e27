"""LabelMe's annotations: a JSON file for each picture, with named shapes that are painted in their order.

Format and shapes: https://github.com/wkentaro/labelme. Coordinates are (x, y) in pixels. As LabelMe does it, edges of
a shape belong to it, lines are 10 pixels wide, and a point is a disc with a radius of 5 pixels.
"""

import base64
import binascii
import io
import math
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image, ImageDraw

from dagan_tf.data.annotations.classes import ClassIds, check_photo, check_size, rows_of
from dagan_tf.data.description import FILE_NAME, read_json
from dagan_tf.data.example import Example
from dagan_tf.data.listing import walk
from dagan_tf.errors import UserError

LINE_WIDTH, POINT_RADIUS = 10, 5
FARTHEST = 2**20
"""Pixels from the corner beyond which a coordinate is a mistake; PIL draws what lies between, inside the picture."""
POINTS = {
    "polygon": (3, math.inf),
    "rectangle": (2, 2),
    "circle": (2, 2),
    "line": (2, 2),
    "linestrip": (2, math.inf),
    "point": (1, 1),
    "mask": (2, 2),
}
"""The least and most points of each kind of shape."""


class LabelMeFolder:
    """The pictures of a folder of LabelMe files, as a source of `dagan_tf.data.preparation`.

    Args:
        folder: of JSON files; sub-folders count, hidden ones and `dataset.json` do not.
        rows: the classes as `ClassRow`s, or None: the names in the files, sorted, after the background, which is 0.
        unknown_id: the id among `rows` that means unlabelled, or None.

    Shapes of one label and `group_id` are one instance; any other shape is an instance of its own.

    Raises:
        UserError: the folder is missing or holds no such file, or `rows` have no names or no background. Files are
            checked when they are read.
    """

    def __init__(self, folder, rows=None, unknown_id=None):
        folder = Path(folder)
        there = walk(folder) if folder.is_dir() else ()
        paths = sorted(p for p in there if p.suffix.lower() == ".json" and p.name != FILE_NAME)
        self._paths = {p.relative_to(folder).with_suffix("").as_posix(): p for p in paths}
        if not self._paths:
            raise UserError(f"Expected LabelMe's files (*.json) in {folder}. Received: none. Check the path.")
        self.names = list(self._paths)
        self.rows = rows
        self._ids = rows and ClassIds(rows, unknown_id)

    def find(self, name):
        """The labels in one file, a set: what the classes are made of where none are given."""
        return {shape["label"] for shape in _shapes(self._paths[name], read_json(self._paths[name]))}

    def settle(self, found):
        """Takes the labels in all files as the classes."""
        self.rows = rows_of(sorted(found))
        self._ids = ClassIds(self.rows)

    def read(self, name):
        """The `Example` of one file; raises `UserError`."""
        path = self._paths[name]
        values = read_json(path)
        shapes = _shapes(path, values)
        size = check_size(f"{path}, imageHeight and imageWidth", values.get("imageHeight"), values.get("imageWidth"))
        return Example(*paint(path, shapes, size, self._ids), photo=_photo(path, values))


def paint(path, shapes, size, ids):
    """The shapes of one picture as maps; later ones lie over earlier ones, and outside of the picture there is none.

    Args:
        path: of their file, for messages.
        shapes: list of LabelMe's dictionaries: `label`, `points`, `shape_type`, `group_id`, `mask`.
        size: (h, w) of the picture.
        ids: class ids by label, with `background`, see `ClassIds`.

    Returns:
        (label ids `(h, w)` int32, instance ids `(h, w)` int32: from 1, and 0 where no shape is).
    """
    label, instance = np.full(size, ids.background, np.int32), np.zeros(size, np.int32)
    instances = {}
    for number, shape in enumerate(shapes, start=1):
        where = f"{path}, shape {number} ({shape['label']})"
        try:
            class_id = ids[shape["label"]]
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        covered = _mask(where, shape, size)
        group = shape.get("group_id")
        own = (shape["label"], group) if group is not None else number
        label[covered] = class_id
        instance[covered] = instances.setdefault(own, len(instances) + 1)
    return label, instance


def _shapes(path, values):
    """The list of shapes of a file, each a dictionary with a label."""
    shapes = values.get("shapes")
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise UserError(f'{path}: expected a file of LabelMe, with "shapes". Received: no such list. Remove the file.')
    for number, shape in enumerate(shapes, start=1):
        if not isinstance(shape.get("label"), str) or not shape["label"].strip():
            raise UserError(f"{path}, shape {number}: expected a label. Received: {shape.get('label')!r}. Give it one.")
    return shapes


def _mask(where, shape, size):
    """The pixels of one shape, `(h, w)` bool."""
    kind = shape.get("shape_type") or "polygon"  # which files of early versions leave out
    if kind not in POINTS:
        raise UserError(
            f"{where}: expected a shape of {', '.join(POINTS)}. Received: {kind!r}. Draw it as one of these."
        )
    points = _points(where, kind, shape.get("points"))
    if kind == "mask":
        return _bitmap(where, points, shape.get("mask"), size)
    picture = Image.new("1", (size[1], size[0]))
    draw = ImageDraw.Draw(picture)
    if kind == "polygon":
        draw.polygon(points, fill=1, outline=1)
    elif kind == "rectangle":
        draw.rectangle([*map(min, *points), *map(max, *points)], fill=1, outline=1)
    elif kind == "circle":
        _disc(draw, points[0], math.dist(*points))
    elif kind == "point":
        _disc(draw, points[0], POINT_RADIUS)
    else:
        draw.line(points, fill=1, width=LINE_WIDTH)
    return np.array(picture, bool)


def _disc(draw, centre, radius):
    x, y = centre
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)


def _points(where, kind, points):
    """The points of a shape as a list of (x, y), checked."""
    least, most = POINTS[kind]
    points = points if isinstance(points, list) else []
    if not least <= len(points) <= most:
        wanted = f"{least} points" if least == most else f"at least {least} points"
        raise UserError(f"{where}: expected a {kind} of {wanted}. Received: {len(points)}. Draw it again.")
    for point in points:
        numbers = point if isinstance(point, list) else []
        good = [isinstance(n, int | float) and abs(n) <= FARTHEST for n in numbers]  # which NaN is not
        if len(good) != 2 or not all(good):
            raise UserError(f"{where}: expected points as [x, y] in pixels. Received: {point!r}. Draw it again.")
    return [tuple(point) for point in points]


def _bitmap(where, points, mask, size):
    """The pixels of a mask, a PNG in base64 whose upper left corner lies at the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(mask or "", validate=True))) as picture:
            pixels = np.array(picture.convert("L")) > 0
    except (binascii.Error, TypeError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{where}: expected the mask as PNG in base64. Received: {error}. Draw it again.") from error
    result = np.zeros(size, bool)
    left, top = (round(value) for value in points[0])
    upper, before = max(0, -top), max(0, -left)  # what lies outside of the picture
    inside = result[max(0, top) : max(0, top + pixels.shape[0]), max(0, left) : max(0, left + pixels.shape[1])]
    inside[:] = pixels[upper : upper + inside.shape[0], before : before + inside.shape[1]]
    return result


def _photo(path, values):
    """The photograph: the bytes that are embedded, or the path of the file that is named."""
    embedded, name = values.get("imageData"), values.get("imagePath")
    if embedded:
        try:
            return base64.b64decode(embedded, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise UserError(f"{path}: expected imageData in base64. Received: {error}. Annotate it again.") from error
    if not isinstance(name, str) or not name:
        raise UserError(f"{path}: expected imageData or imagePath. Received: neither. Annotate the picture again.")
    # Files that were written on Windows have backslashes between folders, which are letters of a name elsewhere.
    return check_photo(path, path.parent / PureWindowsPath(name).as_posix())
