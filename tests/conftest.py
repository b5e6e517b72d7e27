"""What several test files share: quiet TensorFlow, finished runs, a small disk."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported for the first time
if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes of the suite share the cores: threads for all of them in each would only wait for one another.
    # On two cores sums are then made by one thread; a file that is tested alone has all of them.
    threads = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, threads)))

import pickle
import subprocess

import pytest

from dagan_tf.config import DataConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.presets import facades
from tests.helpers import FACADES_FOLDER, made_once, tiny_config


def pytest_collection_modifyitems(items):
    """Files that take minutes come first: at the end one of two processes would wait for them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def trained(folder, config, options):
    """Trains in `folder/run` and keeps the `Outcome` beside it."""
    from dagan_tf.runs.folder import Run
    from dagan_tf.runs.session import train

    run = Run(folder / "run")
    run.write_config(config)
    (folder / "outcome").write_bytes(pickle.dumps(train(config, run, options=options, verbose=0)))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A whole run of `tiny_config()`, which tests read only: `(Run, Outcome)`."""
    from dagan_tf.runs.folder import Run

    options = RunOptions(sample_every=2, semantics="dense")
    folder = made_once(tmp_path_factory, "finished", lambda folder: trained(folder, tiny_config(), options))
    return Run(folder / "run"), pickle.loads((folder / "outcome").read_bytes())


@pytest.fixture(scope="session")
def facades_run(tmp_path_factory):
    """A short run on the real facades at 64x64, which tests read only: its run folder."""
    if not FACADES_FOLDER.is_dir():
        pytest.skip("the facades are not beside this checkout (../shared/data/facades)")
    size = {"image_size": (64, 64), "base_filters": 8, "discriminator_filters": 8, "spade_filters": 16}
    data = DataConfig(dataset="facades", data_dir=str(FACADES_FOLDER))
    options = TrainConfig(epochs=2, decay_epochs=1, batch_size=8, perceptual="off", ema=0.9, generator_rate=1e-3)
    config = RunConfig(facades.MODEL.replace(**size), facades.LABELS, data, options)
    return made_once(tmp_path_factory, "facades", lambda f: trained(f, config, RunOptions(sample_every=3))) / "run"


@pytest.fixture(scope="session")
def counter(tmp_path_factory):
    """A model's folder with version 1 of `tests.server.helpers.Counter`, to read only."""
    from tests.server.helpers import export

    return made_once(tmp_path_factory, "served", lambda folder: export(folder / "counter", 1)) / "counter"


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
