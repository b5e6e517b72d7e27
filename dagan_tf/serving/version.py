"""A version folder as model servers read it: SavedModel, warm-up requests and model card, in place all at once.

MODELS/NAME/3/                        numbers are versions; a server takes the highest
    saved_model.pb, variables/        see `signatures`
    assets.extra/
        tf_serving_warmup_requests    one request for each signature, run before a server says it is ready
        model_card.json               what the model is
    tflite/                           the files of `tflite`, where they were asked for
"""

import contextlib
import json
import os
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from dagan_tf.data.render import to_uint8
from dagan_tf.errors import UserError
from dagan_tf.serving import warm_up
from dagan_tf.serving.signatures import DEFAULT, Signatures

EXTRA = "assets.extra"
CARD = "model_card.json"


def next_version(folder):
    """The number after the highest version in a model's folder; 1 in a new one."""
    folder = pathlib.Path(folder)
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=0) + 1


@contextlib.contextmanager
def new_version(folder, version):
    """A folder to write a version to, aside; it gets its number when the block ends, and is removed if that raises.

    Args:
        folder: MODELS/NAME.
        version: whole number above 0.

    Raises:
        UserError: the version exists already, or the folder cannot be written.
    """
    folder = pathlib.Path(folder)
    target, aside = folder / str(version), folder / f".{version}.{os.getpid()}"
    _check_free(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
    except OSError as error:
        raise UserError(f"{folder} cannot be written as a model's folder: {error}. Give another --output.") from error
    try:
        yield aside
        _check_free(target)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _check_free(target):
    if target.exists():
        raise UserError(
            f"{target} exists, and a version is never replaced: servers may have it loaded. Leave out --version for "
            "the next free number, or give another one."
        )


def write(generator, dataset, folder, card):
    """Writes SavedModel, warm-up requests and model card.

    Args:
        generator: a folded `Generator`.
        dataset: the `DatasetSpec` of its label files.
        folder: an empty folder, for example that of `new_version`.
        card: the dictionary of `card.model_card`.
    """
    Signatures(generator, dataset).save(folder)
    extra = folder / EXTRA
    extra.mkdir()
    warm_up.write(extra / warm_up.FILE, warm_up.inputs(generator.config, dataset), card["name"])
    (extra / CARD).write_text(json.dumps(card, indent=2) + "\n")


def check(folder, generator, examples):
    """Loads a version folder as a server does and compares its pictures with Keras.

    Args:
        folder: the version folder.
        generator: the `Generator` that was exported.
        examples: batch dictionary of label maps.

    Returns:
        `(largest, mean)` difference in levels of 255.

    Raises:
        UserError: they are more than 1 of 255 apart, or 0.01 on average.
    """
    signature = tf.saved_model.load(str(folder)).signatures[DEFAULT]
    dtypes = {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}
    inputs = {"label_map": examples["label"], "instance_map": examples.get("instance")}
    images = []
    for i in range(len(examples["label"])):  # one by one: at 1024x1024 a picture takes gigabytes
        one = {name: tf.cast(inputs[name][i : i + 1], dtype) for name, dtype in dtypes.items()}
        images.append(signature(**one)["image"].numpy().astype(int))
    expected = to_uint8(generator.predict(examples, batch_size=1, verbose=0))
    difference = np.abs(np.concatenate(images) - expected)
    largest, mean = int(difference.max()), float(difference.mean())
    if largest > 1 or mean > 0.01:
        raise UserError(
            f"The exported model must draw what Keras draws, at most 1 of 255 apart and 0.01 on average. Received: "
            f"{largest} and {mean:.4f}. Nothing was exported: report this with the versions of TensorFlow and Keras."
        )
    return largest, mean
