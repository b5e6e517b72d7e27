"""Where the examples of a run come from (`DataConfig`), and the table of data sets (`DATASETS`)."""

import dataclasses
from dataclasses import dataclass

from dagan_tf.errors import UserError, check_choice
from dagan_tf.fields import Config
from dagan_tf.fields import field as _field

PARTITIONS = ("official", "28k")
FOLDERS = ("label_dir", "image_dir", "instance_dir")
VALIDATION_FOLDERS = ("val_label_dir", "val_image_dir", "val_instance_dir")
LOCATIONS = ("data_dir", *FOLDERS, *VALIDATION_FOLDERS)
"""The fields that say where data lies, and change no number."""


@dataclass(frozen=True)
class Dataset:
    """A row of `DATASETS`: which fields of `DataConfig` belong to a data set, and which of these must be given where
    there is no `data_dir`; and whether it has instance maps of its own, without `instance_dir`."""

    fields: tuple
    required: tuple = ()
    has_instances: bool = False


DATASETS = {
    "facades": Dataset(("data_dir",)),
    "cityscapes": Dataset(("data_dir",), has_instances=True),
    "ade20k": Dataset(("data_dir",)),
    "celebamask_hq": Dataset(("data_dir", "partition")),
    "coco_stuff": Dataset(("data_dir",), has_instances=True),
    "folder": Dataset(("data_dir", *FOLDERS, *VALIDATION_FOLDERS, "val_share"), required=("label_dir", "image_dir")),
    "procedural": Dataset(("num_examples",)),
}
"""The data sets by name; `dagan_tf.data.datasets` has a module of that name for each, which opens it."""


def _datasets_with(name):
    """The data sets to which a field of `DataConfig` belongs, as a text."""
    return " or ".join(dataset for dataset, row in DATASETS.items() if name in row.fields)


def _data_field(name, default, help, choices=None):
    """A field of `DataConfig` whose help text begins with the data sets to which it belongs."""
    return _field(default, f"{_datasets_with(name)}: {help}", choices)


@dataclass(frozen=True)
class DataConfig(Config):
    """Where the examples of a run come from.

    Raises:
        UserError: there is no such data set, one of its required fields is missing, or a field of another one is given.
    """

    dataset: str = _field("facades", "where examples come from", tuple(DATASETS))
    data_dir: str | None = _field(
        None,
        "every data set but procedural: folder of an unpacked copy in its original layout (without it facades and "
        "ade20k are fetched); of your own pairs: with labels/, images/ and, where the model reads edges, instances/",
    )
    label_dir: str | None = _data_field(
        "label_dir", None, "label maps with class ids (PNG, TIFF, BMP, NPY); sub-folders train and val are splits"
    )
    image_dir: str | None = _data_field("image_dir", None, "photographs with the same names")
    instance_dir: str | None = _data_field(
        "instance_dir", None, "instance maps with the same names, where the model reads edges"
    )
    val_label_dir: str | None = _data_field("val_label_dir", None, "label maps to validate with, not to train on")
    val_image_dir: str | None = _data_field("val_image_dir", None, "their photographs")
    val_instance_dir: str | None = _data_field("val_instance_dir", None, "their instance maps")
    val_share: float = _data_field(
        "val_share", 0.0, "share of the pairs to validate with and not to train on, for example 0.1; chosen by name"
    )
    partition: str = _data_field(
        "partition",
        "official",
        "which examples train: official (24,183, by the original CelebA partition) or 28k (the first 28,000)",
        PARTITIONS,
    )
    num_examples: int = _data_field("num_examples", 400, "facades to draw for training")

    def __post_init__(self):
        check_choice("dataset", self.dataset, tuple(DATASETS))
        check_choice("partition", self.partition, PARTITIONS)
        self._check_positive("num_examples")
        self._check_fields()
        if not 0 <= self.val_share < 1:
            raise UserError(f"`val_share` must be at least 0 and below 1. Received: {self.val_share!r}.")
        if self.dataset == "folder":
            self._check_folders()

    def _check_fields(self):
        """Required fields are there, and none of other data sets."""
        row = DATASETS[self.dataset]
        missing = [f"`{name}`" for name in row.required if not getattr(self, name)]
        if missing and not self.data_dir:
            required = " and ".join(f"`{name}`" for name in row.required)
            raise UserError(
                f"`dataset` {self.dataset} needs {required}, or `data_dir` with both in it. Received: no "
                f"{' and no '.join(missing)}. Give what is missing."
            )
        for field in dataclasses.fields(self)[1:]:
            if field.name not in row.fields and getattr(self, field.name) not in (field.default, ""):
                raise UserError(
                    f"`{field.name}` is for `dataset` {_datasets_with(field.name)}. Received: `dataset` "
                    f"{self.dataset}. Change one of them."
                )

    def _check_folders(self):
        """One's own pairs are described in one way, and so are those to validate with."""
        given = [f"`{name}`" for name in FOLDERS if getattr(self, name)]
        if self.data_dir and given:
            raise UserError(
                f"`data_dir` is one folder with labels and images in it, in the place of {', '.join(given)}. Received: "
                "both. Leave out one."
            )
        if bool(self.val_label_dir) != bool(self.val_image_dir):
            raise UserError(
                "`val_label_dir` and `val_image_dir` belong together. Received: one of them. Give both, or neither."
            )
        if self.val_instance_dir and not self.val_label_dir:
            raise UserError("`val_instance_dir` belongs to `val_label_dir`. Received: none of that. Give both.")
        if self.val_label_dir and self.val_share:
            raise UserError("`val_share` is for data without `val_label_dir`. Received: both. Leave out one.")

    @property
    def has_instances(self):
        """Whether there are instance maps; in a `data_dir` of one's own there may be."""
        own = self.dataset == "folder" and self.data_dir
        return bool(self.instance_dir or own) or DATASETS[self.dataset].has_instances
