"""What several test files share: quiet TensorFlow, a fresh Python process, a tiny run, a convolution in NumPy."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported for the first time

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dagan_tf.config import DataConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.presets import FACADES

ROOT = pathlib.Path(__file__).parents[1]
FACADES_FOLDER = ROOT.parent / "shared/data/facades"


# Files of several minutes, which would leave one of two processes waiting if they came last.
LONG = (
    "test_replicas.py",
    "test_session.py",
    "test_agreement.py",
    "test_export.py",
    "test_precision.py",
    "test_hosts.py",
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def run_python(script, *arguments, **environment):
    """What a script prints in a fresh process, in which nothing of the tests is imported."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def conv2d(x, kernel, bias=0.0, strides=1, padding=None):
    """Zero-padded correlation in float64, tap by tap: x (B, H, W, C), kernel (k, k, C, F), padding (k - 1) / 2."""
    x, kernel = np.asarray(x, "float64"), np.asarray(kernel, "float64")
    size = kernel.shape[0]
    padding = (size - 1) // 2 if padding is None else padding
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    height, width = ((length - size) // strides + 1 for length in x.shape[1:3])
    taps = (
        x[:, i : i + strides * (height - 1) + 1 : strides, j : j + strides * (width - 1) + 1 : strides] @ kernel[i, j]
        for i in range(size)
        for j in range(size)
    )
    return sum(taps) + np.asarray(bias, "float64")


def tiny_config(**train):
    """A `RunConfig` of procedural facades at 32x32 whose epochs have three steps."""
    options = {"batch_size": 4, "perceptual": "off", "epochs": 2, "decay_epochs": 1, "ema": 0.9, **train}
    size = {"image_size": (32, 32), "base_filters": 4, "discriminator_filters": 4, "spade_filters": 8}
    size["semantics"] = "dense"  # traced in 10 s, not 17; `facades_run` trains with the patch table
    data = DataConfig(dataset="procedural", num_examples=12)
    return RunConfig(FACADES.model.replace(**size), FACADES.dataset, data, TrainConfig(**options))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A whole run of `tiny_config()`: `(Run, Outcome)`."""
    from dagan_tf.training.run import Run
    from dagan_tf.training.session import train

    run = Run(tmp_path_factory.mktemp("run") / "finished")
    run.write_config(tiny_config())
    return run, train(tiny_config(), run, options=RunOptions(sample_every=2), verbose=0)


@pytest.fixture(scope="session")
def facades_run(tmp_path_factory):
    """A short run on the real facades at 64x64: its run folder."""
    if not FACADES_FOLDER.is_dir():
        pytest.skip("the facades are not beside this checkout (../shared/data/facades)")
    from dagan_tf.training.run import Run
    from dagan_tf.training.session import train

    size = {"image_size": (64, 64), "base_filters": 8, "discriminator_filters": 8, "spade_filters": 16}
    data = DataConfig(dataset="facades", data_dir=str(FACADES_FOLDER))
    options = TrainConfig(epochs=2, decay_epochs=1, batch_size=8, perceptual="off", ema=0.9, generator_rate=1e-3)
    config = RunConfig(FACADES.model.replace(**size), FACADES.dataset, data, options)
    run = Run(tmp_path_factory.mktemp("run") / "facades")
    run.write_config(config)
    train(config, run, options=RunOptions(sample_every=3), verbose=0)
    return run.path


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many bytes, and one that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size, option=""):
        command = ["mount", "-t", "tmpfs", "-o", f"{option}size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
