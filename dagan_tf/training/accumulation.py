"""A step on a large batch in the memory of a small one."""

import tensorflow as tf

from dagan_tf.errors import UserError


def mean_over_parts(function, batch, parts, after=()):
    """The mean of a function's results over the parts of a batch, computed one after the other.

    Part p holds the examples p, p + parts, p + 2 parts, ...: the same examples of a global batch, in whatever shares
    replicas get it.

    Args:
        function: of a batch to a nest of float tensors, its losses and gradients.
        batch: a dictionary of tensors (B, ...).
        parts: how many there are; B must be a multiple.
        after: tensors that the first of several parts waits for.

    Returns:
        The nest that `function` returns.

    Raises:
        UserError: B is known, and no multiple.
    """
    if parts == 1:
        return function(batch)
    size = next(iter(batch.values())).shape[0]
    if size is not None and size % parts:
        raise UserError(f"A device's share of a batch goes in {parts} parts: expected a multiple. Received: {size}.")
    total = None
    for part in range(parts):
        # Else a graph computes all parts at once, and holds all of their activations and kernels. A group, because each
        # operator of a part gets an edge to each tensor that is named here.
        with tf.control_dependencies([tf.group(*(tf.nest.flatten(total) if part else after))]):
            examples = {key: tf.identity(value[part::parts]) for key, value in batch.items()}
            result = function(examples)
            total = result if part == 0 else tf.nest.map_structure(tf.add, total, result)
    return tf.nest.map_structure(lambda x: x / parts, total)
