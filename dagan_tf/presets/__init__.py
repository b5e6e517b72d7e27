"""The data sets of the paper as values: the networks, the label files and the training recipe of each.

One file a data set, with `MODEL`, `LABELS` and `TRAIN`, and one row in `PRESETS`. Numbers of classes are those that the
authors' networks were built with (Table 3 of the paper holds for them exactly); training recipes are those of the
authors' code. Any field can be overridden where a preset is used.
"""

from dataclasses import dataclass

from dagan_tf.config import LabelSpec, ModelConfig, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import ade20k, celebamask_hq, cityscapes, coco_stuff, facades


@dataclass(frozen=True)
class Preset:
    """What a model for one data set is, how its label files are read, and how it is trained."""

    model: ModelConfig
    labels: LabelSpec
    train: TrainConfig

    @classmethod
    def of(cls, module):
        """The preset in one of the modules of this package."""
        return cls(module.MODEL, module.LABELS, module.TRAIN)

    def labels_with(self, **changes):
        """The `LabelSpec` with fields changed; with another number of classes it loses their names and colours."""
        if changes.get("num_classes", self.labels.num_classes) != self.labels.num_classes:
            changes |= {"class_names": (), "palette": ()}
        return self.labels.replace(**changes)


PRESETS = {
    "facades": Preset.of(facades),
    "cityscapes": Preset.of(cityscapes),
    "ade20k": Preset.of(ade20k),
    "celebamask_hq": Preset.of(celebamask_hq),
    "coco_stuff": Preset.of(coco_stuff),
}


def get_preset(name):
    """The `Preset` of that name; an unknown name raises `UserError` with the names there are."""
    if name not in PRESETS:
        raise UserError(f"There is no preset {name!r}; the presets are {', '.join(PRESETS)}. Choose one of them.")
    return PRESETS[name]
