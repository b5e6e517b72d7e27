"""Sums and checks over the replicas of a step. Without a strategy each function returns what it is given."""

import tensorflow as tf


def mean_over_replicas(values):
    """The means over replicas of a dictionary of float scalars; every replica has to call it."""
    context = tf.distribute.get_replica_context()
    return values if context.num_replicas_in_sync == 1 else context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def finite_together(gradients):
    """Gives the gradients, all NaN on every replica if any replica has one that is not finite.

    Keras' `LossScaleOptimizer` skips a step by what the first replica has, before gradients are summed: an overflow on
    another one would go into the weights of all.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return gradients
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
    bad = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(tf.logical_not(finite), "float32"))
    return [tf.where(bad > 0, float("nan"), g) for g in gradients]


def as_logs(values):
    """The scalars of a step as Keras takes them: on several hosts it averages over a leading axis."""
    strategy = tf.distribute.get_strategy()
    several_hosts = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return {name: value[None] for name, value in values.items()} if several_hosts else values
