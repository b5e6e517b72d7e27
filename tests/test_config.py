"""Configurations: missing and unknown fields, choices, sizes, and errors that say what would fit."""

import dataclasses
import json

import numpy as np
import pytest

from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import get_preset


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


@pytest.mark.parametrize(
    ("dataset", "given", "message"),
    [
        ("facades", {"label_dir": "a"}, "`label_dir` is for `dataset` folder. Received: `dataset` facades"),
        ("procedural", {"data_dir": "a"}, "`data_dir` is for `dataset` facades.* Received: `dataset` procedural"),
        ("facades", {"num_examples": 3}, "`num_examples` is for `dataset` procedural. Received: `dataset` facades"),
        ("cats", {}, "'facades'.*'folder'.* Received: 'cats'"),
    ],
)
def test_fields_of_other_data_sets_are_refused(dataset, given, message):
    with pytest.raises(UserError, match=message):
        DataConfig(dataset, **given)


def test_help_of_data_fields_names_their_data_set():
    help = {field.name: field.metadata["help"].split(":")[0] for field in dataclasses.fields(DataConfig)}
    assert help["data_dir"] == "every data set but procedural"
    assert help["instance_dir"] == "folder"
    assert help["num_examples"] == "procedural"


def test_missing_and_unknown_fields_are_named():
    with pytest.raises(UserError, match="needs num_classes"):
        LabelSpec.from_dict({})
    with pytest.raises(UserError, match="no field colour"):
        LabelSpec.from_dict({"num_classes": 3, "colour": 1})
    with pytest.raises(UserError, match="RunConfig needs train"):
        RunConfig.from_dict({"model": {}, "labels": {}, "data": {}})


def test_what_does_not_fit_together_makes_no_run():
    preset = get_preset("facades")
    run = RunConfig(preset.model, preset.labels, DataConfig(), preset.train)
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
        RunOptions(best="g_perceptual").check_training(without)
    RunOptions(best="g_perceptual").check_training(TrainConfig())
    RunOptions().check_training(without)


def test_differences_name_part_field_and_both_values():
    preset = get_preset("facades")
    run = RunConfig(preset.model, preset.labels, DataConfig(), preset.train)
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


@pytest.mark.parametrize(
    "values", [{"scale_jitter": -0.1}, {"scale_jitter": float("inf")}, {"colour_jitter": 1.0}, {"colour_jitter": -0.1}]
)
def test_jitter_that_cannot_be(values):
    with pytest.raises(UserError, match=f"`{next(iter(values))}` must be at least 0"):
        TrainConfig(**values)


def test_cached_examples_have_one_size():
    with pytest.raises(UserError, match=r"`cache` keeps examples at one size. Received: `scale_jitter`"):
        RunOptions(cache="folder").check_training(TrainConfig(scale_jitter=0.1))
    RunOptions(cache="folder").check_training(TrainConfig(colour_jitter=0.1))
