"""ADE20K as the scene parsing benchmark has it: 20,210 pairs to train on, 2,000 to validate with.

Label files have 1 to 150 for the classes and 0 for unlabelled, which becomes class 150.
"""

import tensorflow_datasets as tfds

from dagan_tf.data.datasets.builder import PairsBuilder, open_prepared
from dagan_tf.data.unpacked import find_root, pairs_in
from dagan_tf.presets.ade20k import LABELS

NAME = "ADEChallengeData2016"
URL = f"http://data.csail.mit.edu/places/ADEchallenge/{NAME}.zip"
FETCH = f"Download {URL} and unpack it"
FOLDERS = {"train": "training", "test": "validation"}
CITATION = """
@inproceedings{Zhou17,
  author = {Bolei Zhou and Hang Zhao and Xavier Puig and Sanja Fidler and Adela Barriuso and Antonio Torralba},
  title = {Scene Parsing through {ADE20K} Dataset},
  booktitle = {Proc. CVPR},
  year = {2017},
}
"""


class Ade20k(PairsBuilder):
    """TFDS builder of ADE20K, `ade20k`: training pairs as train, validation pairs as test; see `PairsBuilder`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{FETCH}, then give its folder as `data_dir`."
    LABELS = LABELS
    URLS = dict.fromkeys(FOLDERS, URL)
    TITLE = "ADE20K"
    DESCRIPTION = "Photos of scenes of all kinds with hand-made label maps of 150 classes: ADEChallengeData2016."
    HOMEPAGE = "http://sceneparsing.csail.mit.edu/"
    CITATION = CITATION

    def holds(self, folder):
        """Whether the folder, or the one that the archive makes in it, has the annotations."""
        return any((folder / name / "annotations").is_dir() for name in (".", NAME))

    def source(self, folder, split):
        """The pairs of a split, or `None` where the test split was not unpacked."""
        return from_folder(folder, split, self.LABELS)


def open_split(data, labels, *, split, size, seed):
    """The files of `data.data_dir`, or without it what TFDS downloads; "test" are the validation pairs.

    `size` and `seed` are for data sets that are drawn.
    """
    if data.data_dir is None:
        return open_prepared(Ade20k, split)
    return from_folder(data.data_dir, split, labels)


def from_folder(data_dir, split, spec):
    """The pairs of an unpacked copy, read where they lie.

    Args:
        data_dir: folder with `images/training` and `annotations/training` (and `validation`), or the one around it.
        split: "train" or "test", the validation pairs.
        spec: `LabelSpec` of the label files.

    Returns:
        A `PairsSource`, or `None` where the test split was not unpacked.

    Raises:
        UserError: there is no such copy, or its files do not pair.
    """
    root = find_root(data_dir, ("annotations",), NAME, Ade20k.TITLE, FETCH)
    return pairs_in(
        root / "annotations" / FOLDERS[split], root / "images" / FOLDERS[split], spec=spec, optional=split == "test"
    )
