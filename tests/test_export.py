"""The export command: version folders of a run, TFLite files, and input that leaves nothing behind."""

import contextlib
import io
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from dagan_tf import export
from dagan_tf.errors import UserError
from dagan_tf.exports import comparison
from dagan_tf.networks import Generator
from dagan_tf.runs.loading import load_model
from tests.exports.helpers import sample_maps
from tests.helpers import tiny_config

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def exported(finished_run, tmp_path_factory):
    """A model's folder with version 1, exported with TFLite files, and what the command printed."""
    folder = tmp_path_factory.mktemp("models") / "mine"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run(finished_run, folder, "--tflite", "float32", "int8")
    return folder, printed.getvalue()


@pytest.fixture
def models(exported):
    return exported[0]


def run(finished_run, folder, *flags):
    assert export.main(["--run", str(finished_run[0].path), "--output", str(folder), *flags]) == 0


def pictures(version, label):
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    return signature(label_map=tf.constant(label, tf.uint8))["image"].numpy()


def labels(size=(32, 32)):
    return np.random.default_rng(0).integers(13, size=(3, *size))


def test_the_average_is_exported(finished_run, models):
    model, _, _ = load_model(finished_run[0].path)
    expected = model.generate(labels())
    assert np.abs(pictures(models / "1", labels()).astype(int) - expected).max() <= 1
    card = json.loads((models / "1/assets.extra/model_card.json").read_text())
    assert (card["name"], card["preset"]) == ("mine", "facades")
    assert (card["step"], card["weights"]) == (int(model.step), "moving average")


def test_tflite_files(exported):
    folder, printed = exported
    files = sorted((folder / "1/tflite").iterdir())
    assert [file.name for file in files] == ["float32.tflite", "int8.tflite"]
    rows = {words[0]: words[1:] for line in printed.splitlines() if len(words := line.split()) == 5}
    for file in files:
        size, decibels, largest, milliseconds = map(float, rows[file.name])
        assert size == pytest.approx(file.stat().st_size / 1e6, abs=0.05)
        assert milliseconds >= 0
        if file.stem == "float32":
            assert decibels > 80
            assert largest <= 1


def test_a_file_is_no_run(tmp_path):
    weights = tmp_path / "generator.weights.h5"
    weights.touch()
    with pytest.raises(UserError, match=r"Expected a run folder, or a checkpoint in it. Received: the file .* Give"):
        export.main(["--run", str(weights), "--output", str(tmp_path / "models")])
    assert list(tmp_path.iterdir()) == [weights]


def test_versions_follow_and_another_size_fits(finished_run, models, tmp_path, capsys):
    folder = tmp_path / "mine"
    shutil.copytree(models, folder)
    before = {p: p.stat().st_mtime_ns for p in (folder / "1").rglob("*")}
    run(finished_run, folder, "--image-size", "64", "32")
    printed = capsys.readouterr().out
    assert "Version 2 of mine is in" in printed
    assert f"python -m dagan_tf.serve --model {folder}" in printed
    assert "at most 0 of 255 apart" in printed or "at most 1 of 255 apart" in printed
    assert pictures(folder / "2", labels((64, 32))).shape == (3, 64, 32, 3)
    assert {p: p.stat().st_mtime_ns for p in (folder / "1").rglob("*")} == before
    assert not list(folder.glob(".*"))


def operators(version):
    """The types of all operators of a SavedModel."""
    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def test_bfloat16(finished_run, models, tmp_path, capsys):
    run(finished_run, tmp_path / "m", "--precision", "bfloat16")
    printed, warned = capsys.readouterr()
    assert float(re.search(r"bfloat16.*?([\d.]+) dB", printed).group(1)) >= 40
    times = re.search(r"takes ([\d.]+) ms in bfloat16, ([\d.]+) ms in float32 .*: ([\d.]+) times as long", printed)
    half, full, ratio = map(float, times.groups())
    assert ratio == pytest.approx(half / full, abs=0.01 + 0.06 * ratio * (1 / half + 1 / full))
    assert ("warning: bfloat16 is slower on this machine" in warned) == (ratio > 1) or ratio == 1
    model, config, _ = load_model(finished_run[0].path)
    label = sample_maps(config)
    image, expected = pictures(tmp_path / "m/1", label) / 255, model.generate(label) / 255
    assert -10 * np.log10(np.mean((image - expected) ** 2)) >= 40
    card = json.loads((tmp_path / "m/1/assets.extra/model_card.json").read_text())
    assert card["precision"] == "bfloat16"
    half, full = ((f / "1/variables/variables.data-00000-of-00001").stat().st_size for f in (tmp_path / "m", models))
    assert half < 0.65 * full


@pytest.mark.parametrize(("speed", "warns"), [((930.0, 2200.0), True), ((930.0, 500.0), False)])
def test_a_slower_half_precision_is_warned_of(monkeypatch, capsys, speed, warns):
    """Whatever this machine's processor has."""
    generator = Generator(tiny_config().model, "dense", dtype="mixed_bfloat16")
    monkeypatch.setattr(comparison, "check_half", lambda *arguments: 45.6)
    monkeypatch.setattr(comparison, "measure_speed", lambda *arguments: comparison.Speed(*speed))
    export.report_half_precision(None, Generator(tiny_config().model, "dense"), generator, {"label": [0]}, "test")
    printed, warned = capsys.readouterr()
    assert f"{speed[1]} ms in bfloat16, 930.0 ms in float32 on this machine: {speed[1] / 930:.2f} times" in printed
    assert ("no bfloat16 instructions" in warned) is warns


def test_semantics(finished_run, models, tmp_path, monkeypatch):
    """One run is exported with the patch table, which is the default, and without; here into the folder one is in."""
    (tmp_path / "dense").mkdir()
    monkeypatch.chdir(tmp_path / "dense")
    run(finished_run, ".", "--semantics", "dense", "--version", "7")
    dense = tmp_path / "dense/7"
    assert json.loads((dense / "assets.extra/model_card.json").read_text())["name"] == "dense"
    assert ("Unique" in operators(models / "1"), "Unique" in operators(dense)) == (True, False)
    first, second = (pictures(version, labels()).astype(int) for version in (models / "1", dense))
    assert np.abs(first - second).max() <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(finished_run, tmp_path, monkeypatch, number):
    def write(generator, labels, folder, card):
        (folder / "saved_model.pb").touch()
        os.kill(os.getpid(), number)

    monkeypatch.setattr("dagan_tf.exports.version.write", write)
    monkeypatch.setattr(export, "report_agreement", lambda *arguments: None)
    with pytest.raises(SystemExit) as stop:
        run(finished_run, tmp_path / "m")
    assert stop.value.code == 128 + number
    assert not list((tmp_path / "m").iterdir())


def test_data_that_moved(finished_run, tmp_path):
    """TFLite needs the run's data: a run of a folder that is gone says so, and leaves no version."""
    moved = tmp_path / "run"
    shutil.copytree(finished_run[0].path, moved)
    config = json.loads((moved / "config.json").read_text())
    gone = str(tmp_path / "gone")
    config["data"] = {"dataset": "folder", "label_dir": gone, "image_dir": gone}
    (moved / "config.json").write_text(json.dumps(config))
    flags = ["--run", str(moved), "--output", str(tmp_path / "m"), "--tflite"]
    with pytest.raises(UserError, match=r"gone.*`labels`"):
        export.main(flags)
    assert not (tmp_path / "m").exists()
    (tmp_path / "labels").mkdir()
    Image.fromarray(labels()[0].astype(np.uint8)).save(tmp_path / "labels/a.png")
    assert export.main([*flags, "float32", "--labels", str(tmp_path / "labels")]) == 0


@pytest.mark.parametrize("bad", ["no run", "size", "version exists", "not a folder"])
def test_bad_input(finished_run, models, tmp_path, bad):
    output = tmp_path / "m"
    flags = {"--run": str(finished_run[0].path), "--output": str(output)}
    if bad == "no run":
        flags["--run"], message = str(tmp_path), r"config\.json"
    elif bad == "size":
        flags["--image-size"], message = "40", "multiple of 32"
    elif bad == "version exists":
        flags |= {"--output": str(models), "--version": "1"}
        message = "never replaced"
    else:
        output.touch()
        message = "Expected a folder that can be written"
    with pytest.raises(UserError, match=message):
        export.main([text for pair in flags.items() for text in pair])
    assert [p.name for p in models.iterdir()] == ["1"]
    assert not output.is_dir()
