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
        parts: how many there are; B must be a multiple, which is checked when the step runs if B is not known before.
        after: tensors that the first of several parts waits for.

    Returns:
        The nest that `function` returns.

    Raises:
        UserError: B is known, and no multiple.
    """
    if parts == 1:
        return function(batch)
    batch = {key: _divided(value, parts) for key, value in batch.items()}

    def compute(part):
        result = function({key: tf.gather(value, part, axis=1) for key, value in batch.items()})
        return tf.nest.map_structure(tf.convert_to_tensor, result)

    with tf.control_dependencies([tf.group(*after)]):
        total = compute(0)
    total = (_add_in_a_row if tf.distribute.has_strategy() else _add_in_a_loop)(compute, parts, total)
    return tf.nest.map_structure(lambda x: x / parts, total)


def _divided(value, parts):
    """Examples (B, ...) as (B / parts, parts, ...)."""
    value = tf.convert_to_tensor(value)
    message = f"A device's share of a batch goes in {parts} parts: expected a multiple, at least {parts}."
    size = value.shape[0]
    if size is None:
        size = tf.shape(value)[0]
        fits = tf.debugging.Assert(tf.logical_and(size > 0, size % parts == 0), [message, "Received:", size])
        with tf.control_dependencies([fits]):
            return tf.reshape(value, (-1, parts, *value.shape[1:]))
    if size % parts or not size:
        raise UserError(f"{message} Received: {size}.")
    return tf.reshape(value, (size // parts, parts, *value.shape[1:]))


def _add_in_a_loop(compute, parts, total):
    """One graph for all parts, and the only form in which XLA keeps one part in memory."""

    def add(part, total):
        return part + 1, tf.nest.map_structure(tf.add, total, compute(part))

    # Else the second part, which needs no sum before its end, begins beside the first.
    with tf.control_dependencies([tf.group(*tf.nest.flatten(total))]):
        second = tf.constant(1)
    return tf.while_loop(lambda part, total: part < parts, add, (second, total), parallel_iterations=1)[1]


def _add_in_a_row(compute, parts, total):
    """For a strategy's replicas, which agree on variables and sums: TensorFlow refuses their merge calls in a loop."""
    for part in range(1, parts):
        # Else a graph computes all parts at once, and holds all of their activations and kernels. A group, because each
        # operator of a part gets an edge to each tensor that is named here.
        with tf.control_dependencies([tf.group(*tf.nest.flatten(total))]):
            total = tf.nest.map_structure(tf.add, total, compute(part))
    return total
