"""The datasets of the paper as values: networks, label files and training recipe of each.

Class counts are those the released networks were built with (Table 3 of the paper holds for them exactly); recipes
are those of the release. Any field can be overridden by keyword where a preset is used.
"""

from dataclasses import dataclass

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig
from dagan_tf.errors import UserError


@dataclass(frozen=True)
class Preset:
    """One row of the paper's experiments."""

    model: ModelConfig
    dataset: LabelSpec
    train: TrainConfig

    def dataset_with(self, **changes):
        """The `LabelSpec` with fields changed; with another number of classes it loses their names and colours."""
        if changes.get("num_classes", self.dataset.num_classes) != self.dataset.num_classes:
            changes |= {"class_names": (), "palette": ()}
        return self.dataset.replace(**changes)


FACADES_CLASSES = (
    "unlabelled", "background", "facade", "window", "door", "cornice", "sill", "balcony", "blind", "deco", "molding",
    "pillar", "shop",
)  # fmt: skip
FACADES_PALETTE = (
    (0, 0, 0), (90, 140, 190), (205, 180, 145), (40, 70, 120), (120, 60, 30), (240, 220, 120), (170, 170, 170),
    (200, 60, 90), (70, 150, 90), (220, 130, 190), (245, 245, 235), (150, 110, 200), (235, 120, 40),
)  # fmt: skip

FACADES = Preset(
    model=ModelConfig(num_classes=13, image_size=(1024, 1024)),
    dataset=LabelSpec(num_classes=13, class_names=FACADES_CLASSES, palette=FACADES_PALETTE),
    train=TrainConfig(epochs=50, decay_epochs=50, batch_size=4, load_scale=1054 / 1024),
)
CITYSCAPES = Preset(
    model=ModelConfig(num_classes=35, use_instance_edges=True, image_size=(256, 512), depth="more"),
    dataset=LabelSpec(num_classes=35, unknown_id=255),
    train=TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=1.0),
)
ADE20K = Preset(
    model=ModelConfig(num_classes=151, image_size=(256, 256)),
    dataset=LabelSpec(num_classes=151, first_id=1, unknown_id=0),
    train=TrainConfig(epochs=100, decay_epochs=100, batch_size=8, load_scale=286 / 256),
)
CELEBAMASK_HQ = Preset(
    model=ModelConfig(num_classes=19, image_size=(512, 512)),
    dataset=LabelSpec(num_classes=19),
    # Mirroring would swap left and right eyes, brows and ears, which are classes of their own.
    train=TrainConfig(epochs=50, decay_epochs=50, batch_size=16, load_scale=1.0, flip=False),
)
COCO_STUFF = Preset(
    model=ModelConfig(num_classes=183, use_instance_edges=True, image_size=(256, 256)),
    dataset=LabelSpec(num_classes=183, unknown_id=255),
    train=TrainConfig(epochs=50, decay_epochs=50, batch_size=32, load_scale=286 / 256),
)

PRESETS = {
    "facades": FACADES,
    "cityscapes": CITYSCAPES,
    "ade20k": ADE20K,
    "celebamask_hq": CELEBAMASK_HQ,
    "coco_stuff": COCO_STUFF,
}


def get_preset(name):
    """The preset of that name; an unknown name raises `UserError` with the names there are."""
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}; the presets are {', '.join(PRESETS)}.")
    return PRESETS[name]
