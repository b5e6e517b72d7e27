"""What several test files share: a fresh Python process, what is made once, a convolution, a tiny configuration."""

import fcntl
import os
import pathlib
import subprocess
import sys

import numpy as np

from dagan_tf.config import DataConfig, RunConfig, TrainConfig
from dagan_tf.files import replaced
from dagan_tf.presets import facades

ROOT = pathlib.Path(__file__).parents[1]
FACADES_FOLDER = ROOT.parent / "shared/data/facades"


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


def made_once(tmp_path_factory, name, make):
    """A folder that `make(folder)` fills in the first process of the suite that asks for it; the others wait."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which all processes have
    with open(folder / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / name).is_dir():
            with replaced(folder / name) as unfinished:
                unfinished.mkdir()
                make(unfinished)
    return folder / name


def tiny_config(**train):
    """A `RunConfig` of procedural facades at 32x32 whose epochs have three steps."""
    options = {"batch_size": 4, "perceptual": "off", "epochs": 2, "decay_epochs": 1, "ema": 0.9, **train}
    size = {"image_size": (32, 32), "base_filters": 4, "discriminator_filters": 4, "spade_filters": 8}
    data = DataConfig(dataset="procedural", num_examples=12)
    return RunConfig(facades.MODEL.replace(**size), facades.LABELS, data, TrainConfig(**options))
