"""What a training step takes: batches as Keras hands them over, and the checks of label maps."""

import keras
import numpy as np
import tensorflow as tf

from dagan_tf.errors import UserError

MAPS = ("label", "instance")
"""What the generator reads of a batch."""


def batch_of(data):
    """The dictionary in what Keras hands to a step: arrays come as (x, y, sample weight), datasets as they are."""
    return keras.utils.unpack_x_y_sample_weight(data)[0]


def assert_examples(batch):
    """An operation that fails on a replica that gets no example, as of the last batch of a dataset."""
    message = "Each replica needs examples of each batch: give batches of one size (drop_remainder=True)."
    return tf.debugging.Assert(tf.shape(batch["label"])[0] > 0, [message])


def assert_classes(label, num_classes):
    """An operation that fails on an id outside the classes: `one_hot` would turn it into zeros without a word."""
    low, high = tf.reduce_min(label), tf.reduce_max(label)
    inside = tf.logical_and(low >= 0, tf.cast(high, "int32") < num_classes)
    return tf.debugging.Assert(inside, [f"label ids must lie in 0..{num_classes - 1}; found ids from", low, "to", high])


def checked_maps(label, instance, config):
    """Label maps and instance maps of a user as a batch dictionary.

    Args:
        label: integers (H, W) or (B, H, W), classes 0..num_classes-1.
        instance: integers of the same shape, or `None`.
        config: the `ModelConfig`.

    Returns:
        A dictionary of `"label"` (B, H, W) and, where given, `"instance"` (B, H, W).

    Raises:
        UserError: ids outside the classes, another size than the configuration's, or another number of instance maps.
    """
    batch = {"label": _checked(label, "label", config.image_size)}
    low, high = int(label.min()), int(label.max())
    if low < 0 or high >= config.num_classes:
        raise UserError(f"Label ids must lie in 0..{config.num_classes - 1}. Received: ids from {low} to {high}.")
    if instance is not None:
        batch["instance"] = _checked(np.asarray(instance), "instance", config.image_size)
        expected, received = len(batch["label"]), len(batch["instance"])
        if received != expected:
            raise UserError(f"instance must have as many maps as label, {expected}. Received: {received}.")
    return batch


def _checked(array, name, size):
    if array.ndim not in (2, 3) or array.shape[-2:] != size or array.dtype.kind not in "iu" or not array.size:
        raise UserError(
            f"{name} must be integers of shape {size} or (B, {size[0]}, {size[1]}), image_size. "
            f"Received: {array.dtype} {array.shape}."
        )
    return array.reshape(-1, *size)
