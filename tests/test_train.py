"""The train command: what it resolves, prints and refuses, and one real run stopped by Ctrl-C and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dagan_tf import train
from dagan_tf.errors import UserError
from dagan_tf.runs.folder import Run
from dagan_tf.runs.session import Outcome
from tests.helpers import ROOT

SMALL = ["--image-size", "32", "--base-filters", "4", "--discriminator-filters", "4", "--spade-filters", "8"]
SMALL += ["--semantics", "dense"]  # quicker to trace
TINY = ["--dataset", "procedural", "--num-examples", "12", *SMALL, "--perceptual", "off"]


def resolve(*flags):
    _, config = train.open_run(train.parser().parse_args(flags))
    return config


def test_flags_override_the_preset():
    config = resolve("--preset", "ade20k", "--base-filters", "32", "--batch-size", "2", "--seed", "5")
    assert (config.model.num_classes, config.model.base_filters, config.model.depth) == (151, 32, "normal")
    assert (config.train.batch_size, config.train.seed, config.train.epochs) == (2, 5, 100)
    assert (config.labels.first_id, config.labels.unknown_id) == (1, 0)
    assert resolve().data.dataset == "facades"
    assert resolve().model.image_size == (1024, 1024)


@pytest.mark.parametrize(
    ("preset", "figures"),
    [("facades", ("92,445,333", "5,554,306", "92,359,107")), ("cityscapes", ("93,134,229", "5,601,410", "93,048,003"))],
)
def test_dry_run_prints_configuration_and_table_3(preset, figures, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--preset", preset, "--cam-levels", "last", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text[: text.rindex("}") + 1])["model"]["cam_levels"] == "last"
    for figure in figures:
        assert figure in text
    assert list(tmp_path.iterdir()) == []


def folder_pairs(root, labels, photos):
    """Makes folders of label maps (arrays or bytes by name) and photographs; returns the command's flags."""
    for folder, files in (("labels", labels), ("photos", photos)):
        (root / folder).mkdir()
        for name, content in files.items():
            if isinstance(content, bytes):
                (root / folder / name).write_bytes(content)
            else:
                Image.fromarray(content).save(root / folder / name)
    folders = ["--label-dir", str(root / "labels"), "--image-dir", str(root / "photos")]
    return ["--dataset", "folder", *folders, "--num-classes", "3", *SMALL, "--perceptual", "off", "--batch-size", "1"]


LABEL, PHOTO = np.ones((32, 32), "uint8"), np.zeros((32, 32, 3), "uint8")


def cut_off(suffix):
    import io

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 3 if suffix == "png" else 255, (64, 64), dtype="uint8")
    Image.fromarray(noise).save(buffer, suffix)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


@pytest.mark.parametrize(
    ("labels", "photos", "message"),
    [
        ({}, {}, "Received: none"),
        ({"a.png": LABEL}, {"b.png": PHOTO}, "without photo"),
        ({"a.png": cut_off("png")}, {"a.png": PHOTO}, "a.png: expected a whole picture"),
        ({"a.png": LABEL}, {"a.jpg": cut_off("jpeg")}, "a.jpg: expected a whole picture"),
        ({"a.png": LABEL * 3}, {"a.png": PHOTO}, r"a.png: .*3 classes.*id 3 \(1024 pixels\)"),
        ({"a.png": PHOTO}, {"a.png": PHOTO}, "grey or palette picture"),
        ({"a.png": LABEL}, {"a.png": PHOTO[:16]}, "equal size"),
    ],
    ids=["empty", "unpaired", "truncated png", "truncated jpeg", "bad id", "rgb label", "sizes"],
)
def test_bad_pairs(tmp_path, labels, photos, message):
    flags = folder_pairs(tmp_path, labels, photos)
    with pytest.raises(UserError, match=message):
        train.main([*flags, "--run-dir", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "facades", "--data-dir", "nowhere"], "nowhere"),
        (["--dataset", "facades", "--data-dir", "."], "CMP_facade_DB_base.zip"),
        (["--image-size", "100"], "multiple of 32"),
        ([*TINY[:-1], "missing.npz"], "missing.npz"),
        (["--resume", "nowhere"], "config.json"),
        (["--resume", "nowhere", "--run-dir", "runs/other"], "leave out --run-dir"),
        ([*TINY, "--best", "g_perceptual", "--dry-run"], "no perceptual loss"),
        (["--label-dir", "labels"], "`label_dir` is for `dataset` folder"),
        ([*TINY, "--data-dir", "."], "`data_dir` is for `dataset` facades"),
        ([*TINY, "--num-classes", "5"], "13 classes. Received: 5"),
        ([*TINY, "--preset", "ade20k"], "13 classes. Received: 151"),
        ([*TINY, "--run-dir", "file"], r"Expected a folder that can be written at .*file\. Received: Not a directory"),
    ],
)
def test_bad_flags_leave_nothing(tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=message):
        train.main([*flags, *([] if "--image-size" in flags or "--resume" in flags else SMALL)])
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["sample_every", "keep", "checkpoint_every", "accumulate", "batch_size"])
def test_numbers_below_one(name):
    with pytest.raises(UserError, match=f"`{name}` must be a whole number of at least 1"):
        train.main(["--" + name.replace("_", "-"), "0"])


def test_unknown_dataset_lists_those_there_are(capsys):
    with pytest.raises(SystemExit) as exit_:
        train.main(["--dataset", "faces"])
    assert exit_.value.code == 2
    assert "facades" in capsys.readouterr().err


def test_a_folder_with_a_run_is_not_overwritten(finished_run, tmp_path):
    with pytest.raises(UserError, match="`resume`"):
        train.main([*TINY, "--run-dir", str(finished_run[0].path)])


def test_resume_from_another_configuration_names_the_fields(finished_run):
    flags = ["--resume", str(finished_run[0].path), "--base-filters", "8", "--seed", "3", "--ema", "0.9"]
    with pytest.raises(UserError) as error:
        train.main(flags)
    assert "model.base_filters: the run has 4, given was 8" in str(error.value)
    assert "train.seed: the run has 0, given was 3" in str(error.value)
    assert "ema" not in str(error.value)


def test_a_dry_run_refuses_what_training_would(tmp_path):
    process = start(*TINY, "--devices", "3", "--dry-run")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (2, "")
    assert "multiple of 3. Received: 4" in errors


def test_the_exit_status_of_numbers_that_are_not_finite(finished_run, capsys):
    assert train.report(finished_run[0], Outcome(3, 9, not_finite=("g_hinge",))) == train.NOT_FINITE == 4
    assert "not a finite number at step 3: g_hinge" in capsys.readouterr().err


def test_dry_run_of_a_run_prints_its_configuration_and_changes_nothing(finished_run, capsys):
    run = finished_run[0]
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*")}
    assert train.main(["--resume", str(run.path), "--dry-run"]) == 0
    assert '"base_filters": 4' in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in run.path.rglob("*")} == before


@pytest.mark.parametrize("semantics", ["dense", "patch_table"])
def test_a_run_resumes_with_other_semantics(finished_run, tmp_path, capsys, semantics):
    """They change no number: `finished_run` was trained with dense semantics, and either way it can go on."""
    run = Run(shutil.copytree(finished_run[0].path, tmp_path / "run"))
    shutil.rmtree(run.latest())
    assert run.latest().name == "step-00000006"
    assert train.main(["--resume", str(run.path), "--semantics", semantics]) == 0
    printed = capsys.readouterr().out
    assert "Building the training graph ..." in printed
    assert "... the first step took" in printed
    assert "Finished 9 steps" in printed
    assert run.read_config() == finished_run[0].read_config()


def test_resume_of_a_finished_run_says_so(finished_run, capsys):
    assert train.main(["--resume", str(finished_run[0].path)]) == 0
    assert "Finished 9 steps" in capsys.readouterr().out


def start(*flags):
    command = [sys.executable, "-u", "-m", "dagan_tf.train", *flags]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path, seconds=240):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert path.exists()


def test_ctrl_c_and_resume_in_a_real_process(tmp_path):
    run = tmp_path / "run"
    process = start(*TINY, "--epochs", "4000", "--decay-epochs", "0", "--run-dir", str(run), "--sample-every", "10000")
    wait_for(run / "checkpoints")
    assert json.loads((run / "config.json").read_text())["train"]["epochs"] == 4000
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    last = output.strip().splitlines()[-1]
    assert last.startswith("Stopped at step ")
    assert f"--resume {run}" in last
    step = int(last.split()[3])

    process = start("--resume", str(run))
    newest = run / "checkpoints" / f"step-{3 * (step // 3 + 2):08d}"
    wait_for(newest)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143
    assert int(output.strip().splitlines()[-1].split()[3]) > step


def test_the_process_prints_a_sentence_for_bad_input(tmp_path):
    process = start("--dataset", "facades", "--data-dir", str(tmp_path / "none"), *SMALL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("error: Expected a folder")
    assert output == ""
