"""Sums of rows and look-ups against NumPy."""

import numpy as np
import tensorflow as tf

from dagan_tf.semantics.row_sums import look_up, sums_of_rows
from tests.semantics.helpers import assert_near


def test_sums_of_rows_and_their_gradient():
    rng = np.random.default_rng(9)
    rows, owners = np.sort(rng.integers(11, size=(6, 4)), axis=1).astype("int32"), np.repeat(np.arange(6), 4)
    rows[rows == 7] = 8  # which nobody has
    values, weights = (rng.normal(size=(n, 3)).astype("float32") for n in (11, 6))
    with tf.GradientTape() as tape:
        variable = tf.Variable(values)
        sums = sums_of_rows(variable, rows.ravel(), owners.astype("int32"))
    expected = np.zeros_like(values)
    np.add.at(expected, rows.ravel(), weights[owners])
    assert_near(sums, values[rows].sum(1))
    assert_near(tape.gradient(sums, variable, output_gradients=weights), expected)


def test_look_up_and_its_gradient():
    rng = np.random.default_rng(10)
    index = rng.integers(5, size=(2, 3, 4), dtype="int32")
    values, weights = rng.normal(size=(6, 3)).astype("float32"), rng.normal(size=(2, 3, 4, 3)).astype("float32")
    with tf.GradientTape() as tape:
        variable = tf.Variable(values)
        found = look_up(variable, index)
    expected = np.zeros_like(values)
    np.add.at(expected, index, weights)
    np.testing.assert_array_equal(found, values[index])
    assert_near(tape.gradient(found, variable, output_gradients=weights), expected)
