"""What the formats of annotations share: the class of a name, that of pixels without a shape, sizes and photographs."""

from dagan_tf.data.decoding import pixel_limit
from dagan_tf.data.description import ClassRow
from dagan_tf.errors import UserError

BACKGROUND = "background"
"""The class of pixels that no shape covers; LabelMe's own examples write it `_background_`."""


def rows_of(names):
    """The classes of names in this order, a tuple of `ClassRow`: 0 is the background, the names count up from 1."""
    names = [name for name in names if _plain(name) != BACKGROUND]
    return tuple(ClassRow(i, name) for i, name in enumerate([BACKGROUND, *names]))


class ClassIds:
    """The ids of classes by their names, `ids[name]`, and `ids.background`, that of pixels without a shape.

    Args:
        rows: `ClassRow`s with names. The background is the class of that name, or else the unlabelled one.
        unknown_id: the id of the unlabelled class, or None.

    Raises:
        UserError: classes have no names, or neither a background nor an unlabelled one; `ids[name]`: there is no such
            class.
    """

    def __init__(self, rows, unknown_id=None):
        if any(row.name is None for row in rows):
            raise UserError("Shapes are annotated with names. Received: `classes` without names. Add them to the file.")
        self._ids = {_plain(row.name): row.id for row in rows}
        self.background = self._ids.get(BACKGROUND, unknown_id)
        if self.background is None:
            raise UserError(
                f"Expected a class {BACKGROUND!r} in `classes` for pixels that no shape covers. Received: "
                f"{', '.join(self._ids)}. Add it, or say with `unknown_id` which class they are."
            )

    def __getitem__(self, name):
        if _plain(name) not in self._ids:
            raise UserError(f"there is no class {name!r} in `classes`, which has {', '.join(self._ids)}. Add it there.")
        return self._ids[_plain(name)]


def _plain(name):
    return BACKGROUND if name == f"_{BACKGROUND}_" else name


def check_size(where, height, width):
    """(height, width) of a picture as a file gives it; raises `UserError` unless a picture can be so large."""
    whole = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (height, width))
    limit = pixel_limit()
    if not whole or (limit and height * width > limit):
        raise UserError(
            f"{where}: expected height and width of the picture, of at most {limit} pixels (`max_pixels`). Received: "
            f"{height!r} and {width!r}. Annotate the picture again, or correct them."
        )
    return height, width


def check_photo(where, path):
    """The path of a photograph that a file names; raises `UserError` where there is none."""
    if not path.is_file():
        raise UserError(f"{where}: expected its photograph at {path}. Received: no such file. Put it there.")
    return path
