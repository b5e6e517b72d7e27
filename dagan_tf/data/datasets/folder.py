"""Your own pairs: a folder of label maps, one of photographs, and one of instance maps where the model reads edges.

They are named one by one (`label_dir`, `image_dir`, `instance_dir`), or lie in one folder (`data_dir`):

    DATA/labels  DATA/images  DATA/instances               each, if there are splits, with sub-folders train and val
    DATA/train/labels  DATA/train/images  DATA/val/labels  ...               or one such folder per split

Pairs to validate with are those of `val_label_dir` and `val_image_dir`, or of a sub-folder named val or test, or a
`val_share` of all.
"""

import dataclasses
import hashlib
from pathlib import Path

from dagan_tf.data.folder import FolderSource
from dagan_tf.data.listing import SPLITS, split_names
from dagan_tf.data_config import FOLDERS, VALIDATION_FOLDERS
from dagan_tf.errors import UserError

LABELS = None
NAMES = {
    "label_dir": ("labels", "label", "annotations", "masks"),
    "image_dir": ("images", "image", "photos", "img"),
    "instance_dir": ("instances", "instance", "inst"),
}
"""What the folders in a `data_dir` may be named, the names that this package writes first."""


def open_split(data, labels, *, split, size, seed):
    """The pairs of one split, or `None` where nothing is kept to validate with; `size` and `seed` are not used."""
    data = located(data)
    folders = folders_of_split(data, split)
    source = FolderSource(*folders, spec=labels, choose=lambda names: names_of_split(names, data, split))
    if split == "train" and not len(source):
        raise UserError(f"Expected pairs to train on in {data.label_dir}. Received: pairs to validate with alone.")
    return source if len(source) else None


def folders_of_split(data, split):
    """The folders of label maps, photos and instance maps (or `None`) in which a split's files lie, of a `located`."""
    fields = VALIDATION_FOLDERS if data.val_label_dir and split == "test" else FOLDERS
    return [getattr(data, name) for name in fields]


def names_of_split(names, data, split):
    """Those of the names in the folders of a split (see `folders_of_split`) that belong to it, in their order.

    Raises:
        UserError: sub-folders are splits, and a field of `data` says what is to validate with, too; or some names lie
            in such sub-folders, and others do not.
    """
    if data.val_label_dir:
        if split == "train":
            check_no_splits(names, "val_label_dir")
        return list(names)
    if data.val_share:
        check_no_splits(names, "val_share")
        return shared_out(names, data.val_share, split)
    return split_names(names, split)


def located(data):
    """The `DataConfig` with the folders that are in its `data_dir` named one by one; `UserError` if they are not."""
    if not data.data_dir:
        return data
    root = Path(data.data_dir).expanduser()
    if not root.is_dir():
        raise UserError(f"Expected a folder at {root}. There is no such folder: check `data_dir`.")
    found = _folders(root)
    if not found:
        parts = {split: _child(root, names) for split, names in SPLITS.items()}
        found = _folders(parts["train"]) if parts["train"] else {}
        if found and parts["test"]:
            found |= {f"val_{name}": folder for name, folder in _folders(parts["test"]).items()}
    if not found:
        raise UserError(
            f"Expected the folders labels and images in {root}, and instances where the model reads edges. Received: "
            f"{', '.join(sorted(p.name for p in root.iterdir())[:10]) or 'an empty folder'}. Name the folders so, or "
            "give `label_dir` and `image_dir` in the place of `data_dir`."
        )
    return dataclasses.replace(data, data_dir=None, **found)


def shared_out(names, share, split):
    """Some of all names: a share of them is there to validate with, the rest to train on.

    Which are chosen depends on each name alone, by the rank of its hash: where files are added few others move.

    Args:
        names: of the examples.
        share: of those that are kept to validate with, in [0, 1); at least one where it is above 0.
        split: "train" or "test".

    Returns:
        A list in the order of `names`.
    """
    count = min(max(1, round(share * len(names))), len(names) - 1) if share else 0
    ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest())
    kept = set(ranked[:count])
    return [name for name in names if (name in kept) == (split == "test")]


def check_no_splits(names, field):
    """Raises `UserError` where names lie in sub-folders of splits, and a field says what is to validate with, too."""
    known = {folder for folders in SPLITS.values() for folder in folders}
    splits = {first for name in names if "/" in name and (first := name.split("/")[0]).lower() in known}
    if splits:
        raise UserError(
            f"`{field}` is for pictures without splits. Received: folders named {', '.join(sorted(splits))}. Leave out "
            f"`{field}`, or move the pictures."
        )


def _folders(root):
    """The folders of label maps, photos and instance maps in a folder by field: the first two, or none at all."""
    found = {name: folder for name, names in NAMES.items() if (folder := _child(root, names))}
    return {name: str(folder) for name, folder in found.items()} if {"label_dir", "image_dir"} <= set(found) else {}


def _child(root, names):
    """The first sub-folder of one of some names, in their order; `None` where there is none."""
    present = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return next((present[name] for name in names if name in present), None)
