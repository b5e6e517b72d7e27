"""Label maps, photos and instance maps in folders of PNG and JPEG files, with random access.

Plain pathlib, PIL and numpy: reading a folder needs no TensorFlow. Files pair by their path below their folder
without the suffix, so `train/a.png` goes with `train/a.jpg`.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dagan_tf.errors import UserError

LABEL, PHOTO, INSTANCE = "label map", "photo", "instance map"
SUFFIXES = {LABEL: (".png",), PHOTO: (".jpg", ".jpeg", ".png"), INSTANCE: (".png",)}
# Cityscapes keeps several maps of one photo in one folder and tells them apart by the end of the name.
ENDINGS = {LABEL: "_gtFine_labelIds", PHOTO: "_leftImg8bit", INSTANCE: "_gtFine_instanceIds"}
ID_MODES = ("1", "L", "P", "I", "I;16")
PHOTO_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
MOST_NAMES, MOST_IDS = 10, 5


def find_files(folder, role, ignore=()):
    """The files of one role in a folder and its sub-folders, by the name under which they pair.

    Hidden files and folders do not count. Where files end as Cityscapes names the role's (`ENDINGS`), only those count,
    without that ending.

    Args:
        folder: path of the folder.
        role: `LABEL`, `PHOTO` or `INSTANCE`; decides which suffixes count.
        ignore: paths that do not count.

    Returns:
        A dictionary `{name: Path}` sorted by name, never empty.

    Raises:
        UserError: the folder is missing or holds no such file, or two files have one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"Expected a folder of {role}s at {folder}. There is no such folder: check the path.")
    paths = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES[role]]
    paths = [p for p in paths if not any(part.startswith(".") for part in p.relative_to(folder).parts)]
    paths = [p for p in paths if p.stem.endswith(ENDINGS[role])] or paths
    files = {}
    for path in sorted(set(paths) - set(ignore)):
        name = path.relative_to(folder).with_suffix("").as_posix().removesuffix(ENDINGS[role])
        if name in files:
            raise UserError(f"Expected one {role} per name. Received two: {files[name]} and {path}. Remove one.")
        files[name] = path
    if not files:
        raise UserError(f"Expected {role}s ({', '.join(SUFFIXES[role])}) in {folder}. Received: none. Check the path.")
    return dict(sorted(files.items()))


def pair(labels, others, role):
    """The values of `others` in the order of `labels` (both `{name: path}`); unpaired names raise `UserError`."""
    alone = {f"{LABEL}s without {role}": labels.keys() - others.keys()}
    alone[f"{role}s without {LABEL}"] = others.keys() - labels.keys()
    found = [f"{len(names)} {what} ({_some(sorted(names))})" for what, names in alone.items() if names]
    if found:
        raise UserError(
            f"Expected one {role} per {LABEL}, of the same name without the suffix. Received: {'; '.join(found)}. "
            "Rename, add or remove files until the names agree."
        )
    return [others[name] for name in labels]


class FileSource:
    """Examples in listed files, read when asked for.

    Args:
        labels: paths of grey or palette PNG files with one class id per pixel.
        images: paths of the photos in the same order, or None.
        instances: paths of the instance maps in the same order, or None.
        spec: `LabelSpec` that says how the ids name the classes.

    `source[index]` is a dictionary of `"label"`: `(h, w)` classes in `[0, num_classes)`, uint8 up to 256 classes,
    else int32; `"image"`: `(h, w, 3)` uint8 where there are photos; `"instance"`: `(h, w)` int32 where there are
    instance maps. It raises `UserError`, naming the file, for one that cannot be decoded, that has another size
    than its label map, or that holds ids outside the classes.
    """

    def __init__(self, labels, images=None, instances=None, *, spec):
        self._labels, self._images, self._instances = labels, images, instances
        self._spec = spec

    def __len__(self):
        return len(self._labels)

    def name(self, index):
        """The path of the label file, for messages."""
        return str(self._labels[index])

    def fingerprint(self):
        """A text that changes when a file or the meaning of ids does: names, sizes, times of change, and the spec."""
        files = [path for paths in (self._labels, self._images, self._instances) for path in paths or ()]
        states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in map(Path, files)]
        return f"{states} {self._spec}"

    def __getitem__(self, index):
        path = self._labels[index]
        example = {"label": read_label(path, self._spec)}
        if self._images is not None:
            example["image"] = read_photo(self._images[index])
            _check_size(path, example["label"], PHOTO, self._images[index], example["image"])
        if self._instances is not None:
            example["instance"] = _read_ids(self._instances[index], INSTANCE).astype(np.int32)
            _check_size(path, example["label"], INSTANCE, self._instances[index], example["instance"])
        return example


class FolderSource(FileSource):
    """The examples of a folder of label maps, with a folder of photos and one of instance maps where given.

    Args:
        label_dir: folder of PNG files; sub-folders count. With it alone there are labels only.
        image_dir: folder of JPEG or PNG files with the same names, or None. It may be `label_dir` itself.
        instance_dir: folder of PNG files with the same names, or None.
        spec: `LabelSpec` that says how the ids name the classes.

    Raises:
        UserError: a folder is missing or empty, or the names do not pair. Files themselves are read, and checked,
            when an example is asked for.
    """

    def __init__(self, label_dir, image_dir=None, instance_dir=None, *, spec):
        labels = find_files(label_dir, LABEL)
        others = []
        for folder, role in ((image_dir, PHOTO), (instance_dir, INSTANCE)):
            files = None if folder is None else find_files(folder, role, ignore=labels.values())
            others.append(files and pair(labels, files, role))
        super().__init__(list(labels.values()), *others, spec=spec)


def read_label(path, spec):
    """The classes `(h, w)` of one label file, uint8 or int32 as in `FileSource`; raises `UserError`."""
    ids = _read_ids(path, LABEL)
    classes = spec.to_classes(ids.astype(np.int32))
    if classes.min() < 0 or classes.max() >= spec.num_classes:
        raise UserError(_bad_ids(path, ids[(classes < 0) | (classes >= spec.num_classes)], spec))
    return classes.astype(np.uint8 if spec.num_classes <= 256 else np.int32)


def read_photo(path):
    """The photo `(h, w, 3)` uint8 of one JPEG or PNG file; raises `UserError`."""
    picture, _ = _decode(path)
    if picture.mode not in PHOTO_MODES:
        raise UserError(f"{path}: a photo must have 8 bits per channel. Received: mode {picture.mode}. Convert it.")
    return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def _read_ids(path, role):
    picture, packed = _decode(path)
    if picture.mode not in ID_MODES:
        raise UserError(
            f"{path}: a {role} must be a grey or palette PNG with {'class' if role == LABEL else 'instance'} ids. "
            f"Received: mode {picture.mode}. Colours are not ids: give the dataset's id files, or convert each colour "
            "to its id first."
        )
    # PIL spreads grey values of 2 and 4 bits over 0..255.
    return np.asarray(picture) // {"L;2": 85, "L;4": 17}.get(packed, 1)


def _decode(path):
    """The PIL image of a file, decoded to its last row, and how its pixels were packed in the file."""
    try:
        with Image.open(path) as picture:
            packed = picture.tile[0][3] if picture.tile else None
            picture.load()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path}: expected a whole PNG or JPEG file. Received: {error}. The file may be cut off or damaged: "
            "copy it again."
        ) from error
    return picture, packed


def _check_size(label_path, label, role, path, array):
    if label.shape != array.shape[:2]:
        sizes = [f"{a.shape[1]}x{a.shape[0]} (width x height)" for a in (label, array)]
        raise UserError(
            f"Expected {LABEL} and {role} of equal size. Received: {label_path} of {sizes[0]}, {path} of {sizes[1]}. "
            "Resize one of them (label and instance maps with nearest neighbour only)."
        )


def _bad_ids(path, bad, spec):
    values, counts = np.unique(bad, return_counts=True)
    found = [f"id {value} ({count} pixels)" for value, count in zip(values, counts, strict=True)]
    return (
        f"{path}: expected label ids {spec.describe_ids()}, for {spec.num_classes} classes. Received: "
        f"{_some(found, MOST_IDS)}. Correct the file, or the number of classes."
    )


def _some(names, most=MOST_NAMES):
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
