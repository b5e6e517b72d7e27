"""Gradient accumulation: the step of a large batch in the memory of a small one."""

import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.training.batches import check


def mean_over_micro_batches(function, batch, count, after=()):
    """The mean of a function's results over the micro-batches of a batch, computed one after the other.

    Micro-batch p of n holds the examples p, p + n, p + 2n, ...: the same examples of a global batch, however many
    replicas divide it.

    Args:
        function: of a batch to a nest of float tensors, its losses and gradients.
        batch: a dictionary of tensors (B, ...).
        count: how many micro-batches there are; B must be a multiple, which is checked when the step runs if B is not
            known before.
        after: tensors that the first micro-batch waits for.

    Returns:
        The nest that `function` returns.

    Raises:
        UserError: B is known, and no multiple.
    """
    batch = {key: _divided(value, count) for key, value in batch.items()}

    def compute(i):
        result = function({key: tf.gather(value, i, axis=1) for key, value in batch.items()})
        return tf.nest.map_structure(tf.convert_to_tensor, result)

    with tf.control_dependencies([tf.group(*after)]):
        total = compute(0)
    total = (_add_in_a_row if tf.distribute.has_strategy() else _add_in_a_loop)(compute, count, total)
    return tf.nest.map_structure(lambda x: x / count, total)


def _divided(value, count):
    """Divides examples: (B, ...) to (B / count, count, ...)."""
    value = tf.convert_to_tensor(value)
    message = f"`accumulate` divides a device's examples into {count} micro-batches: expected a multiple of {count}."
    size = value.shape[0]
    if size is None:
        size = tf.shape(value)[0]
        fits = check(tf.logical_and(size > 0, size % count == 0), message, "Received:", size)
        with tf.control_dependencies([fits]):
            return tf.reshape(value, (-1, count, *value.shape[1:]))
    if size % count or not size:
        raise UserError(f"{message} Received: {size}.")
    return tf.reshape(value, (size // count, count, *value.shape[1:]))


def _add_in_a_loop(compute, count, total):
    """Adds up in a loop of the graph: one graph for all micro-batches, and XLA keeps only one of them in memory."""

    def add(i, total):
        return i + 1, tf.nest.map_structure(tf.add, total, compute(i))

    # Without this edge the second micro-batch, which needs the sum only at its end, begins beside the first, and both
    # are in memory.
    with tf.control_dependencies([tf.group(*tf.nest.flatten(total))]):
        second = tf.constant(1)
    return tf.while_loop(lambda i, total: i < count, add, (second, total), parallel_iterations=1)[1]


def _add_in_a_row(compute, count, total):
    """Adds up without a loop, for replicas of a strategy: TensorFlow refuses their merge calls inside a loop."""
    for i in range(1, count):
        # Without this edge the graph computes all micro-batches at once and holds all of their activations. The tensors
        # are grouped, because each operator of a micro-batch gets an edge to each tensor that is named here.
        with tf.control_dependencies([tf.group(*tf.nest.flatten(total))]):
            total = tf.nest.map_structure(tf.add, total, compute(i))
    return total
