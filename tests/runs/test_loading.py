"""Trained networks out of every form that they are saved as, and a sentence for what is none of them."""

import keras
import numpy as np
import pytest

from dagan_tf.config import LabelSpec
from dagan_tf.errors import UserError
from dagan_tf.networks.pytorch.files import write_state
from dagan_tf.presets import facades
from dagan_tf.runs.loading import load_generator, load_model
from tests import golden

SMALL = {"image_size": (32, 32), "base_filters": 4, "spade_filters": 8}


@pytest.fixture(scope="module")
def model(finished_run):
    return load_model(finished_run[0].path)[0]


def assert_same_weights(generator, expected):
    for mine, other in zip(generator.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_run(finished_run, model):
    run = finished_run[0]
    loaded = load_generator(run.path, semantics="dense")
    assert_same_weights(loaded.generator, model.ema_generator)
    assert (loaded.step, loaded.weights, loaded.path) == (9, "moving average", run.latest())
    assert (loaded.config, loaded.labels) == (run.read_config(), run.read_config().labels)
    assert loaded.generator.semantics == "dense"


def test_a_checkpoint_by_number_and_by_folder(finished_run, monkeypatch):
    run = finished_run[0]
    found = [load_generator(run.path, "6"), load_generator(run.find("6"))]
    monkeypatch.chdir(run.checkpoints)
    found.append(load_generator("step-00000006"))
    assert [(loaded.step, loaded.path.name) for loaded in found] == [(6, "step-00000006")] * 3
    assert_same_weights(found[0].generator, found[1].generator)


def test_the_home_folder(finished_run, monkeypatch):
    path = finished_run[0].path
    monkeypatch.setenv("HOME", str(path.parent))
    assert load_generator(f"~/{path.name}").step == 9
    assert load_model(f"~/{path.name}")[0].steps_done == 9


def test_keras_files_know_their_model(model, tmp_path):
    model.save(tmp_path / "dagan.keras")
    model.generator.save(tmp_path / "generator.keras")
    loaded = load_generator(tmp_path / "dagan.keras", preset="facades", semantics="dense")
    assert_same_weights(loaded.generator, model.ema_generator)
    assert (loaded.step, loaded.weights, loaded.config) == (9, "moving average", None)
    assert (loaded.labels, loaded.generator.semantics) == (facades.LABELS, "dense")
    loaded = load_generator(tmp_path / "generator.keras")
    assert_same_weights(loaded.generator, model.generator)
    assert (loaded.step, loaded.weights, loaded.labels) == (None, "generator", LabelSpec(13))


def test_weights_are_described_by_preset_and_fields(model, tmp_path):
    model.generator.save_weights(tmp_path / "g.weights.h5")
    loaded = load_generator(tmp_path / "g.weights.h5", preset="facades", semantics="patch_table", **SMALL)
    assert_same_weights(loaded.generator, model.generator)
    assert (loaded.labels, loaded.generator.semantics) == (facades.LABELS, "patch_table")
    with pytest.raises(UserError, match="does not fit the generator that `preset` and the fields of the model"):
        load_generator(tmp_path / "g.weights.h5", preset="facades", **{**SMALL, "base_filters": 8})


def test_the_authors_weights(tmp_path):
    write_state(tmp_path / "latest_net_G.npz", golden.reference_weights("generator"))
    loaded = load_generator(tmp_path / "latest_net_G.npz", preset="facades", image_size=64, base_filters=8)
    assert loaded.generator.config.cam_levels == "last"
    values = golden.values()
    images = loaded.generator.predict({"label": values["label"]}, verbose=0)
    assert np.abs(images - values["image_eval"]).max() < 1e-4


def test_a_checkpoint_is_chosen_of_a_run_only(finished_run, tmp_path):
    (tmp_path / "model.keras").touch()
    for path in (tmp_path / "model.keras", finished_run[0].latest()):
        with pytest.raises(UserError, match=r"`checkpoint` chooses among those of a run\. Received: best for"):
            load_generator(path, checkpoint="best")


@pytest.mark.parametrize("bad", ["nothing", "a folder", "a picture", "another model", "damaged", "preset", "fields"])
def test_what_cannot_be_loaded(finished_run, tmp_path, bad):
    path, options = tmp_path / "model", {}
    if bad == "nothing":
        message = "Expected a run folder, .* where there is nothing"
    elif bad == "a folder":
        path, message = tmp_path, r"Expected a run folder with config\.json"
    elif bad == "a picture":
        path, message = tmp_path / "a.png", r"Expected a run folder, a checkpoint.*Received: .*a\.png\. Give one"
        path.touch()
    elif bad == "another model":
        path, message = tmp_path / "other.keras", "Expected a DAGAN or a generator.*Received: Sequential"
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    elif bad == "damaged":
        path, message = tmp_path / "cut.keras", "could not be loaded as a DAGAN or a generator"
        path.write_bytes(b"PK")
    elif bad == "preset":
        path, message = tmp_path / "g.pth", "g.pth needs `preset`, one of facades, "
        path.touch()
    else:
        path, options = finished_run[0].path, {"base_filters": 8}
        message = "leave out `preset` and the fields of the model.*and base_filters"
    with pytest.raises(UserError, match=message):
        load_generator(path, **options)
