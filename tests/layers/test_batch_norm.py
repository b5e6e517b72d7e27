"""Batch normalisation against NumPy's moments and their closed-form gradient (float64)."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.layers import BatchNorm, batch_moments, resize_nearest
from tests.helpers import run_python

AXES = (0, 1, 2)


def features(batch=3, dtype="float32"):
    return (2 + 3 * np.random.default_rng(1).normal(size=(batch, 4, 6, 5))).astype(dtype)


def test_moments():
    x = features()
    moments = batch_moments(x)
    np.testing.assert_allclose(moments.mean, x.astype("float64").mean(AXES), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, x.astype("float64").var(AXES), rtol=1e-5)


def test_a_constant_channel_has_variance_0():
    moments = batch_moments(np.full((2, 3, 3, 1), 1000.1, "float32"))
    assert float(moments.variance[0]) >= 0
    np.testing.assert_allclose(moments.variance, 0, atol=0.2)  # 1e6, squares' size, to 7 digits


@pytest.mark.parametrize("size", [(8, 12), (4, 18), (12, 6)], ids=str)
def test_moments_are_those_of_the_upsampled_map(size):
    x = features()
    ours, expected = batch_moments(x), batch_moments(resize_nearest(x, size))
    np.testing.assert_allclose(ours.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(ours.variance, expected.variance, rtol=1e-5)


def test_gradient_runs_through_the_moments():
    """That of sum(u y): (u - mean(u) - y mean(u y)) / sqrt(variance + epsilon)."""
    x, u = features().astype("float64"), np.random.default_rng(2).normal(size=(3, 4, 6, 5))
    norm, value = BatchNorm(), tf.constant(x, "float32")
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = tf.reduce_sum(norm(value, training=True) * tf.constant(u, "float32"))
    deviation = np.sqrt(x.var(AXES) + 1e-5)
    y = (x - x.mean(AXES)) / deviation
    expected = (u - u.mean(AXES) - y * (u * y).mean(AXES)) / deviation
    np.testing.assert_allclose(tape.gradient(loss, value), expected, atol=1e-5)


def test_running_statistics_move_by_a_tenth_and_serve_inference():
    x, norm = features(), BatchNorm()
    norm(x, training=True)
    mean, variance = 0.1 * x.mean(AXES), 0.9 + 0.1 * x.var(AXES)
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-5)
    np.testing.assert_allclose(norm(x), (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("trainable", "training"), [(False, True), (True, False)], ids=["frozen", "inference"])
def test_only_training_takes_moments(trainable, training):
    x, norm = features(), BatchNorm(trainable=trainable)
    np.testing.assert_array_equal(norm(x, training=training, moments=batch_moments(x)), norm(x))
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(5))


def test_moments_of_another_map_are_taken():
    x, norm = features(), BatchNorm()
    result = norm(x, training=True, moments=batch_moments(2 * x))
    mean, deviation = 2 * x.mean(AXES), 2 * x.std(AXES)
    np.testing.assert_allclose(result, (x - mean) / deviation, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * mean, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_statistics_of_half_precision_are_float32(dtype):
    x = tf.cast(1000 + features(), dtype)  # squares overflow float16
    moments = batch_moments(x)
    exact = tf.cast(x, "float64").numpy()
    np.testing.assert_allclose(moments.mean, exact.mean(AXES), rtol=1e-6)
    np.testing.assert_allclose(moments.variance, exact.var(AXES), rtol=0.1)  # of 1e6, squares' size, to 7 digits


def test_keras_layer_is_the_same():
    x = features()
    ours, theirs = BatchNorm(), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, center=False, scale=False)
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


REPLICAS = """
import json, sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from dagan_tf.layers import BatchNorm

x = (2 + 3 * np.random.default_rng(1).normal(size=(3, 4, 6, 5))).astype("float32")
u = np.random.default_rng(2).normal(size=x.shape).astype("float32")
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    norm = BatchNorm()
    norm.build(x.shape)

@tf.function
def step(x, u):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(norm(x, training=True) * u)
    return tape.gradient(loss, x)

slices = [slice(0, 1), slice(1, 3)]  # an uneven last batch
inputs = [strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(a[slices[context.replica_id_in_sync_group]])) for a in (x, u)]
gradients = strategy.experimental_local_results(strategy.run(step, args=inputs))
print(json.dumps([np.concatenate([g.numpy() for g in gradients]).tolist(), norm.moving_mean.numpy().tolist(),
    norm.moving_variance.numpy().tolist()]))
"""


def test_replicas_of_unequal_shares_are_one_batch():
    """Two replicas' gradients and running statistics are those of one device with the whole batch."""
    gradient, mean, variance = json.loads(run_python(REPLICAS).splitlines()[-1])
    norm, x = BatchNorm(), tf.constant(features())
    u = np.random.default_rng(2).normal(size=x.shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(norm(x, training=True) * u)
    np.testing.assert_allclose(gradient, tape.gradient(loss, x), atol=1e-5)
    np.testing.assert_allclose(mean, norm.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(variance, norm.moving_variance, rtol=1e-5)
