"""The fused Adam against Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.training.adam import FusedAdam
from dagan_tf.training.schedule import ConstantThenLinearDecay
from tests.helpers import run_python

SHAPES = [(3, 5), (7,), (2, 2, 3, 4)]
STEPS = 5


def drawn(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in SHAPES]


def trained(cls, jit_compile=None, scaled=False, **arguments):
    """Weights and the optimizer's variables after some steps, by path."""
    weights = [keras.Variable(value, name=f"weight_{i}") for i, value in enumerate(drawn(0))]
    optimizer = cls(ConstantThenLinearDecay(1e-2, 2, 5), name="adam", **arguments)
    optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="scaled") if scaled else optimizer
    optimizer.build(weights)

    @tf.function(jit_compile=jit_compile)
    def step(gradients):
        optimizer.apply([optimizer.scale_loss(gradient) for gradient in gradients], weights)

    for i in range(STEPS):
        step([tf.constant(gradient) for gradient in drawn(i + 1)])
    return {variable.path: np.asarray(variable) for variable in [*weights, *optimizer.variables]}


CASES = {
    "paper": {"beta_1": 0.0, "beta_2": 0.999},
    "defaults": {},
    "clipped": {"beta_1": 0.5, "epsilon": 1e-3, "clipnorm": 0.5, "weight_decay": 0.01},
    "amsgrad": {"amsgrad": True},
    "gradient accumulation": {"beta_1": 0.5, "gradient_accumulation_steps": 2},
    "half precision": {"beta_1": 0.0, "scaled": True},
    "XLA": {"beta_1": 0.5, "jit_compile": True},
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_weights_and_moments_are_those_of_keras(arguments):
    fused, expected = (trained(cls, **arguments) for cls in (FusedAdam, keras.optimizers.Adam))
    assert list(fused) == list(expected)
    for path, value in expected.items():
        np.testing.assert_allclose(fused[path], value, rtol=1e-5, atol=1e-7, err_msg=path)


REPLICAS = """
import keras, numpy as np, tensorflow as tf
from dagan_tf.training.adam import FusedAdam
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def trained(cls):
    with strategy.scope():
        weight = keras.Variable(np.ones(3, "float32"))
        optimizer = cls(0.1, beta_1=0.3)
        optimizer.build([weight])
    def apply():
        factor = 1.0 + tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, "float32")
        optimizer.apply([factor * tf.constant([1.0, -2.0, 3.0])], [weight])
    for _ in range(3):
        tf.function(lambda: strategy.run(apply))()
    return [value.numpy() for value in strategy.experimental_local_results(weight.value)]

fused, expected = trained(FusedAdam), trained(keras.optimizers.Adam)
assert len(fused) == 2
np.testing.assert_allclose(fused, expected, rtol=1e-5)
print("alike")
"""


def test_replicas_move_as_those_of_keras():
    assert run_python(REPLICAS).strip() == "alike"


def test_sparse_gradients():
    weight = keras.Variable(np.ones((4, 2), "float32"))
    optimizer = FusedAdam(0.1, beta_1=0.0)
    optimizer.build([weight])
    optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), [2], (4, 2))], [weight])
    np.testing.assert_allclose(np.asarray(weight), [[1, 1], [1, 1], [0.9, 0.9], [1, 1]], rtol=1e-5)


def test_config_round_trip():
    optimizer = FusedAdam(0.1, beta_1=0.3, name="mine")
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is FusedAdam
    assert copy.get_config() == optimizer.get_config()
