"""Sums of chosen rows of a matrix, and look-ups of rows, whose gradients are products with a sparse matrix.

TensorFlow's own gradients of both add up row by row, in one thread; the product is several times as quick.
"""

import tensorflow as tf


def _sums_over_owners(owners, rows, shape):
    """The matrix whose product with values of owners sums, for each row, those of its owners: sparse (count, n).

    Args:
        owners, rows: int32 (m,), pairs in lexicographic order; owners in 0..n-1, rows in 0..count-1.
        shape: (n, count), int32 scalars.
    """
    indices = tf.cast(tf.stack([owners, rows], axis=1), tf.int64)
    ones = tf.ones_like(owners, tf.float32)
    shape = tf.cast(tf.stack(shape), tf.int64)
    matrix = tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=ones, dense_shape=shape)
    return tf.raw_ops.SparseMatrixTranspose(input=matrix, type=tf.float32)


@tf.custom_gradient
def sums_of_rows(values, rows, owners):
    """The sums of the rows of `values` that belong to each owner: float32 (n, F).

    Args:
        values: float32 (..., F), of which all axes but the last number `count` rows.
        rows, owners: int32 (m,), pairs in lexicographic order of (owner, row); each owner of 0..n-1 has a row of
            0..count-1.
    """
    shape = tf.shape(values)
    values = tf.reshape(values, [-1, shape[-1]])
    count = tf.shape(values)[0]

    def gradient(upstream):
        matrix = _sums_over_owners(owners, rows, (tf.shape(upstream)[0], count))
        return tf.reshape(tf.raw_ops.SparseMatrixMatMul(a=matrix, b=upstream), shape), None, None

    return tf.sparse.segment_sum(values, rows, owners), gradient


@tf.custom_gradient
def sums_of_products(features, kernel, rows, owners):
    """`sums_of_rows` of the products of features with each place of a kernel: float32 (n, F).

    The products, the largest thing on the way, are not kept for the gradient.

    Args:
        features: (count, C) floats.
        kernel: (p, C, F) in the features' dtype, whose products (p, count, F) are the values of `sums_of_rows`. In half
            precision, too, the sums are in float32: the gradient of a row is a sum over all places that name it.
        rows, owners: as in `sums_of_rows`.
    """
    products = tf.matmul(features, kernel)
    shape = tf.shape(products)
    count = shape[0] * shape[1]

    def gradient(upstream):
        matrix = _sums_over_owners(owners, rows, (tf.shape(upstream)[0], count))
        of_products = tf.reshape(tf.raw_ops.SparseMatrixMatMul(a=matrix, b=upstream), shape)
        of_products = tf.cast(of_products, features.dtype)
        of_features = tf.reduce_sum(tf.matmul(of_products, kernel, transpose_b=True), axis=0)
        return of_features, tf.matmul(features, of_products, transpose_a=True), None, None

    values = tf.reshape(tf.cast(products, tf.float32), [-1, shape[2]])
    return tf.sparse.segment_sum(values, rows, owners), gradient


@tf.custom_gradient
def scale_and_shift(x, scale, shift, index):
    """x * scale + shift with the row of `scale` and of `shift` that each place names: (B, h, w, F) in x's dtype.

    The gradient looks `scale` up again: that is quick, and for it a training step keeps nothing else as large as x
    (benchmarks/memory.py).

    Args:
        x: (B, h, w, F) floats.
        scale, shift: float32 (n, F).
        index: int32 (B, h, w) in 0..n-1.
    """

    def gradient(upstream):
        upstream_32 = tf.cast(upstream, tf.float32)
        # Without this edge the look-up, which does not depend on `upstream`, may run for all layers at once.
        with tf.control_dependencies([upstream]):
            of_x = tf.cast(upstream_32 * tf.gather(scale, index), x.dtype)
        places = tf.reshape(index, [-1])
        matrix = _sums_over_owners(tf.range(tf.size(places)), places, (tf.size(places), tf.shape(scale)[0]))
        of_scale, of_shift = (
            tf.raw_ops.SparseMatrixMatMul(a=matrix, b=tf.reshape(values, [-1, tf.shape(scale)[1]]))
            for values in (upstream_32 * tf.cast(x, tf.float32), upstream_32)
        )
        return of_x, of_scale, of_shift, None

    with tf.control_dependencies([x]):  # for the same reason: look-ups depend on the label map alone
        scale_of_places, shift_of_places = tf.gather(scale, index), tf.gather(shift, index)
    return tf.cast(tf.cast(x, tf.float32) * scale_of_places + shift_of_places, x.dtype), gradient
