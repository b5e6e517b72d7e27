"""The model card: a JSON file beside an exported model that says what it is."""

import datetime
import platform

import keras
import tensorflow as tf

import dagan_tf
from dagan_tf.presets import PRESETS


def model_card(name, generator, labels, step, weights):
    """Describes an exported model for people and programs that find its version folder.

    Args:
        name: as it is served.
        generator: the `Generator` that is exported.
        labels: the `LabelSpec` of its label files.
        step: training steps that the weights have seen.
        weights: "generator" or "moving average".

    Returns:
        A dictionary of JSON values.
    """
    # Without names for its classes a data set of one's own may have the numbers of a preset's.
    own = [preset for preset, values in PRESETS.items() if labels.class_names and values.labels == labels]
    return {
        "name": name,
        "model": "Dual Attention GAN: label map to photograph (Tang, Bai, Sebe, ACM MM 2020)",
        "preset": own[0] if own else None,
        "image_size": list(generator.config.image_size),
        "classes": [_class(i, labels) for i in range(labels.num_classes)],
        "step": step,
        "weights": weights,
        "precision": generator.compute_dtype,
        "parameters": generator.count_params(),
        "configuration": generator.config.to_dict(),
        "versions": {
            "dagan_tf": dagan_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _class(index, labels):
    """A class with its id in label files, and name and colour where the data set has them."""
    entry = {"class": index, "id": labels.id_of(index)}
    if labels.class_names:
        entry["name"] = labels.name_of(index)
    if labels.palette:
        entry["colour"] = list(labels.palette[index])
    return entry
