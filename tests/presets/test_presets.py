"""The presets: JSON both ways, the authors' recipes, and labels with other classes."""

import json
import pathlib

import pytest

from dagan_tf import presets
from dagan_tf.config import RunConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, get_preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    preset = get_preset(name)
    run = RunConfig(preset.model, preset.labels, None, preset.train)
    assert RunConfig.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert preset.model.num_classes == preset.labels.num_classes


def test_recipes_are_those_of_the_authors():
    rows = {
        name: (p.train.epochs, p.train.decay_epochs, p.train.batch_size, p.model.image_size, p.model.semantic_channels)
        for name, p in PRESETS.items()
    }
    assert rows == {
        "facades": (50, 50, 4, (1024, 1024), 13),
        "cityscapes": (100, 100, 8, (256, 512), 36),
        "ade20k": (100, 100, 8, (256, 256), 151),
        "celebamask_hq": (50, 50, 16, (512, 512), 19),
        "coco_stuff": (50, 50, 32, (256, 256), 184),
    }
    load = {name: round(p.model.image_size[0] * p.train.load_scale) for name, p in PRESETS.items()}
    assert load == {"facades": 1054, "cityscapes": 256, "ade20k": 286, "celebamask_hq": 512, "coco_stuff": 286}
    assert PRESETS["cityscapes"].model.upsamplings == 6


def test_each_file_is_a_row():
    files = pathlib.Path(presets.__file__).parent.glob("*.py")
    assert {file.stem for file in files} - {"__init__"} == set(PRESETS)


def test_an_unknown_preset_is_named():
    with pytest.raises(UserError, match=r"no preset 'facade'.*facades, cityscapes"):
        get_preset("facade")


def test_other_classes_lose_names_and_colours():
    preset = get_preset("facades")
    assert preset.labels_with() == preset.labels
    same = preset.labels_with(first_id=1)
    assert (same.first_id, same.class_names, same.palette) == (1, preset.labels.class_names, preset.labels.palette)
    other = preset.labels_with(num_classes=5)
    assert (other.num_classes, other.class_names, other.palette) == (5, (), ())
