"""Shared traces: one trace for all who call a function, and the numbers of the function itself."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import dagan_tf
from dagan_tf.backend import add_bias, shared_traces, traced_once, with_shape
from dagan_tf.errors import UserError
from tests.helpers import run_python
from tests.networks.helpers import SMALL

X, W = np.arange(6, dtype="float32").reshape(2, 3), np.arange(12, dtype="float32").reshape(3, 4)


@pytest.fixture
def traces():
    """A function that notes when Python runs it, shared, and its notes."""
    notes = []

    @traced_once
    def product(pair, times):
        notes.append(times)
        x, w = pair
        return tf.matmul(x, w) * times, tf.reduce_sum(x)

    return product, notes


def call(product, *arguments):
    with shared_traces():
        return product(*arguments)


def test_outside_of_a_graph_it_is_the_function(traces):
    product, notes = traces
    for _ in range(2):
        np.testing.assert_array_equal(call(product, (tf.constant(X), tf.constant(W)), 2)[0], 2 * X @ W)
    assert notes == [2, 2]


def test_where_nothing_is_shared_it_is_the_function(traces):
    product, notes = traces
    graph = tf.function(lambda x: product((x, x), 1)).get_concrete_function(tf.TensorSpec((2, 2))).graph
    assert "PartitionedCall" not in {operation.type for operation in graph.get_operations()}
    assert notes == [1]


def test_one_trace_for_all_sizes_with_its_gradients(traces):
    product, notes = traces

    @tf.function
    def both(x, w):
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            one, total = call(product, (x, w), 2)
            other, _ = call(product, (tf.transpose(w), tf.transpose(x)), 2)
            loss = tf.reduce_sum(one) + tf.reduce_sum(other) + total
        return one, other, *tape.gradient(loss, (x, w))

    one, other, dx, dw = both(tf.constant(X), tf.constant(W))
    assert notes == [2]
    np.testing.assert_array_equal(one, 2 * X @ W)
    np.testing.assert_array_equal(other, 2 * W.T @ X.T)
    np.testing.assert_array_equal(dx, 1 + 4 * np.tile(W.sum(axis=1), (2, 1)))
    np.testing.assert_array_equal(dw, 4 * np.tile(X.sum(axis=0)[:, None], (1, 4)))
    calls = [op.type for op in both.get_concrete_function(tf.constant(X), tf.constant(W)).graph.get_operations()]
    assert calls.count("PartitionedCall") == 4


def test_other_values_dtypes_and_ranks_are_traced_apart(traces):
    product, notes = traces

    @tf.function
    def several(x):
        half = tf.cast(x, tf.float16)
        return [call(product, *a)[0] for a in (((x, x), 1), ((x, x), 3), ((half, half), 1), ((x[None], x[None]), 1))]

    results = several(tf.eye(2))
    assert notes == [1, 3, 1, 1]
    assert [result.dtype for result in results] == [tf.float32, tf.float32, tf.float16, tf.float32]
    assert float(results[1][0, 0]) == 3


def test_what_a_shared_function_calls_is_a_part_of_it(traces):
    product, notes = traces
    outer = traced_once(lambda x: product((x, x), 5)[0])
    function = tf.function(lambda x: call(outer, x) + call(outer, x))
    np.testing.assert_array_equal(function(tf.eye(3)), 10 * np.eye(3))
    assert notes == [5]


def test_xla_shares_nothing(traces):
    product, notes = traces
    compiled = tf.function(lambda x: call(product, (x, x), 1)[0] + call(product, (x, x), 1)[0], jit_compile=True)
    np.testing.assert_array_equal(compiled(tf.eye(2)), 2 * np.eye(2))
    assert notes == [1, 1]


CLUSTERS = """
import tensorflow as tf
from dagan_tf.backend import shared_traces, traced_once, under_xla

notes = []
noted = traced_once(lambda x: notes.append(0) or x)

@tf.function
def twice(x):
    assert under_xla()
    with shared_traces():
        return noted(x) + noted(x)

twice(tf.ones(1))
print(len(notes))
"""


def test_xla_clusters_share_nothing():
    flags = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"
    assert run_python(CLUSTERS, TF_XLA_FLAGS=flags).split()[-1] == "2"


def test_an_error_ends_the_sharing():
    @tf.function
    def fails():
        with shared_traces():
            raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        fails()
    notes = []
    noted = traced_once(lambda x: notes.append(0) or x)
    tf.function(lambda x: noted(x) + noted(x))(tf.ones(1))
    assert len(notes) == 2


def test_shapes_are_given_back():
    function = tf.function(lambda x: with_shape(x, (None, 3)), input_signature=[tf.TensorSpec((None, None))])
    assert function.get_concrete_function().output_shapes.as_list() == [None, 3]


def test_add_bias():
    x, bias = np.random.default_rng(0).normal(size=(2, 3, 4, 5)), np.arange(5.0)
    np.testing.assert_array_equal(add_bias(tf.constant(x), tf.constant(bias)), x + bias)


@pytest.fixture
def settings():
    """Puts Keras' settings back."""
    before = keras.config.image_data_format(), keras.config.floatx()
    yield
    keras.config.set_image_data_format(before[0])
    keras.config.set_floatx(before[1])


LAYERS = {
    "DualAttention": dagan_tf.DualAttention,
    "ChannelAttention": dagan_tf.ChannelAttention,
    "SPADE": lambda: dagan_tf.SPADE(4, 3),
    "Generator": lambda: dagan_tf.Generator(SMALL),
    "Discriminator": lambda: dagan_tf.Discriminator(SMALL),
    "DAGAN": lambda: dagan_tf.DAGAN(SMALL),
}


@pytest.mark.parametrize("name", LAYERS)
def test_channels_first_is_refused(settings, name):
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(UserError, match=r"channels_last. Received: channels_first. Call keras.config.set_image"):
        LAYERS[name]()


@pytest.mark.parametrize("name", ["Generator", "Discriminator", "DAGAN"])
@pytest.mark.parametrize("floatx", ["float16", "float64"])
def test_another_floatx_is_refused(settings, name, floatx):
    keras.config.set_floatx(floatx)
    with pytest.raises(UserError, match=rf"`floatx` float32. Received: {floatx}, in which all arrays would be read"):
        LAYERS[name]()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_training_on_another_backend_says_what_it_needs(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = """
import sys
import dagan_tf
from dagan_tf import train
try:
    dagan_tf.DAGAN.from_preset("facades", image_size=(32, 32))
except dagan_tf.UserError as error:
    print(error)
try:
    train.main(["--dataset", "procedural", "--run-dir", sys.argv[1]])
except dagan_tf.UserError as error:
    print(error)
"""
    printed = run_python(script, tmp_path / "run", KERAS_BACKEND=backend, JAX_PLATFORMS="cpu").splitlines()
    needs = f"needs Keras on TensorFlow. Received: the backend {backend}. Set the environment variable KERAS_BACKEND"
    assert [line.partition(needs)[0] for line in printed if needs in line] == ["Training ", "This command "]
    assert not (tmp_path / "run").exists()
