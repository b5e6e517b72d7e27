"""Configurations: JSON both ways, choices, sizes, and errors that say what would fit."""

import json

import numpy as np
import pytest

from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, get_preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name):
    preset = get_preset(name)
    run = RunConfig(preset.model, preset.dataset, None, preset.train)
    assert RunConfig.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    assert preset.model.num_classes == preset.dataset.num_classes


def test_recipes_are_those_of_the_release():
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


@pytest.mark.parametrize(
    ("depth", "size", "nearest"),
    [("normal", (100, 128), "96x128"), ("more", (96, 64), "128x64"), ("most", (64, 128), "128x128")],
)
def test_sizes_that_the_depth_does_not_divide(depth, size, nearest):
    with pytest.raises(UserError, match=nearest):
        ModelConfig(num_classes=3, image_size=size, depth=depth)


@pytest.mark.parametrize(
    "change",
    [
        {"num_classes": 0}, {"base_filters": 2.5}, {"base_filters": True}, {"depth": "deep"}, {"attention": "cam3"},
        {"cam_levels": "some"}, {"image_size": (32,)}, {"image_size": "32"}, {"image_size": (0, 32)}, {"width": 3},
        {"use_instance_edges": "no"}, {"base_filters": 1, "depth": "most", "image_size": 128},
    ],
)  # fmt: skip
def test_model_values_that_cannot_be(change):
    with pytest.raises(UserError, match=next(iter(change))):
        ModelConfig(num_classes=3, image_size=(32, 32)).replace(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": -1}, {"batch_size": 0}, {"generator_rate": 0.0}, {"beta_1": 1.0}, {"ema": -0.1}, {"load_scale": 0.9},
        {"feature_weight": -1.0}, {"seed": -1}, {"discriminator_rate": float("nan")},
    ],
)  # fmt: skip
def test_training_values_that_cannot_be(change):
    with pytest.raises(UserError, match=next(iter(change))):
        TrainConfig().replace(**change)
    with pytest.raises(UserError, match=r"0 \+ 0"):
        TrainConfig(epochs=0, decay_epochs=0)


def test_sizes_are_one_number_or_two_also_numpys():
    assert ModelConfig(num_classes=3, image_size=64).image_size == (64, 64)
    size = ModelConfig(num_classes=3, image_size=tuple(np.array([32, 64]))).image_size
    assert size == (32, 64)
    assert all(type(side) is int for side in size)


def test_own_pairs_need_both_folders():
    with pytest.raises(UserError, match="`label_dir` and `image_dir`"):
        DataConfig(dataset="folder", label_dir="labels")


def test_missing_and_unknown_fields_are_named():
    with pytest.raises(UserError, match="needs num_classes"):
        LabelSpec.from_dict({})
    with pytest.raises(UserError, match="no field colour"):
        LabelSpec.from_dict({"num_classes": 3, "colour": 1})
    with pytest.raises(UserError, match="RunConfig needs train"):
        RunConfig.from_dict({"model": {}, "dataset": {}, "data": {}})


def test_what_does_not_fit_together_makes_no_run():
    preset = get_preset("facades")
    run = RunConfig(preset.model, preset.dataset, DataConfig(), preset.train)
    assert RunConfig.from_dict(json.loads(json.dumps(run.to_dict()))) == run
    with pytest.raises(UserError, match="`num_classes` 5 of the networks, 13 of the label files"):
        run.replace(model=run.model.replace(num_classes=5))
    edges = run.model.replace(use_instance_edges=True)
    with pytest.raises(UserError, match=r"`use_instance_edges` with `dataset` facades. Give `instance_dir`"):
        run.replace(model=edges)
    pairs = DataConfig(dataset="folder", label_dir="a", image_dir="b")
    with pytest.raises(UserError, match="has no instance maps"):
        run.replace(model=edges, data=pairs)
    assert run.replace(model=edges, data=pairs.replace(instance_dir="c")).model == edges
    assert run.replace(model=edges, data=None).data is None
    with pytest.raises(UserError, match="no field devices"):
        run.replace(devices="2")


def test_the_best_checkpoint_goes_by_a_loss_that_there_is():
    without = TrainConfig(perceptual="off")
    with pytest.raises(UserError, match="`best` g_perceptual, `perceptual` off"):
        RunOptions(best="g_perceptual").check_losses(without)
    RunOptions(best="g_perceptual").check_losses(TrainConfig())
    RunOptions().check_losses(without)


def test_differences_name_part_field_and_both_values():
    preset = get_preset("facades")
    run = RunConfig(preset.model, preset.dataset, DataConfig(), preset.train)
    other = run.replace(train=run.train.replace(seed=3), model=run.model.replace(base_filters=8))
    assert run.differences(run) == []
    assert run.differences(run.replace(data=DataConfig(data_dir="elsewhere"))) == []
    assert run.differences(other) == [("model.base_filters", 64, 8), ("train.seed", 0, 3)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"devices": "0"}, "`devices` must be"),
        ({"devices": "some"}, "`devices` must be"),
        ({"strategy": "none", "devices": "2"}, "Several devices need a strategy"),
        ({"strategy": "tpu"}, "`strategy` must be one of"),
        ({"xla": "yes"}, "`xla` must be one of"),
        ({"best": "fid"}, "`best` must be one of"),
        ({"xla": "on", "semantics": "patch_table"}, "XLA cannot compile the patch table"),
    ],
)
def test_options_that_do_not_fit(fields, message):
    with pytest.raises(UserError, match=message):
        RunOptions(**fields)
