"""Exported models for the tests of this folder: the recorded networks of the release, and a trained run."""

from typing import NamedTuple

import numpy as np
import pytest

from dagan_tf import convert, export
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.data.sources import open_source
from dagan_tf.networks.checkpoint_files import write_state
from dagan_tf.training.run import load_model
from tests import golden
from tests.conftest import FACADES_FOLDER


class Exported(NamedTuple):
    """A model's folder with version 1 in it, and what Keras says."""

    models: object
    """MODELS/NAME."""
    generator: object
    """The Keras generator that was exported."""
    label: object
    """(B, H, W) uint8 label maps."""
    image: object
    """(B, H, W, 3) uint8: Keras' pictures of them."""

    @property
    def version(self):
        return self.models / "1"


def sample_maps(config, count=4, split="test"):
    """Label maps of a run."""
    source = open_source(config.data, config.dataset, config.model.image_size, split, config.train.seed)
    return next(iter(Pipeline(source, config.model.image_size, count, training=False).epoch()))["label"].numpy()


def exported(run, models, label=None, *flags):
    """Exports a run through the command."""
    assert export.main(["--run", str(run), "--output", str(models), *flags]) == 0
    model, config, _ = load_model(run)
    label = sample_maps(config) if label is None else label
    return Exported(models, model.inference_generator, label.astype(np.uint8), model.generate(label))


@pytest.fixture(scope="session")
def golden_model(tmp_path_factory):
    """The recorded networks, converted and exported."""
    folder = tmp_path_factory.mktemp("golden")
    write_state(folder / "latest_net_G.npz", golden.reference_weights("generator"))
    size = ["--image-size", "64", "--base-filters", "8", "--discriminator-filters", "8"]
    files = ["--generator", str(folder / "latest_net_G.npz"), "--output", str(folder / "run")]
    convert.main(["to-run", "--preset", "facades", *files, *size])
    return exported(folder / "run", folder / "models/golden", golden.values()["label"])


@pytest.fixture(scope="session")
def trained_model(request, tmp_path_factory):
    """A trained run, exported: of real facades where they are, else of drawn ones."""
    if FACADES_FOLDER.is_dir():
        run = request.getfixturevalue("facades_run")
    else:
        run = request.getfixturevalue("finished_run")[0].path
    return exported(run, tmp_path_factory.mktemp("models") / "facades")


@pytest.fixture(scope="session", params=["golden_model", "trained_model"])
def model(request):
    """Each of the two."""
    return request.getfixturevalue(request.param)
