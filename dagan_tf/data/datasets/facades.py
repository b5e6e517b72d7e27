"""The CMP Facade Database: 378 base pairs to train on, 228 extended pairs to test with, 12 classes and class 0.

Two ways in, with the same examples in the same order: the files of an unpacked copy as they lie
(`facades_from_folder`), and the copy that TensorFlow Datasets fetches and prepares (`facades_from_tfds`), whose
builder is `CmpFacades`.
"""

from pathlib import Path

import tensorflow_datasets as tfds

from dagan_tf.data.datasets.builder import PairsBuilder, open_prepared
from dagan_tf.data.listing import LABEL, PHOTO, find_files, pair, walk
from dagan_tf.data.unpacked import PairsSource
from dagan_tf.errors import UserError
from dagan_tf.presets.facades import LABELS

HOMEPAGE = "https://cmp.felk.cvut.cz/~tylecr1/facade/"
URLS = {"train": HOMEPAGE + "CMP_facade_DB_base.zip", "test": HOMEPAGE + "CMP_facade_DB_extended.zip"}
PREFIXES = {"train": "cmp_b", "test": "cmp_x"}
FETCH = f"Download {URLS['train']} and {URLS['test']} and unpack both into one folder"
CITATION = """
@inproceedings{Tylecek13,
  author = {Radim Tyle{\\v c}ek and Radim {\\v S}{\\'a}ra},
  title = {Spatial Pattern Templates for Recognition of Objects with Regular Structure},
  booktitle = {Proc. GCPR},
  year = {2013},
  address = {Saarbrucken, Germany},
}
"""


class CmpFacades(PairsBuilder):
    """TFDS builder of the facades, `cmp_facades`: see `PairsBuilder`."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.1.0": "Names and colours of the classes.", "1.0.0": "Base pairs train, extended ones test."}  # noqa: RUF012 (TFDS reads it)
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}, then give that folder as `data_dir`."
    LABELS = LABELS
    URLS = URLS
    TITLE = "the CMP facades"
    DESCRIPTION = "Rectified photos of facades with hand-made label maps: the CMP Facade Database."
    HOMEPAGE = HOMEPAGE
    CITATION = CITATION

    def holds(self, folder):
        """Whether there are any of its label maps in the folder or below it."""
        return any(has_split(folder, split) for split in PREFIXES)

    def source(self, folder, split):
        """The pairs of a split, as `facades_from_folder` finds them."""
        return facades_from_folder(folder, split, self.LABELS)


def open_split(data, labels, *, split, size, seed):
    """The files of `data.data_dir`, or without it what TensorFlow Datasets fetches; `size` and `seed` are not used.

    Where only the base pairs were unpacked there is no test split.
    """
    if data.data_dir is None:
        return facades_from_tfds(split)
    only_base = split == "test" and has_split(data.data_dir, "train") and not has_split(data.data_dir, "test")
    return None if only_base else facades_from_folder(data.data_dir, split, labels)


def facades_from_folder(data_dir, split, spec):
    """The facades of an unpacked copy, read where they lie.

    Args:
        data_dir: folder that holds the pairs `cmp_b*.jpg/.png` (train) and `cmp_x*.jpg/.png` (test), itself or
            anywhere below.
        split: `"train"` (base) or `"test"` (extended).
        spec: `LabelSpec` of the label files.

    Returns:
        A `PairsSource` of labels and images.

    Raises:
        UserError: the folder is missing, holds no facades or none of this split, or its files do not pair.
    """
    labels, photos = _facade_files(data_dir, split)
    return PairsSource(labels, photos, spec=spec, names=[path.stem for path in labels])


def has_split(data_dir, split):
    """Whether there are label maps of `"train"` or `"test"` in a folder or below it."""
    names = (path.name for path in walk(data_dir)) if Path(data_dir).is_dir() else ()
    return any(name.startswith(PREFIXES[split]) and name.endswith(".png") for name in names)


def facades_from_tfds(split, data_dir=None):
    """The facades as TensorFlow Datasets prepares them; the first use downloads them.

    Args:
        split: `"train"` (base) or `"test"` (extended).
        data_dir: root folder of TFDS, by default `~/tensorflow_datasets`.

    Returns:
        A source of labels and images, with the interface of `FileSource`.

    Raises:
        UserError: the download failed, or `data_dir` holds the facades in another format than array_record.
    """
    _check_split(split)
    return open_prepared(CmpFacades, split, data_dir=data_dir)


def _facade_files(data_dir, split):
    """The label files and the photos of a split, two lists of paths in the order of their names."""
    _check_split(split)
    if Path(data_dir).is_dir() and not any(has_split(data_dir, split) for split in PREFIXES):
        raise UserError(f"Expected CMP facades (cmp_b*.png, cmp_x*.png) in {data_dir}. Received: none. {FETCH}.")
    labels = find_files(data_dir, LABEL)
    photos = find_files(data_dir, PHOTO, ignore=labels.values())
    labels, photos = ({n: p for n, p in f.items() if p.stem.startswith(PREFIXES[split])} for f in (labels, photos))
    if not labels:
        raise UserError(
            f"Expected the {split} split of the CMP facades ({PREFIXES[split]}*.png) in {data_dir}. Received: the "
            f"other split only. Download {URLS[split]} and unpack it there."
        )
    stems = [path.stem for path in labels.values()]
    if len(set(stems)) < len(stems):
        raise UserError(f"Expected one copy of the CMP facades in {data_dir}. Received: several of one name.")
    return list(labels.values()), pair(labels, photos, PHOTO)


def _check_split(split):
    if split not in URLS:
        raise UserError(f"split must be one of {', '.join(map(repr, URLS))}. Received: {split!r}.")
