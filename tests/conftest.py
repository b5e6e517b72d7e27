"""What several test files share: quiet TensorFlow, a fresh Python process, a convolution written out in NumPy."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported for the first time

import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]


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
