"""Label maps merged from a file for each part of a face, and photos brought to the size of their masks."""

import hashlib

import numpy as np
from PIL import Image

from dagan_tf.data.decoding import read_map, read_photo, read_size
from dagan_tf.data.listing import LABEL, PHOTO, walk
from dagan_tf.data.unpacked import PairsSource
from dagan_tf.errors import UserError
from dagan_tf.presets.celebamask_hq import LABELS

CLASSES = {name: index for index, name in enumerate(LABELS.class_names) if name != "background"}
"""The parts in the order in which they are painted, and the class of each."""


def find_parts(folder):
    """The files of parts by face: `{number as a text: paths}`, the paths in the order in which parts are painted.

    Args:
        folder: with files such as `0/00007_l_eye.png`, in sub-folders of any name.

    Raises:
        UserError: there are no such files, or one is called otherwise.
    """
    faces = {}
    for path in walk(folder):
        number, _, part = path.stem.partition("_")
        if path.suffix.lower() != ".png":
            continue
        if not number.isdecimal() or part not in CLASSES:
            raise UserError(
                f"Expected masks called NUMBER_PART.png, with one of {', '.join(CLASSES)}. Received: {path}. Remove it."
            )
        faces.setdefault(str(int(number)), {})[CLASSES[part]] = path
    if not faces:
        raise UserError(f"Expected masks of parts (NUMBER_PART.png) in {folder}. Received: none. Check the path.")
    return {number: [path for _, path in sorted(parts.items())] for number, parts in faces.items()}


class SizedSource(PairsSource):
    """A `PairsSource` that brings photos to the size of their masks, bicubically as `transform` does."""

    same_sizes = False

    def _photo(self, index):
        photo, path = read_photo(self.photos[index]), self.name(index)
        size = read_size(path, LABEL)[::-1]
        height, width = photo.shape[:2]
        if (width, height) == size:
            return photo
        if width * size[1] != height * size[0]:
            raise UserError(
                f"Expected a photo with the aspect of its mask. Received: {self.photos[index]} of {height}x{width} "
                f"(height x width), {path} of {size[1]}x{size[0]}. Crop one of them."
            )
        return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


class PartsSource(SizedSource):
    """Faces whose label maps are merged from their parts.

    Args:
        parts: for each face the paths of its parts in the order in which they are painted, at least one.
        images, spec, names: as for `PairsSource`.
    """

    def __init__(self, parts, images, *, spec, names):
        super().__init__([paths[0] for paths in parts], images, spec=spec, names=names)
        self._parts = parts

    def all_files(self, index):
        """Every file of a face, all of its parts, too: a list of (role, path)."""
        return [*((LABEL, path) for path in self._parts[index]), (PHOTO, self.photos[index])]

    def subset(self, indices):
        """The source of some of the faces, in the order of their indices."""
        result = super().subset(indices)
        result._parts = [self._parts[i] for i in indices]
        return result

    def fingerprint(self):
        """A text that changes when a photo or a part does."""
        states = hashlib.sha256()
        for path in (path for paths in self._parts for path in paths):
            state = path.stat()
            states.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return f"{super().fingerprint()} {states.hexdigest()}"

    def _label(self, index):
        label = None
        for path in self._parts[index]:
            part = _read_part(path)
            if label is None:
                label = np.zeros(part.shape, np.uint8)
            if part.shape != label.shape:
                raise UserError(f"Expected masks of one size for a face. Received: another at {path}. Copy it again.")
            label[part] = CLASSES[path.stem.partition("_")[2]]
        return label


def _read_part(path):
    """Where a part is, (h, w) bool: the file is black and white, with one channel or with three."""
    pixels, _ = read_map(path, LABEL)
    part = pixels.any(axis=-1) if pixels.ndim == 3 else pixels != 0
    values = np.unique(pixels)
    if len(values) > 2 or values[0] != 0:
        raise UserError(f"{path}: expected a black and white mask. Received: levels {values[:5]}. Copy it again.")
    return part
