"""Exported models for the tests of this folder: the recorded networks of the authors, and a trained run."""

from typing import NamedTuple

import numpy as np

from dagan_tf import export
from dagan_tf.data.datasets import open_source
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.runs.loading import load_model

CARD = {"name": "mine"}
"""The model card of `written`."""


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
    size, seed = config.model.image_size, config.train.seed
    source = open_source(config.data, config.labels, split=split, size=size, seed=seed)
    return next(iter(Pipeline(source, config.model.image_size, count, training=False).epoch()))["label"].numpy()


def exported(run, models, label=None, *flags):
    """Exports a run through the command."""
    assert export.main(["--run", str(run), "--output", str(models), *flags]) == 0
    model, config, _ = load_model(run)
    label = sample_maps(config) if label is None else label
    return Exported(models, model.inference_generator, label.astype(np.uint8), model.generate(label))
