"""Sums of chosen rows of a matrix, and look-ups, whose gradients are products with a sparse matrix.

TensorFlow's own gradients of both add up row by row, in one thread; the product is several times as quick.
"""

import tensorflow as tf


def _transposed_sums(values, owners, rows, count):
    """For each row the sum of its owners' values: float32 (count, F), the gradient of `sums_of_rows`.

    Args:
        values: float32 (n, F).
        owners, rows: int32 (m,), pairs in lexicographic order; owners in 0..n-1, rows in 0..count-1.
        count: int32 scalar.
    """
    indices = tf.cast(tf.stack([owners, rows], axis=1), tf.int64)
    shape = tf.cast(tf.stack([tf.shape(values)[0], count]), tf.int64)
    ones = tf.ones_like(owners, tf.float32)
    matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=ones, dense_shape=shape)
    matrix = tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)
    return tf.raw_ops.SparseMatrixMatMul(a=matrix, b=values)


@tf.custom_gradient
def sums_of_rows(values, rows, owners):
    """The sums of the rows of `values` that belong to each owner: float32 (n, F).

    Args:
        values: float32 (count, F).
        rows, owners: int32 (m,), pairs in lexicographic order of (owner, row); each owner of 0..n-1 has a row.
    """

    def gradient(upstream):
        return _transposed_sums(upstream, owners, rows, tf.shape(values)[0]), None, None

    return tf.sparse.segment_sum(values, rows, owners), gradient


@tf.custom_gradient
def look_up(values, index):
    """The row that each place names: (B, h, w, F) of values, float32 (n, F), and index, int32 (B, h, w) in 0..n-1."""

    def gradient(upstream):
        places = tf.reshape(index, [-1])
        rows = tf.reshape(upstream, [-1, tf.shape(values)[1]])
        return _transposed_sums(rows, tf.range(tf.size(places)), places, tf.shape(values)[0]), None

    return tf.gather(values, index), gradient
