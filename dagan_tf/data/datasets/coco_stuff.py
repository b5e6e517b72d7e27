"""COCO-Stuff: 118,287 pictures of COCO 2017 to train on, 5,000 to validate with, with label maps of things and stuff.

Label files have the ids of COCO less 1, and 255 for unlabelled pixels. COCO has no instance maps but outlines of
objects: the maps are made from those (`INSTANCES`).
"""

from pathlib import Path

import tensorflow_datasets as tfds

from dagan_tf.data.datasets.builder import PairsBuilder, open_prepared
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO
from dagan_tf.data.unpacked import find_root, pairs_in
from dagan_tf.errors import UserError
from dagan_tf.presets.coco_stuff import LABELS

HOMEPAGE = "https://github.com/nightrome/cocostuff"
PHOTOS = "http://images.cocodataset.org/zips/"
MAPS = "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip"
FETCH = (
    f"Download {PHOTOS}train2017.zip and {PHOTOS}val2017.zip and unpack them into one folder, and {MAPS} into a folder "
    "stuffthingmaps in it"
)
INSTANCES = (
    "Instance maps are not part of the download. Make them of COCO's outlines: python -m dagan_tf.prepare --coco "
    "annotations/instances_train2017.json --label-dir stuffthingmaps/train2017 --image-dir train2017 --output NEW; "
    "then move NEW/instances to train_inst, and likewise those of val2017 to val_inst"
)
SPLITS = {"train": ("train", "train2017"), "test": ("val", "val2017")}
# Each kind of file has its folder in the layout of the authors' code, and then those of the original archives.
FOLDERS = {
    LABEL: ("{0}_label", "stuffthingmaps_trainval2017/{1}", "stuffthingmaps/{1}"),
    PHOTO: ("{0}_img", "{1}", "images/{1}"),
    INSTANCE: ("{0}_inst",),
}
CITATION = """
@inproceedings{Caesar18,
  author = {Holger Caesar and Jasper Uijlings and Vittorio Ferrari},
  title = {{COCO-Stuff}: Thing and Stuff Classes in Context},
  booktitle = {Proc. CVPR},
  year = {2018},
}
"""


class CocoStuff(PairsBuilder):
    """TFDS builder of COCO-Stuff, `coco_stuff`: train2017 as train, val2017 as test; see `PairsBuilder`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}, then give that folder as `data_dir`. {INSTANCES}."
    LABELS = LABELS
    HAS_INSTANCES = True
    TITLE = "COCO-Stuff"
    DESCRIPTION = "Everyday scenes with label maps of 182 classes of things and stuff, and instance maps: COCO-Stuff."
    HOMEPAGE = HOMEPAGE
    CITATION = CITATION

    def source(self, folder, split):
        """The triples of a split, or `None` where the test split was not unpacked."""
        return from_folder(folder, split, self.LABELS)


def open_split(data, labels, *, split, size, seed):
    """The files of `data.data_dir`, or without it what TFDS has prepared; "test" are the triples of val2017.

    `size` and `seed` are for data sets that are drawn.
    """
    if data.data_dir is None:
        return open_prepared(CocoStuff, split)
    return from_folder(data.data_dir, split, labels)


def from_folder(data_dir, split, spec):
    """The triples of an unpacked copy, read where they lie.

    Args:
        data_dir: folder with `train_img`, `train_label` and `train_inst` (and `val_...`), or with `train2017` and
            `stuffthingmaps/train2017` and, made from COCO's outlines, `train_inst`; or the one around a folder
            `coco_stuff` of that kind.
        split: "train" or "test", which is the data set's val.
        spec: `LabelSpec` of the label files.

    Returns:
        A `PairsSource` with instance maps, or `None` where the test split was not unpacked.

    Raises:
        UserError: there is no such copy, it has no instance maps yet, or its files do not pair.
    """
    marks = ("train_label", "stuffthingmaps_trainval2017", "stuffthingmaps", "val_label")
    root = find_root(data_dir, marks, "coco_stuff", CocoStuff.TITLE, FETCH)
    labels, photos, instances = (_folder(root, split, role) for role in (LABEL, PHOTO, INSTANCE))
    if labels.is_dir() and photos.is_dir() and not instances.is_dir():
        raise UserError(f"Expected instance maps of COCO-Stuff in {instances}. Received: no such folder. {INSTANCES}.")
    return pairs_in(labels, photos, instances, spec=spec, optional=split == "test")


def _folder(root, split, role):
    """The first folder of a kind that is there, or where it would be."""
    folders = [Path(root) / name.format(*SPLITS[split]) for name in FOLDERS[role]]
    return next((folder for folder in folders if folder.is_dir()), folders[0])
