"""Shared traces: one trace for all who call a function, and the numbers of the function itself."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.backend import add_bias, shared_traces, traced_once, with_shape
from tests.helpers import run_python

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
