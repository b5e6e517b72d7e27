"""The CMP Facade Database: 378 base pairs to train on, 228 extended pairs to test with, 12 classes and class 0.

Two ways in, with the same examples in the same order: the files of an unpacked copy as they lie
(`facades_from_folder`), and the copy that TensorFlow Datasets fetches and prepares (`facades_from_tfds`), whose
builder is `CmpFacades`.
"""

from pathlib import Path

import requests
import tensorflow_datasets as tfds

from dagan_tf.data.folder import FileSource
from dagan_tf.data.listing import LABEL, PHOTO, find_files, pair
from dagan_tf.data.reading import read_label
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


class CmpFacades(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of the facades: `image` `(h, w, 3)` uint8, `label` `(h, w, 1)` uint8 ids 0 to 12, `name`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The base pairs as train, the extended pairs as test."}  # noqa: RUF012 (TFDS reads it)
    # TFDS 4.9 looks its file up with importlib_resources, which it does not require to be installed.
    code_path = Path(__file__)
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}. Without such a folder the builder downloads them itself."

    def _info(self):
        return self.dataset_info_from_configs(
            description="Rectified photos of facades with hand-made label maps: the CMP Facade Database.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
                    "label": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
                    "name": tfds.features.Text(),
                }
            ),
            homepage=HOMEPAGE,
            citation=CITATION,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        folders = self._manual_folders(dl_manager) or _fetch(dl_manager)
        return {split: self._generate_examples(folders[split], split) for split in URLS}

    def _manual_folders(self, dl_manager):
        """The folder of an unpacked copy for each split, or None where there is no such copy."""
        try:
            folder = dl_manager.manual_dir
        except AssertionError:  # TFDS: missing or empty
            return None
        # By default it is one folder that all of TFDS' datasets share.
        return dict.fromkeys(URLS, folder) if any(Path(folder).rglob("cmp_*.png")) else None

    def _generate_examples(self, folder, split):
        for label, image in zip(*_facade_files(folder, split), strict=True):
            classes = read_label(label, LABELS)
            yield label.stem, {"image": image, "label": classes[:, :, None], "name": label.stem}


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
        A `FileSource` of labels and images.

    Raises:
        UserError: the folder is missing, holds no facades or none of this split, or its files do not pair.
    """
    return FileSource(*_facade_files(data_dir, split), spec=spec)


def has_split(data_dir, split):
    """Whether there are label maps of `"train"` or `"test"` in a folder or below it."""
    return any(Path(data_dir).rglob(f"{PREFIXES[split]}*.png"))


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
    builder = _builder(data_dir)
    if not builder.is_prepared():
        _prepare(builder)
    return _PreparedFacades(builder.as_data_source(split), f"{builder.info.full_name} {split}")


class _PreparedFacades:
    """The source interface on a TFDS data source."""

    def __init__(self, examples, name):
        self._examples, self._name = examples, name

    def fingerprint(self):
        """A text that changes when the examples do: the dataset's name, version and split."""
        return self._name

    def __len__(self):
        return len(self._examples)

    def name(self, index):
        return self._examples[index]["name"].decode()

    def __getitem__(self, index):
        example = self._examples[index]
        return {"label": example["label"][:, :, 0], "image": example["image"]}


def _builder(data_dir):
    try:
        return CmpFacades(data_dir=data_dir, file_format="array_record")
    except ValueError as error:
        raise UserError(
            f"Expected the CMP facades of TFDS in the format array_record. Received: {error}. Remove cmp_facades from "
            f"{data_dir or '~/tensorflow_datasets'}, or give another folder."
        ) from error


def _prepare(builder):
    try:
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    except (OSError, tfds.download.DownloadError) as error:  # OSError: what requests and urllib raise
        raise UserError(
            f"Could not download the CMP facades: {error}. {FETCH}, then give that folder as `data_dir`; or "
            "train on the built-in facades, which need no download: `dataset` procedural."
        ) from error


def _fetch(dl_manager):
    """Download and unpack the two zip files: the folder of each split."""
    # TFDS waits for a server without limit and asks ten times: without a network that takes minutes.
    for url in URLS.values():
        with requests.get(url, stream=True, timeout=10) as response:
            response.raise_for_status()
    return dl_manager.download_and_extract(URLS)


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
