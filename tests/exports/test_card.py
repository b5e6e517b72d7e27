"""The model card names the preset, the classes with their ids in files, and what the model was made with."""

import json

import keras
import tensorflow as tf

import dagan_tf
from dagan_tf.config import LabelSpec
from dagan_tf.exports.card import model_card
from dagan_tf.networks.generator import Generator
from dagan_tf.presets import PRESETS

SMALL = {"image_size": (32, 64), "base_filters": 2, "spade_filters": 4}


def card(name, labels=None):
    preset = PRESETS[name]
    generator = Generator(preset.model.replace(**SMALL)).folded()
    result = model_card("mine", generator, labels or preset.labels, 120, "moving average")
    assert json.loads(json.dumps(result)) == result
    assert result["parameters"] == generator.count_params()
    return result


def test_facades():
    found = card("facades")
    assert (found["name"], found["preset"]) == ("mine", "facades")
    assert (found["step"], found["weights"], found["image_size"]) == (120, "moving average", [32, 64])
    window = {"class": 3, "id": 3, "name": "window", "colour": [40, 70, 120]}
    assert len(found["classes"]) == 13
    assert found["classes"][3] == window
    assert found["versions"]["dagan_tf"] == dagan_tf.__version__
    assert found["versions"]["tensorflow"] == tf.__version__
    assert found["versions"]["keras"] == keras.__version__
    assert found["configuration"]["base_filters"] == 2


def test_ids_in_files():
    classes = card("ade20k")["classes"]
    assert [(c["class"], c["id"]) for c in (classes[0], classes[149], classes[150])] == [(0, 1), (149, 150), (150, 0)]


def test_own_data_has_no_preset():
    found = card("facades", LabelSpec(13, first_id=1))
    assert found["preset"] is None
    assert found["classes"][0] == {"class": 0, "id": 1}
