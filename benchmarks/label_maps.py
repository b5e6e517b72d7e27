"""The label maps that the generator is measured on.

Real ones where the data lies, see `FOLDERS`; facades drawn by code where it does not.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dagan_tf.data import FolderSource, ProceduralFacades
from dagan_tf.data.transform import transform
from dagan_tf.presets import PRESETS

# Label maps and instance maps of each dataset, as shared/data lays them out.
FOLDERS = {
    "facades": ("facades/base", None),
    "ade20k": ("ade20k/annotations", None),
    "coco_stuff": ("coco_stuff/train_label", "coco_stuff/train_inst"),
    "cityscapes": ("cityscapes/gtFine/train", "cityscapes/gtFine/train"),
    "celebamask_hq": ("celebamask_hq/masks", None),
}


class Case(NamedTuple):
    """A network and the maps it is given."""

    preset: str
    size: tuple
    maps: str = "real"
    """Which: "real"; "regions", real ones with their regions' classes drawn anew; "random" pixels; "blocks", random 3x3
    blocks, whose patches repeat too seldom; "constant"."""
    classes: int | None = None
    """Instead of the preset's; such a network reads no instance edges."""

    def config(self, **overrides):
        """Its `ModelConfig`."""
        model = PRESETS[self.preset].model.replace(image_size=self.size, **overrides)
        return model if self.classes is None else model.replace(num_classes=self.classes, use_instance_edges=False)


def is_real(preset, data):
    """Whether the dataset's label maps lie in the folder `data`."""
    return (Path(data) / FOLDERS[preset][0]).is_dir()


def batches(case, batch_size, most, data):
    """At most `most` batches for a case, and at least one: dictionaries of int32 arrays (B, H, W).

    Where there are not enough maps for one batch, mirrored ones fill it.
    """
    config = case.config()
    if case.maps == "constant":
        return [{"label": np.zeros((batch_size, *case.size), np.int32)}]
    if case.maps in ("random", "blocks"):
        rng, side, (height, width) = np.random.default_rng(0), 3 if case.maps == "blocks" else 1, case.size
        shape = (batch_size, -(-height // side), -(-width // side))
        maps = [rng.integers(config.num_classes, size=shape, dtype=np.int32) for _ in range(most)]
        return [{"label": ids.repeat(side, axis=1).repeat(side, axis=2)[:, :height, :width]} for ids in maps]
    examples = _examples(case, batch_size, most, data)
    keys = ["label", "instance"] if config.use_instance_edges else ["label"]
    groups = [examples[start : start + batch_size] for start in range(0, len(examples), batch_size)]
    return [{key: np.stack([example[key] for example in group]).astype(np.int32) for key in keys} for group in groups]


def _examples(case, batch_size, most, data):
    """As many examples as whole batches hold, at the case's size."""
    source = _source(case, batch_size * most, data)
    wanted = batch_size * max(1, min(most, len(source) // batch_size))
    picked = np.linspace(0, len(source) - 1, min(wanted, len(source))).astype(int)
    found = [transform(source[index], case.size) for index in picked]
    if case.maps == "regions":
        found = [{"label": _relabelled(example["label"], case.classes)} for example in found]
    elif not is_real(case.preset, data):
        classes = case.config().num_classes
        found = [{"label": e["label"].astype(np.int32) % classes, "instance": regions(e["label"])} for e in found]
    found += [{key: value[:, ::-1] for key, value in example.items()} for example in found]
    return [found[index % len(found)] for index in range(wanted)]


def _source(case, count, data):
    if not is_real(case.preset, data):
        return ProceduralFacades(count, case.size)
    labels, instances = (folder and Path(data) / folder for folder in FOLDERS[case.preset])
    return FolderSource(labels, instance_dir=instances, spec=PRESETS[case.preset].labels)


def regions(label):
    """Numbers the connected regions of a map (H, W): the largest index of a pixel of each, int32 (H, W)."""
    numbers = np.arange(label.size, dtype=np.int32).reshape(label.shape)
    down, right = label[1:] == label[:-1], label[:, 1:] == label[:, :-1]
    while True:
        before = numbers.copy()
        for same, one, other in (
            (down, numbers[1:], numbers[:-1]),
            (right, numbers[:, 1:], numbers[:, :-1]),
        ):
            largest = np.maximum(one, other)
            np.copyto(one, largest, where=same)
            np.copyto(other, largest, where=same)
        if np.array_equal(before, numbers):
            return numbers


def _relabelled(label, classes):
    """The map with a class drawn for each region, at a fraction of all classes that does not depend on their number."""
    _, region = np.unique(regions(label), return_inverse=True)
    fractions = np.random.default_rng(0).random(region.max() + 1)
    return (fractions * classes).astype(np.int32)[region].reshape(label.shape)
