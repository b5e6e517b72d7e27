"""One tiny configuration for the tests of training, and one run of it that several tests look at."""

import pytest

from dagan_tf.config import DataConfig, RunConfig, TrainConfig
from dagan_tf.presets import FACADES
from dagan_tf.training.run import Run


def tiny_config(**train):
    """A `RunConfig` of procedural facades at 32x32 whose epochs have three steps."""
    options = {"batch_size": 4, "perceptual": "off", "epochs": 2, "decay_epochs": 1, "ema": 0.9, **train}
    size = {"image_size": (32, 32), "base_filters": 4, "discriminator_filters": 4, "spade_filters": 8}
    data = DataConfig(dataset="procedural", num_examples=12)
    return RunConfig(FACADES.model.replace(**size), FACADES.dataset, data, TrainConfig(**options))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A whole run of `tiny_config()`: `(Run, Outcome)`."""
    from dagan_tf.training.session import train

    run = Run(tmp_path_factory.mktemp("run") / "finished")
    run.write_config(tiny_config())
    return run, train(tiny_config(), run, sample_every=2, verbose=0)
