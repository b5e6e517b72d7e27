"""How an exported model compares with Keras: its pictures, and how long they take."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.exports.quality import psnr
from dagan_tf.exports.signatures import DEFAULT
from dagan_tf.images import to_uint8
from dagan_tf.inference import one_by_one, traced
from dagan_tf.networks import Generator

LEAST_DECIBELS = 30
"""A picture in half precision that is farther from Keras' is another picture."""


def reference_of(generator, config):
    """The `Generator` that an export is compared with: dense and not folded, with a `ModelConfig`'s image size."""
    reference = Generator(config, "dense")
    reference.set_weights(generator.get_weights())
    return reference


def check(folder, generator, examples):
    """Loads a version folder as a server does and compares its pictures with Keras.

    Args:
        folder: the version folder.
        generator: the `Generator` that was trained, of the version's size, not folded.
        examples: batch dictionary of label maps.

    Returns:
        `(largest, mean)` difference in levels of 255.

    Raises:
        UserError: they are more than 1 of 255 apart, or 0.01 on average, or not finite.
    """
    images, expected = _both(folder, generator, examples)
    difference = np.abs(images - expected)
    largest, mean = int(difference.max()), float(difference.mean())
    if largest > 1 or mean > 0.01:
        advice = "report this with the versions of TensorFlow and Keras"
        raise _apart("at most 1 of 255 apart and 0.01 on average", f"{largest} and {mean:.4f}", advice)
    return largest, mean


def check_half(folder, generator, examples):
    """Compares the pictures of a version in half precision with Keras in float32; arguments are those of `check`.

    Returns:
        Peak signal-to-noise ratio in dB.

    Raises:
        UserError: it is below `LEAST_DECIBELS`, or pictures are not finite.
    """
    decibels = psnr(*_both(folder, generator, examples))
    if decibels < LEAST_DECIBELS:
        raise _apart(f"with a PSNR of {LEAST_DECIBELS} dB", f"{decibels:.1f} dB", "export with `precision` float32")
    return decibels


def _apart(expected, received, advice):
    return UserError(
        f"The exported model must draw what Keras draws, {expected}. Received: {received}. "
        f"Nothing was exported: {advice}."
    )


def _both(folder, generator, examples):
    """Pictures of a version folder and of Keras, as integers."""
    expected = one_by_one(traced(generator), examples)
    if not np.isfinite(expected).all():
        raise UserError("The generator's pictures are not finite: nothing was exported. Export an earlier checkpoint.")
    signature = tf.saved_model.load(str(folder)).signatures[DEFAULT]
    dtypes = {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}

    def draw(batch):
        inputs = {"label_map": batch["label"], "instance_map": batch.get("instance")}
        return signature(**{name: tf.cast(inputs[name], dtype) for name, dtype in dtypes.items()})["image"]

    return one_by_one(draw, examples).astype(int), to_uint8(expected).astype(int)


class Speed(NamedTuple):
    """Milliseconds for one picture on this machine."""

    full: float
    """In float32."""
    half: float
    """In half precision."""

    @property
    def ratio(self):
        """Time in half precision over time in float32: above 1 where half precision is slower."""
        return self.half / self.full


def measure_speed(full, half, examples):
    """Times a generator in both precisions; they take turns, so that a drift of the machine's speed hits both.

    Args:
        full, half: folded `Generator`s in float32 and in half precision.
        examples: batch dictionary of label maps; each is drawn once by both, after a first one to warm up.

    Returns:
        A `Speed` of medians.
    """
    draws, times = (traced(full), traced(half)), ([], [])
    singles = [{key: maps[i : i + 1] for key, maps in examples.items()} for i in range(len(examples["label"]))]
    for turn, single in enumerate([singles[0], *singles]):
        for draw, measured in zip(draws, times, strict=True):
            began = time.perf_counter()
            draw(single).numpy()
            if turn:
                measured.append(1000 * (time.perf_counter() - began))
    return Speed(*(float(np.median(measured)) for measured in times))
