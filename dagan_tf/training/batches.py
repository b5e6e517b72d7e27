"""What a training step takes: the forms in which people hand over examples, and what their values must be.

Names, shapes and dtypes are checked when a step is traced; values, such as ids outside the classes, while it runs.
"""

import contextlib
import sys

import keras
import tensorflow as tf

from dagan_tf.backend import under_xla
from dagan_tf.errors import UserError
from dagan_tf.images import from_uint8_tensor
from dagan_tf.semantics.inputs import MAPS, check_names, dtype_of, is_float, label_maps

KEYS = (*MAPS, "image")
RANGE = "Images must be floats in [-1, 1], as `image / 127.5 - 1` makes them, or uint8"
ROUNDING = 0.01
"""How far beyond [-1, 1] images may lie."""
FROM_0_TO_1 = (
    "warning: The images of the first batch lie in 0..1. The generator draws in [-1, 1], where 0 is grey: "
    "give `image * 2 - 1`, or uint8."
)


def batch_of(data, config):
    """The batch dictionary in what Keras hands to a step of training or evaluation.

    Args:
        data: a dictionary; or a pair (x, y) of label maps, or of a dictionary of maps, and images.
        config: the `ModelConfig`.

    Returns:
        A dictionary of `"label"` and, where it is read, `"instance"`, integers (B, H, W), and `"image"`, float32
        (B, H, W, 3) in [-1, 1].

    Raises:
        UserError: another form.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    batch = named(x, y, weight, config)
    return {**maps_of_whole_numbers(batch, config), "image": _image(batch["image"], config)}


def maps_of_whole_numbers(inputs, config):
    """`label_maps` of a network's inputs, which fail when they are read if maps of floats are no whole numbers."""
    maps = label_maps(inputs, config)
    inputs = inputs if isinstance(inputs, dict) else {"label": inputs}
    for name in maps:
        if hasattr(inputs[name], "dtype") and is_float(dtype_of(inputs[name])):
            whole = tf.reduce_all(inputs[name] == tf.round(inputs[name]))
            with tf.control_dependencies([check(whole, fractions(name))]):
                maps[name] = tf.identity(maps[name])
    return maps


def named(x, y, weight, config, images=True):
    """The dictionary of what was given as `x`, `y` and sample weights to a method of Keras.

    Raises:
        UserError: it has other names than a batch, lacks one of them, or has weights.
    """
    if weight is not None:
        raise UserError("The losses of pictures take no sample or class weights. Received: some. Leave them out.")
    if isinstance(x, list | tuple):
        raise UserError(
            f"Expected label maps as one array, or a dictionary of arrays. Received: a {type(x).__name__} of {len(x)}. "
            "Give labels as `x` and images as `y`, or numpy.stack(labels)."
        )
    batch = dict(x) if isinstance(x, dict) else {"label": x}
    if y is not None:
        batch |= y if isinstance(y, dict) else {"image": y}
    if unknown := [repr(name) for name in batch if name not in KEYS]:
        raise UserError(
            f"A batch has the names {', '.join(map(repr, KEYS))}. Received: also {', '.join(unknown)}. Rename or leave "
            "them out."
        )
    check_names(batch, config)
    if images and batch.get("image") is None:
        raise UserError(
            'Training and evaluation need images beside label maps: give dictionaries with "label" and "image", or '
            f"pairs (label, image). Received: {', '.join(map(repr, batch))}."
        )
    return batch


def fractions(name):
    """What is said of maps that are no whole numbers."""
    return f'Ids of "{name}" must be whole numbers. Received: fractions, as of maps resized with interpolation'


def check_image(image, config):
    """Raises `UserError` for images of a shape or dtype that are none; an array or a tensor of a batch."""
    shape, (height, width) = tuple(image.shape), config.image_size
    fits = len(shape) == 4 and all(n in (None, m) for n, m in zip(shape[1:], (height, width, 3), strict=True))
    if not fits:
        raise UserError(
            f'"image" must be a batch of RGB images (B, {height}, {width}, 3). Received: shape {shape}. '
            f"{_advice(shape, config.image_size)}"
        )
    dtype = dtype_of(image)
    if dtype != "uint8" and not is_float(dtype):
        raise UserError(f"{RANGE}. Received: {dtype}. Give one of these.")


def _advice(shape, size):
    """What to do about images of a wrong shape."""
    if shape == (*size, 3):
        return "Give a single image an axis for the batch: image[None]."
    if shape == (3, *size) or (len(shape) == 4 and shape[1] == 3):
        return "Channels come last: numpy.moveaxis(image, -3, -1)."
    if len(shape) == 3 or shape[3:] == (1,):
        return "Grey images become RGB by repeating them: numpy.repeat(image[..., None], 3, axis=-1)."
    if shape[3:] == (4,):
        return "Leave out the alpha channel: image[..., :3]."
    return "Resize the images with their label maps, or build the networks with their `image_size`."


def _image(image, config):
    image = tf.convert_to_tensor(image)
    check_image(image, config)
    return from_uint8_tensor(image) if image.dtype == tf.uint8 else tf.cast(image, tf.float32)


MARK = "dagan_tf: "
"""How a message begins that `plain_errors` finds in what TensorFlow raises."""


def check(condition, *words):
    """An operation that fails with words, some of which may be tensors; outside of a graph it raises `UserError`."""
    if tf.executing_eagerly():
        if not condition:
            raise UserError(" ".join(str(word.numpy() if tf.is_tensor(word) else word) for word in words) + ".")
        return tf.no_op()
    return tf.debugging.Assert(condition, [MARK + words[0], *words[1:]])


@contextlib.contextmanager
def plain_errors():
    """A context out of which what the assertions below found comes as a `UserError`, without TensorFlow's trace."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = [line.partition(f"[{MARK}")[2] for line in error.message.splitlines() if f"[{MARK}" in line]
        if not found:
            raise
        raise UserError(found[0].rstrip("] ").replace("] [", " ") + ".") from None


def assert_values(batch, config, tell=False):
    """Operations that fail on values that no example has: nothing may move, not even a step count, before they ran.

    Args:
        batch: what `batch_of` returns.
        config: the `ModelConfig`.
        tell: bool, or a bool tensor: whether to print that images seem to lie in 0..1.
    """
    low, high = tf.reduce_min(batch["image"]), tf.reduce_max(batch["image"])
    inside = (low >= -1 - ROUNDING) & (high <= 1 + ROUNDING)
    checks = [assert_examples(batch), assert_classes(batch["label"], config.num_classes)]
    checks.append(check(inside, f"{RANGE}. Received: values from", low, "to", high))
    if not under_xla():  # which cannot print
        tells = tf.cast(tell, tf.bool) & (low >= 0)
        checks.append(tf.cond(tells, lambda: tf.print(FROM_0_TO_1, output_stream=sys.stderr), tf.no_op))
    return checks


def assert_examples(batch):
    """An operation that fails on a replica that gets no example, as of the last batch of a dataset."""
    there_are = tf.shape(batch["label"])[0] > 0
    return check(there_are, "Each replica needs examples of each batch: give batches of one size, drop_remainder=True")


def assert_classes(label, num_classes):
    """An operation that fails on an id outside the classes: `one_hot` would turn it into zeros without a word."""
    low, high = tf.reduce_min(label), tf.reduce_max(label)
    inside = tf.logical_and(low >= 0, tf.cast(high, "int64") < num_classes)
    return check(inside, f"Label ids must lie in 0..{num_classes - 1}. Received: ids from", low, "to", high)
