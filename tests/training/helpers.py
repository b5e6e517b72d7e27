"""A small `DAGAN` and examples for it, to try Keras' methods on."""

import keras
import numpy as np

from dagan_tf.training.dagan import DAGAN

CLASSES, SIZE = 13, (32, 64)
SMALL = {"image_size": SIZE, "base_filters": 2, "discriminator_filters": 2, "spade_filters": 2, "cam_filters": 2}


def make_model(eager=True, **overrides):
    keras.utils.set_random_seed(0)
    options = {"ema": overrides.pop("ema", 0.0), "semantics": "dense"}
    model = DAGAN.from_preset("facades", **options, **{**SMALL, **overrides})
    model.compile(run_eagerly=eager)
    return model


def examples(count=2):
    """Labels uint8 (B, H, W) and images that are whole levels, float32 (B, H, W, 3) in [-1, 1]."""
    rng = np.random.default_rng(0)
    label = rng.integers(CLASSES, size=(count, *SIZE)).astype("uint8")
    return label, rng.integers(256, size=(count, *SIZE, 3)).astype("float32") / 127.5 - 1
