"""Examples that are given as arrays, checked before anything is traced: their values are known, those of others not."""

import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.semantics.inputs import MAPS, check_map, maps_of
from dagan_tf.training.batches import RANGE, ROUNDING, check_image, fractions, named

NAMED_IDS = 5


def check_arrays(x, y, weight, config, images=True):
    """Checks what was given as `x`, `y` and sample weights to a method of Keras, if these are arrays.

    Args:
        x, y, weight: as of `keras.Model.fit`.
        config: the `ModelConfig`.
        images: whether images are needed beside label maps.

    Raises:
        UserError: names, shapes, dtypes or values that no examples have.
    """
    batch = named(x, y, weight, config, images)
    given = {name: value for name, value in batch.items() if value is not None and (images or name in MAPS)}
    for name, value in given.items():
        if not _is_array(value):
            raise UserError(f"{name!r} must be an array. Received: {type(value).__name__}. Give a NumPy array.")
        check_map(value, name, config) if name in MAPS else check_image(value, config)
    counts = {name: len(value) for name, value in given.items()}
    if len(set(counts.values())) > 1 or not counts["label"]:
        found = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
        raise UserError(f"Expected one or more examples, as many of each kind. Received: {found}.")
    for name in maps_of(config):
        _check_whole(np.asarray(given[name]), name)
    _check_classes(np.asarray(given["label"]), config.num_classes)
    if images:
        _check_range(np.asarray(given["image"]))


def is_of_arrays(x):
    """Whether this is given as arrays, or as something that yields batches."""
    return _is_array(x) or isinstance(x, dict | list | tuple)


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__len__")


def _check_whole(ids, name):
    if ids.dtype.kind == "f" and (ids != np.rint(ids)).any():
        raise UserError(f"{fractions(name)}. Resize with nearest-neighbour sampling.")


def _check_classes(label, num_classes):
    if label.min() < 0 or label.max() >= num_classes:
        wrong = np.unique(label[(label < 0) | (label >= num_classes)]).tolist()
        more = f" and {len(wrong) - NAMED_IDS} more" if len(wrong) > NAMED_IDS else ""
        raise UserError(
            f"Label ids must lie in 0..{num_classes - 1}. Received: {', '.join(map(str, wrong[:NAMED_IDS]))}{more}. "
            "Map them to classes first; pixels without a class need a class of their own."
        )


def _check_range(image):
    if image.dtype == np.uint8:
        return
    low, high = float(image.min()), float(image.max())
    if not (low >= -1 - ROUNDING and high <= 1 + ROUNDING):  # not, as NaN is in no range
        raise UserError(f"{RANGE}. Received: values from {low:g} to {high:g}.")
