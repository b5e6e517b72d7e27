"""CelebAMask-HQ: 30,000 faces with masks of 18 parts, in the partition of CelebA or as the first 28,000 and the rest.

The archive has a file for each part of each face. They are merged into one label map in the order of the classes, a
later part over an earlier one: eyes over skin, hair over ears, clothes over all. Photos are 1024x1024 and masks
512x512: the photo is brought to the size of its mask, because ids cannot be averaged.
"""

import tensorflow_datasets as tfds

from dagan_tf.data.datasets.builder import PairsBuilder, open_prepared
from dagan_tf.data.face_parts import PartsSource, SizedSource, find_parts
from dagan_tf.data.listing import LABEL, PHOTO, find_files, pair, some
from dagan_tf.data.unpacked import find_root
from dagan_tf.errors import UserError
from dagan_tf.presets.celebamask_hq import LABELS

HOMEPAGE = "https://github.com/switchablenorms/CelebAMask-HQ"
FETCH = f"Download CelebAMask-HQ.zip, to which {HOMEPAGE} has the links, and unpack it"
PARTS = "CelebAMask-HQ-mask-anno"
MASKS = ("masks", "CelebAMask-HQ-mask")
PHOTOS = ("images", "CelebA-HQ-img")
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
# Of the 202,599 pictures of CelebA, those from these indices on are its validation and its test pictures.
FIRST_VALIDATION, FIRST_TEST = 162_771, 182_638
FIRST_28K = 28_000
SPLITS = {"train": "train", "validation": "val", "test": "test"}  # and how folders of them are called
CITATION = """
@inproceedings{Lee20,
  author = {Cheng-Han Lee and Ziwei Liu and Lingyun Wu and Ping Luo},
  title = {{MaskGAN}: Towards Diverse and Interactive Facial Image Manipulation},
  booktitle = {Proc. CVPR},
  year = {2020},
}
"""


class CelebaMaskHq(PairsBuilder):
    """TFDS builder of CelebAMask-HQ, `celeba_mask_hq`, with a configuration for each partition; see `PairsBuilder`."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS reads it)
        tfds.core.BuilderConfig(name="official", description="24,183 train, 2,993 validation, 2,824 test, by CelebA"),
        tfds.core.BuilderConfig(name="28k", description="The first 28,000 train, the last 2,000 test"),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "official"
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}, then give its folder as `data_dir`."
    LABELS = LABELS
    SPLITS = tuple(SPLITS)
    TITLE = "CelebAMask-HQ"
    DESCRIPTION = "Faces of well-known people with masks of 18 parts: CelebAMask-HQ."
    HOMEPAGE = HOMEPAGE
    CITATION = CITATION

    def source(self, folder, split):
        """The pairs of a split, or `None` where this partition has none."""
        return from_folder(folder, split, self.LABELS, partition=self.builder_config.name)


def open_split(data, labels, *, split, size, seed):
    """The files of `data.data_dir`, or without it what TFDS has prepared, in the partition `data.partition`.

    `size` and `seed` are for data sets that are drawn.
    """
    if data.data_dir is None:
        return open_prepared(CelebaMaskHq, split, config=data.partition)
    return from_folder(data.data_dir, split, labels, partition=data.partition)


def from_folder(data_dir, split, spec, *, partition="official"):
    """The pairs of an unpacked copy, read where they lie.

    Args:
        data_dir: the archive's folder or the one around it, with photos in `CelebA-HQ-img` and parts in
            `CelebAMask-HQ-mask-anno`; or one with photos in `images` or `CelebA-HQ-img` and merged masks, ids 0 to 18,
            in `masks` or `CelebAMask-HQ-mask`, which are taken where there are both.
        split: "train", "validation" or "test".
        spec: `LabelSpec` of the classes.
        partition: "official", by `CelebA-HQ-to-CelebA-mapping.txt`, or "28k". Merged masks whose names are no numbers
            are not in a partition: those in sub-folders train, val and test are these splits, or else all train.

    Returns:
        A `PairsSource`, or `None` where there are no pairs in the split.

    Raises:
        UserError: there is no such copy, its files do not pair, or the partition cannot be told.
    """
    root = find_root(data_dir, (*MASKS, PARTS), "CelebAMask-HQ", CelebaMaskHq.TITLE, FETCH)
    merged = _folder(root, MASKS)
    masks = find_files(merged, LABEL) if merged.is_dir() else find_parts(root / PARTS)
    photos = find_files(_folder(root, PHOTOS), PHOTO)
    names = {*masks, *photos}
    numbers = {name for name in names if name.isdecimal()}
    if numbers and numbers != names:
        raise UserError(
            f"Expected numbers as the names of all faces in {root}, by which they are parted, or of none. Received: "
            f"{some(sorted(names - numbers))} among them. Move these away."
        )
    if numbers:
        masks, photos = _by_value(masks), _by_value(photos)
        split_of = _by_number(root, partition)
    else:
        split_of = _by_folder(masks, partition, merged)
    masks, photos = ({name: f[name] for name in f if split_of(name) == split} for f in (masks, photos))
    if not masks and not photos:
        if split != "train":
            return None
        raise UserError(f"Expected faces to train on in {root}. Received: those of other splits only. {FETCH}.")
    source = SizedSource if merged.is_dir() else PartsSource
    return source(list(masks.values()), pair(masks, photos, PHOTO), spec=spec, names=masks)


def _folder(root, names):
    """The first of the folders that is there, or where the first would be."""
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])


def _by_value(files):
    """Files whose names are numbers, in their order and without leading zeros: photos have none, parts have some."""
    return {str(int(name)): files[name] for name in sorted(files, key=int)}


def _by_number(root, partition):
    """A function from a face's number, a text, to its split."""
    if partition == "28k":
        return lambda number: "train" if int(number) < FIRST_28K else "test"
    original = _original_indices(root / MAPPING)

    def split_of(number):
        if number not in original:
            raise UserError(f"Expected picture {number} in {root / MAPPING}. Received: only others. Copy it again.")
        index = original[number]
        return "train" if index < FIRST_VALIDATION else "validation" if index < FIRST_TEST else "test"

    return split_of


def _original_indices(path):
    """`{number in CelebA-HQ: index in CelebA}` of a table whose first line is a heading: idx, orig_idx, orig_file."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:] if line.strip()]
        return {str(int(number)): int(index) for number, index, *_ in rows}
    except FileNotFoundError as error:
        raise UserError(
            f"Expected {path}, which the archive has, to tell the official partition. Received: no such file. Copy it "
            "there, or choose `partition` 28k."
        ) from error
    except ValueError as error:
        raise UserError(
            f"{path}: expected lines of a number, an index in CelebA and a file name. Received: {error}. Copy it again."
        ) from error


def _by_folder(masks, partition, folder):
    """A function from a face's name to its split, where names are no numbers: that of its sub-folder, or else train."""
    if partition != "official":
        raise UserError(
            f"Expected numbers as names in {folder}, by which `partition` {partition} goes. Received: others, such as "
            f"{next(iter(masks))}. Leave out `partition`."
        )
    splits = {f"{sub_folder}/": split for split, sub_folder in SPLITS.items()}
    if not any(name.startswith(tuple(splits)) for name in masks):
        return lambda name: "train"
    return lambda name: splits.get(name.partition("/")[0] + "/")
