"""Cityscapes: 2,975 finely annotated pictures of streets to train on, 500 to validate with, with instance maps.

Its licence asks everyone to register, so that nothing is downloaded here. Instance maps hold the label id where objects
are not counted, and 1000 times the label id plus a number where they are: 26003 is the fourth car.
"""

import tensorflow_datasets as tfds

from dagan_tf.data.datasets.builder import PairsBuilder, open_prepared
from dagan_tf.data.unpacked import find_root, pairs_in
from dagan_tf.presets.cityscapes import LABELS

HOMEPAGE = "https://www.cityscapes-dataset.com/"
FETCH = (
    f"Register at {HOMEPAGE}, download leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip and unpack both into "
    "one folder"
)
FOLDERS = {"train": "train", "test": "val"}
CITATION = """
@inproceedings{Cordts16,
  author = {Marius Cordts and Mohamed Omran and Sebastian Ramos and Timo Rehfeld and Markus Enzweiler and
    Rodrigo Benenson and Uwe Franke and Stefan Roth and Bernt Schiele},
  title = {The Cityscapes Dataset for Semantic Urban Scene Understanding},
  booktitle = {Proc. CVPR},
  year = {2016},
}
"""


class CityscapesPairs(PairsBuilder):
    """TFDS builder of Cityscapes, `cityscapes_pairs`: train, and val as test; see `PairsBuilder`.

    TFDS has a `cityscapes` of its own, without instance maps.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}, then give that folder as `data_dir`."
    LABELS = LABELS
    HAS_INSTANCES = True
    TITLE = "Cityscapes"
    DESCRIPTION = "Pictures of streets seen from a car, with fine label maps and instance maps: Cityscapes."
    HOMEPAGE = HOMEPAGE
    CITATION = CITATION

    def source(self, folder, split):
        """The triples of a split, or `None` where the test split was not unpacked."""
        return from_folder(folder, split, self.LABELS)


def open_split(data, labels, *, split, size, seed):
    """The files of `data.data_dir`, or without it what TFDS has prepared; "test" are the triples of val.

    `size` and `seed` are for data sets that are drawn.
    """
    if data.data_dir is None:
        return open_prepared(CityscapesPairs, split)
    return from_folder(data.data_dir, split, labels)


def from_folder(data_dir, split, spec):
    """The triples of an unpacked copy, read where they lie.

    Args:
        data_dir: folder with `leftImg8bit` and `gtFine` in it, or the one around a folder `cityscapes` of that kind.
        split: "train" or "test", which is the data set's val.
        spec: `LabelSpec` of the label files.

    Returns:
        A `PairsSource` with instance maps, or `None` where the test split was not unpacked.

    Raises:
        UserError: there is no such copy, or its files do not pair.
    """
    root = find_root(data_dir, ("gtFine",), "cityscapes", CityscapesPairs.TITLE, FETCH)
    annotations = root / "gtFine" / FOLDERS[split]
    return pairs_in(
        annotations, root / "leftImg8bit" / FOLDERS[split], annotations, spec=spec, optional=split == "test"
    )
