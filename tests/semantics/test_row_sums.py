"""Sums of rows and look-ups against NumPy."""

import numpy as np
import tensorflow as tf

from dagan_tf.semantics.row_sums import scale_and_shift, sums_of_products, sums_of_rows
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


def test_sums_of_products_and_their_gradients():
    rng = np.random.default_rng(11)
    rows, owners = np.sort(rng.integers(10, size=(6, 4)), axis=1).astype("int32"), np.repeat(np.arange(6), 4)
    features, kernel, weights = (rng.normal(size=size).astype("float32") for size in ((5, 3), (2, 3, 4), (6, 4)))
    with tf.GradientTape() as tape:
        variables = tf.Variable(features), tf.Variable(kernel)
        sums = sums_of_products(*variables, rows.ravel(), owners.astype("int32"))
    assert_near(sums, (features @ kernel).reshape(10, 4)[rows].sum(1))
    of_products = np.zeros((10, 4), "float32")
    np.add.at(of_products, rows.ravel(), weights[owners])
    of_products = of_products.reshape(2, 5, 4)
    of_features, of_kernel = tape.gradient(sums, variables, output_gradients=weights)
    assert_near(of_features, (of_products @ kernel.transpose(0, 2, 1)).sum(0))
    assert_near(of_kernel, features.T @ of_products)


def test_scale_and_shift_and_their_gradients():
    rng = np.random.default_rng(10)
    index = rng.integers(5, size=(2, 3, 4), dtype="int32")  # nobody has the last row
    scale, shift = rng.normal(size=(2, 6, 3)).astype("float32")
    x, weights = rng.normal(size=(2, 2, 3, 4, 3)).astype("float32")
    with tf.GradientTape() as tape:
        variables = [tf.Variable(value) for value in (x, scale, shift)]
        y = scale_and_shift(*variables, index)
    assert_near(y, x * scale[index] + shift[index])
    of_x, of_scale, of_shift = tape.gradient(y, variables, output_gradients=weights)
    of_rows = np.zeros((2, 6, 3), "float32")
    np.add.at(of_rows[0], index, weights * x)
    np.add.at(of_rows[1], index, weights)
    assert_near(of_x, weights * scale[index])
    assert_near(of_scale, of_rows[0])
    assert_near(of_shift, of_rows[1])


def test_scale_and_shift_in_half_precision():
    x = tf.constant([[[[1.5, -2.0]]]], "bfloat16")
    scale, shift = tf.constant([[1.001, 3.0]]), tf.constant([[0.25, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch([x, scale])
        y = scale_and_shift(x, scale, shift, tf.zeros((1, 1, 1), "int32"))
    assert y.dtype == "bfloat16"  # the sums are made in float32
    np.testing.assert_array_equal(y, tf.cast([[[[1.5 * 1.001 + 0.25, -5.0]]]], "bfloat16"))
    of_x, of_scale = tape.gradient(y, [x, scale])
    assert (of_x.dtype, of_scale.dtype) == ("bfloat16", "float32")
    np.testing.assert_array_equal(of_scale, [[1.5, -2.0]])
