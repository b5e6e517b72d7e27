"""Which files of a folder belong together: by role, by name, by split."""

import os
import unicodedata
from collections import Counter
from pathlib import Path

from dagan_tf.errors import UserError

LABEL, PHOTO, INSTANCE = "label map", "photo", "instance map"
MAP_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".npy")
SUFFIXES = {LABEL: MAP_SUFFIXES, PHOTO: (".jpg", ".jpeg", *MAP_SUFFIXES, ".webp"), INSTANCE: MAP_SUFFIXES}
# Cityscapes keeps several maps of one photo in one folder and tells them apart by the end of the name.
ENDINGS = {LABEL: "_gtFine_labelIds", PHOTO: "_leftImg8bit", INSTANCE: "_gtFine_instanceIds"}
SPLITS = {"train": ("train", "training"), "test": ("val", "valid", "validation", "test", "testing")}
"""Names of sub-folders by split; to validate with, the first of the second row that is there."""
MOST_NAMES = 10


def find_files(folder, role, ignore=(), failures=None):
    """The files of one role in a folder and its sub-folders, by the name under which they pair.

    Symbolic links are followed. Hidden files and folders do not count. Where files end as Cityscapes names the role's
    (`ENDINGS`), only those count, without that ending.

    Args:
        folder: path of the folder.
        role: `LABEL`, `PHOTO` or `INSTANCE`; decides which suffixes count.
        ignore: paths that do not count.
        failures: a dictionary to which messages are added by path, of links to nothing and of two files of one name,
            which are left out then; `None`: they are raised.

    Returns:
        A dictionary `{name: Path}` sorted by name; without `failures` never empty.

    Raises:
        UserError: the folder is missing or holds no such file, two files have one name, or a file is a link to nothing.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise UserError(f"Expected a folder of {role}s at {folder}. There is no such folder: check the path.")
    present = sorted(set(walk(folder)) - set(ignore))
    paths = [path for path in present if path.suffix.lower() in SUFFIXES[role]]
    paths = [path for path in paths if path.stem.endswith(ENDINGS[role])] or paths
    files = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix().removesuffix(ENDINGS[role])
        name = unicodedata.normalize("NFC", name)  # macOS writes accents as characters of their own
        if fault := _fault(path, role, files.get(name)):
            if failures is None:
                raise UserError(fault)
            failures[path] = fault
        else:
            files[name] = path
    if not files and not failures:
        raise UserError(_no_files(folder, role, present))
    return dict(sorted(files.items()))


def walk(folder, above=()):
    """The paths of all files below a folder, through symbolic links; hidden ones are left out. A generator.

    Args:
        folder: where to begin.
        above: the folders around it, as (device, inode), which a link may lead back to.
    """
    state = os.stat(folder)
    above = (*above, (state.st_dev, state.st_ino))
    with os.scandir(folder) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in visible:
        if not _is_folder(entry):
            yield Path(entry.path)
        elif ((state := os.stat(entry.path)).st_dev, state.st_ino) not in above:
            yield from walk(entry.path, above)


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def pair(labels, others, role):
    """The values of `others` in the order of `labels` (both `{name: path}`); unpaired names raise `UserError`."""
    alone = {f"{LABEL}s without {role}": labels.keys() - others.keys()}
    alone[f"{role}s without {LABEL}"] = others.keys() - labels.keys()
    found = [f"{len(names)} {what} ({some(sorted(names))})" for what, names in alone.items() if names]
    if found:
        raise UserError(
            f"Expected one {role} per {LABEL}, of the same name without the suffix. Received: {'; '.join(found)}. "
            "Rename, add or remove files until the names agree."
        )
    return [others[name] for name in labels]


def split_names(names, split):
    """Those of some names that belong to a split, where the first folder of a name says that.

    Args:
        names: of files, as `find_files` gives them: "train/a", "val/b".
        split: "train" or "test".

    Returns:
        A list in the same order; all names for "train" and none for "test" where no folder is named as a split.

    Raises:
        UserError: some lie in sub-folders of splits, and others do not.
    """
    splits = {folder: split for split, folders in SPLITS.items() for folder in folders}
    first = {name: name.split("/")[0].lower() if "/" in name else "" for name in names}
    outside = [name for name in names if first[name] not in splits]
    if len(outside) == len(first):
        return list(names) if split == "train" else []
    if outside:
        raise UserError(
            f"Expected all files in sub-folders of splits ({', '.join(splits)}), or none. Received: {len(outside)} "
            f"outside of them ({some(outside)}). Move them into one."
        )
    if split == "train":
        return [name for name in names if splits[first[name]] == "train"]
    present = set(first.values())
    validation = next((folder for folder in SPLITS["test"] if folder in present), None)
    return [name for name in names if first[name] == validation]


def some(names, most=MOST_NAMES):
    """The first of some names as a text, and how many more there are."""
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")


def _fault(path, role, other):
    """What is wrong with a file before it is opened, a message or `None`; `other` is one of its name, or `None`."""
    if not path.is_file():  # reading a pipe or a device would wait for ever
        link = f"a link to {os.readlink(path)}, where there is nothing" if path.is_symlink() else "something else"
        return f"{path}: expected a file. Received: {link}. Mend or remove it."
    if other is not None:
        return (
            f"Expected one {role} per name. Received two: {other} and {path}. Remove one, or keep label maps and "
            "photos in folders of their own."
        )
    return None


def _no_files(folder, role, present):
    kinds = Counter(path.suffix.lower() or "no suffix" for path in present)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    found = f"none, but other files ({found})" if found else "none"
    lossy = role != PHOTO and any(kind in (".jpg", ".jpeg", ".webp") for kind in kinds)
    advice = (
        "JPEG and WebP change ids: keep maps in one of these formats, made from the original." if lossy
        else "Check the path, or convert the files."
    )  # fmt: skip
    return f"Expected {role}s ({', '.join(SUFFIXES[role])}) in {folder}. Received: {found}. {advice}"
