"""What several test files share: quiet TensorFlow, finished runs, a small disk."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported for the first time

import subprocess

import pytest

from dagan_tf.config import DataConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.presets import FACADES
from tests.helpers import FACADES_FOLDER, tiny_config


def pytest_collection_modifyitems(items):
    """Files that take minutes come first: at the end one of two processes would wait for them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A whole run of `tiny_config()`: `(Run, Outcome)`."""
    from dagan_tf.runs.folder import Run
    from dagan_tf.runs.session import train

    run = Run(tmp_path_factory.mktemp("run") / "finished")
    run.write_config(tiny_config())
    return run, train(tiny_config(), run, options=RunOptions(sample_every=2, semantics="dense"), verbose=0)


@pytest.fixture(scope="session")
def facades_run(tmp_path_factory):
    """A short run on the real facades at 64x64: its run folder."""
    if not FACADES_FOLDER.is_dir():
        pytest.skip("the facades are not beside this checkout (../shared/data/facades)")
    from dagan_tf.runs.folder import Run
    from dagan_tf.runs.session import train

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
