"""Whole runs: what they write, that they repeat, and that a run stopped anywhere continues to the same numbers."""

import json
import os
import shutil
import signal
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig, RunOptions
from dagan_tf.errors import StorageError, UserError
from dagan_tf.runs import checkpoint, session
from dagan_tf.runs.folder import Run
from dagan_tf.runs.loading import load_model
from tests.helpers import tiny_config

pytestmark = pytest.mark.long
DENSE = {"semantics": "dense"}  # what `finished_run` has: another kind sums in another order


def final_state(run):
    """Every variable of a run's newest checkpoint, optimizers included, by path."""
    model = session.build_model(run.read_config(), steps_per_epoch=3)
    checkpoint.load(model, run.latest())
    parts = (model, model.generator_optimizer, model.discriminator_optimizer)
    return [np.array(v.value) for part in parts for v in part.variables]


def assert_same(a, b):
    for x, y in zip(final_state(a), final_state(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture
def act_at_step(monkeypatch):
    """Runs a function of the model after one of its steps, inside the next training."""

    def install(step, function):
        class Act(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if int(self.model.step) == step:
                    function(self.model)

        fit = session._fit
        monkeypatch.setattr(
            session,
            "_fit",
            lambda model, data, epochs, callbacks, *rest: fit(model, data, epochs, [Act(), *callbacks], *rest),
        )

    return install


def start(path, config, **options):
    run = Run(path)
    run.write_config(config)
    return run, session.train(config, run, options=RunOptions(**{**DENSE, "sample_every": 2, **options}), verbose=0)


def test_what_a_run_writes(finished_run):
    run, outcome = finished_run
    assert (outcome.step, outcome.total_steps, outcome.signal, outcome.not_finite) == (9, 9, None, ())
    assert run.read_config() == tiny_config()
    assert sorted(p.name for p in run.samples.iterdir()) == ["epoch-0002.png", "epoch-0003.png"]
    sheet = np.asarray(Image.open(run.samples / "epoch-0003.png"))
    assert sheet.shape == (6 * 32 + 5 * 4, 3 * 32 + 2 * 4, 3)  # six rows of label | generated | real
    lines = [json.loads(line) for line in run.history.read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9]
    assert lines[0]["generator_rate"] == pytest.approx(1e-4)
    assert lines[-1]["generator_rate"] == 0
    best = 3 * (1 + int(np.argmin([line["g_feature"] for line in lines])))
    assert {int(p.name[5:]) for p in checkpoint.checkpoints(run.checkpoints)} == {best, 6, 9}
    assert checkpoint.best(run.checkpoints).name == f"step-{best:08d}"


def test_tensorboard_reads_scalars_and_sheets(finished_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished_run[0].tensorboard), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    assert {"d_fake", "d_real", "g_hinge", "g_feature", "label | generated | real"} <= set(tags)
    assert [event.step for event in events.Tensors("g_hinge")] == [3, 6, 9]


def test_another_seed_gives_other_weights():
    """That the same one gives the same is shown by each run here that ends as `finished_run`."""
    other = session.build_model(tiny_config(seed=1), 3)
    first = session.build_model(tiny_config(), 3)
    assert not np.array_equal(other.generator.get_weights()[0], first.generator.get_weights()[0])


def test_a_stopped_run_continues_to_the_same_numbers(finished_run, tmp_path, act_at_step):
    act_at_step(4, lambda model: os.kill(os.getpid(), signal.SIGTERM))
    run, outcome = start(tmp_path / "stopped", tiny_config())
    assert (outcome.step, outcome.signal) == (4, signal.SIGTERM)
    assert checkpoint.read_state(run.latest())["step_in_epoch"] == 1
    assert session.train(tiny_config(), run, resume=True, options=RunOptions(**DENSE), verbose=0).step == 9
    assert_same(finished_run[0], run)
    whole, resumed = ([json.loads(x) for x in r.history.read_text().splitlines()] for r in (finished_run[0], run))
    assert [line["epoch"] for line in resumed] == [1, 2, 3]
    for a, b in zip(whole, resumed, strict=True):  # the means of the epoch that was broken off, too
        for name in ("g_hinge", "g_feature", "d_fake", "d_real", "step", "epoch"):
            assert a[name] == pytest.approx(b[name], rel=1e-5), (a["epoch"], name)


def test_a_stopped_run_with_the_patch_table_continues_to_the_same_numbers(tmp_path, act_at_step):
    config, by_table = tiny_config(), {"semantics": "patch_table"}
    whole, _ = start(tmp_path / "whole", config, **by_table)
    act_at_step(3, lambda model: os.kill(os.getpid(), signal.SIGINT))  # at the end of an epoch
    stopped, outcome = start(tmp_path / "stopped", config, **by_table)
    assert (outcome.step, outcome.signal) == (3, signal.SIGINT)
    assert checkpoint.read_state(stopped.latest())["step_in_epoch"] == 0
    assert session.train(config, stopped, resume=True, options=RunOptions(**by_table), verbose=0).step == 9
    assert_same(whole, stopped)


@pytest.mark.parametrize(("step", "stops_at", "name"), [(4, 5, "g_hinge"), (6, 6, "weights")])
def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path, act_at_step, step, stops_at, name):
    """In the middle of an epoch a loss tells; after its last step, whose losses were good, the weights themselves."""
    act_at_step(step, lambda model: model.generator.backbone.blocks[0].conv_0.bias.assign(np.full(64, np.nan)))
    run, outcome = start(tmp_path / "nan", tiny_config())
    assert outcome.step == stops_at
    assert any(name in text for text in outcome.not_finite)
    assert run.latest().name == "step-00000003"
    model, _, _ = load_model(run.path)
    assert all(np.isfinite(w).all() for w in model.generator.get_weights())


def test_bad_data_in_the_middle_saves_what_was_trained(tmp_path, monkeypatch):
    labels, images = tmp_path / "labels", tmp_path / "images"
    rng = np.random.default_rng(0)
    for folder in (labels, images):
        folder.mkdir()
    for i in range(12):
        Image.fromarray(rng.integers(0, 13, (40, 40), dtype="uint8")).save(labels / f"{i:02d}.png")
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype="uint8")).save(images / f"{i:02d}.jpg")
    config = tiny_config()
    order = np.random.default_rng((0, 0)).permutation(12)  # the pipeline's order of epoch 0
    position = max(i for i, index in enumerate(order) if index >= 6)  # the first six are on the sample sheets
    bad = labels / f"{order[position]:02d}.png"
    data = DataConfig(dataset="folder", label_dir=str(labels), image_dir=str(images))
    run = Run(tmp_path / "run")
    config = config.replace(labels=config.labels.replace(palette=()), data=data)
    run.write_config(config)
    make_sheet = session.sample_sheet

    def damaged_after_the_check(config):
        Image.fromarray(np.full((40, 40), 77, "uint8")).save(bad)
        return make_sheet(config)

    monkeypatch.setattr(session, "sample_sheet", damaged_after_the_check)
    with pytest.raises(UserError, match=rf"{bad.name}.*id 77 \(1600 pixels\)"):
        session.train(config, run, options=RunOptions(**DENSE), verbose=0)
    assert run.latest().name == f"step-{position // 4:08d}"
    Image.fromarray(np.zeros((40, 40), "uint8")).save(bad)
    monkeypatch.undo()
    assert session.train(config, run, resume=True, options=RunOptions(**DENSE), verbose=0).step == 9


def test_a_signal_that_was_swallowed_ends_the_run_before_its_first_step(tmp_path):
    def check_stopped():
        sys.exit(130)

    run = Run(tmp_path / "run")
    with pytest.raises(SystemExit):
        session.train(tiny_config(), run, options=RunOptions(**DENSE), verbose=0, check_stopped=check_stopped)
    assert not run.checkpoints.exists()
    run.hold()  # which nobody holds any more
    run.release()


def test_what_a_look_at_the_files_shows_ends_a_run_before_it_begins(tmp_path):
    for folder in ("labels", "images", "val/labels", "val/images"):
        (tmp_path / folder).mkdir(parents=True)
        array = np.zeros((40, 80) if "labels" in folder else (40, 80, 3), "uint8")
        for i in range(4):
            Image.fromarray(array).save(tmp_path / folder / f"{i}.png")
    folders = {
        "label_dir": "labels",
        "image_dir": "images",
        "val_label_dir": "val/labels",
        "val_image_dir": "val/images",
    }
    data = DataConfig("folder", **{name: str(tmp_path / folder) for name, folder in folders.items()})
    config, told = tiny_config().replace(data=data), []
    assert session.training_pipeline(config, warn=told.append).num_examples == 4
    assert ["squeezed 2-fold" in text for text in told] == [True, True]  # of training and validation
    bad = tmp_path / "val/labels/2.png"
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(UserError, match=rf"{bad}: expected a whole picture.*\n.*dagan_tf.check"):
        session.training_pipeline(config)


def test_edges_need_instance_maps_of_both_splits(tmp_path):
    for folder in ("labels", "images", "instances", "val/labels", "val/images"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.zeros((32, 32, 3) if "images" in folder else (32, 32), "uint8")).save(
                tmp_path / folder / f"{i}.png"
            )
    folders = {"label_dir": "labels", "image_dir": "images", "instance_dir": "instances"}
    folders |= {"val_label_dir": "val/labels", "val_image_dir": "val/images"}
    data = DataConfig("folder", **{name: str(tmp_path / folder) for name, folder in folders.items()})
    config = tiny_config()
    config = config.replace(data=data, model=config.model.replace(use_instance_edges=True))
    with pytest.raises(UserError, match=r"no instance map for .*val/labels/0\.png. Give .*`val_instance_dir`"):
        session.training_pipeline(config)


@pytest.mark.parametrize(("examples", "steps"), [(8, 2), (13, 3)])
def test_a_run_whose_data_changed_does_not_resume(finished_run, tmp_path, examples, steps):
    run = Run(shutil.copytree(finished_run[0].path, tmp_path / "copy"))
    config = run.read_config()
    fewer = config.replace(data=config.data.replace(num_examples=examples))
    match = f"had 12 examples and 3 steps an epoch.*there are {examples} examples and {steps} steps"
    with pytest.raises(UserError, match=match):
        session.train(fewer, run, resume=True, options=RunOptions(**DENSE), verbose=0)


def test_left_over_checkpoints_are_a_run(tmp_path, finished_run):
    run = Run(tmp_path / "left")
    assert not run.exists
    shutil.copytree(finished_run[0].checkpoints, run.checkpoints)
    assert run.exists


def test_data_are_asked_for_where_a_configuration_names_none():
    config = tiny_config().replace(data=None)
    with pytest.raises(UserError, match="There is no data to train on"):
        session.training_pipeline(config)


def test_a_run_on_a_full_disk_says_so_and_resumes_when_there_is_room(finished_run, small_disk):
    run = Run(small_disk(3_000_000) / "run")
    size = sum(p.stat().st_size for p in finished_run[0].latest().iterdir())
    small_disk(int(1.5 * size), "remount,")
    config = tiny_config()
    with pytest.raises(StorageError, match=r"(could not|cannot) be written"):
        session.train(config, run, options=RunOptions(**DENSE), verbose=0)
    left = [checkpoint.read_state(path)["step"] for path in checkpoint.checkpoints(run.checkpoints)]
    assert left == [3]
    small_disk(20 * size, "remount,")
    assert session.train(config, run, resume=True, options=RunOptions(**DENSE), verbose=0).step == 9
    assert_same(finished_run[0], run)
