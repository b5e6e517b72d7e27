"""The presets: JSON both ways, the authors' recipes, and labels with other classes."""

import json
import pathlib

import numpy as np
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


@pytest.mark.parametrize("name", PRESETS)
def test_each_class_has_a_name_of_its_own_and_a_colour(name):
    labels = get_preset(name).labels
    assert len(set(labels.class_names)) == len(labels.class_names) == labels.num_classes
    assert len(labels.palette) == labels.num_classes
    if name != "cityscapes":  # whose own colours repeat among classes that are not evaluated
        assert len(set(labels.palette)) == labels.num_classes


def test_names_stand_at_the_ids_of_the_data_sets():
    """Some ids of each data set's public list of classes, from its beginning to its end."""
    expected = {
        "cityscapes": {0: "unlabeled", 7: "road", 11: "building", 23: "sky", 24: "person", 26: "car", 33: "bicycle"},
        "ade20k": {1: "wall", 3: "sky", 13: "person", 59: "screen door", 84: "truck", 90: "television", 131: "screen"},
        "celebamask_hq": {0: "background", 3: "eye_g", 4: "l_eye", 12: "l_lip", 13: "hair", 17: "neck", 18: "cloth"},
        "coco_stuff": {0: "person", 11: "street sign", 90: "hair brush", 91: "banner", 151: "rug", 168: "tree"},
    }
    last = {"ade20k": {150: "flag", 0: "unlabelled"}, "coco_stuff": {181: "wood", 255: "unlabelled"}}
    last["cityscapes"] = {255: "license plate"}
    for name in expected:
        labels = get_preset(name).labels
        for id, class_name in (expected[name] | last.get(name, {})).items():
            assert labels.name_of(int(labels.to_classes(np.int32(id)))) == class_name


def test_cityscapes_keeps_its_own_colours():
    labels = get_preset("cityscapes").labels
    own = {"road": (128, 64, 128), "sky": (70, 130, 180), "person": (220, 20, 60), "license plate": (0, 0, 142)}
    assert {name: labels.palette[labels.class_names.index(name)] for name in own} == own
