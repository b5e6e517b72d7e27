"""A small generator as training leaves it."""

import functools

import keras
import numpy as np

from dagan_tf.config import ModelConfig
from dagan_tf.networks.generator import Generator

SMALL = ModelConfig(num_classes=3, image_size=(32, 64), base_filters=2, spade_filters=4, use_instance_edges=True)


def batch(config=SMALL, seed=1):
    rng = np.random.default_rng(seed)
    label = rng.integers(config.num_classes, size=(2, *config.image_size))
    return {"label": label, "instance": label // 2}


@functools.cache
def trained(config=SMALL):
    """A generator with weights, u, v and statistics of ordinary size, whose tanh is not saturated, to read only."""
    keras.utils.set_random_seed(0)  # u and v begin at random
    generator = Generator(config)
    rng = np.random.default_rng(0)
    for weight in generator.trainable_weights:
        weight.assign((0.03 if "conv_img" in weight.path else 0.3) * rng.normal(size=weight.shape))
    for _ in range(8):  # singular vectors and statistics of these weights
        generator(batch(config), training=True)
    return generator
