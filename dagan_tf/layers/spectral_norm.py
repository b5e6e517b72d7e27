"""Spectral normalisation (Miyato et al., ICLR 2018), reparametrised: W is stored, W/sigma is used."""

import keras
import numpy as np
from keras import ops

from dagan_tf.errors import UserError
from dagan_tf.layers.conv import conv_same

WARM_UP_ITERATIONS = 15  # with a random u, sigma of a 1024-channel kernel is off by orders of magnitude
EPSILON = 1e-12


def _normalize(vector):
    return vector / ops.maximum(ops.norm(vector), EPSILON)


def power_iteration(matrix, u, iterations=1):
    """Singular vectors of the largest singular value, by power iteration.

    Args:
        matrix: (K, F) float32, the kernel with all but its output axis flattened.
        u: (F,) float32, the present estimate on the output side.
        iterations: how often v = normalise(W u), u = normalise(W^T v) is applied, at least 1.

    Returns:
        `(u, v)` of shapes (F,) and (K,), both of unit length.
    """
    for _ in range(iterations):
        v = _normalize(ops.matmul(matrix, u))
        u = _normalize(ops.matmul(v, matrix))
    return u, v


@keras.saving.register_keras_serializable(package="dagan_tf")
class SpectralNormConv2D(keras.layers.Layer):
    """2-D convolution with the kernel W/sigma, where sigma = v^T W u estimates W's largest singular value.

    A call with `training=True` first moves u and v by one power iteration, without gradient; the gradient of the
    loss runs through W and through sigma. In inference u and v stay as they are. u and v are warmed up when the
    layer is built. Kernel, u, v and sigma are float32 under every dtype policy; only the convolution itself runs in
    the compute dtype.

    Args:
        filters: output channels.
        kernel_size: height and width of the kernel.
        strides: step in both directions.
        padding: zero rows and columns added on every side; `None` keeps the size at stride 1 ("same").
        use_bias: whether a bias is added.
        kernel_initializer: initializer of W.
        folded: the kernel is W/sigma already, and there is no u and no v: the form that is exported, see
            `networks.folding`. It does not train.

    Input (B, H, W, C) float, output (B, H', W', filters) in the compute dtype.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding=None,
        use_bias=True,
        kernel_initializer="glorot_normal",
        folded=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.folded = folded

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            dtype=self.compute_dtype if self.folded else "float32",
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None
        if not self.folded:
            self.u = self._add_singular_vector("u", 0, self.filters)
            self.v = self._add_singular_vector("v", 1, shape[0] * shape[1] * shape[2])
        self.built = True

    def _add_singular_vector(self, name, position, length):
        start = np.random.default_rng(0).standard_normal(self.filters).astype("float32")

        def warmed_up(shape, dtype):  # called when Keras gives the variable its value: the kernel has its own by then
            matrix = ops.reshape(ops.convert_to_tensor(self.kernel), (-1, self.filters))
            return ops.cast(power_iteration(matrix, start, WARM_UP_ITERATIONS)[position], dtype)

        return self.add_weight(
            name=name,
            shape=(length,),
            initializer=warmed_up,
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",  # every replica computes the same vector from the same kernel
        )

    def normalized_kernel(self):
        """W/sigma for the present u and v: (kernel_size, kernel_size, C, filters) float32, what an export folds in."""
        if self.folded:
            return ops.convert_to_tensor(self.kernel)
        matrix = ops.reshape(ops.convert_to_tensor(self.kernel), (-1, self.filters))
        u, v = ops.stop_gradient(ops.convert_to_tensor(self.u)), ops.stop_gradient(ops.convert_to_tensor(self.v))
        # No quotient: its gradient takes three passes over the kernel more than a product's.
        return self.kernel * (1 / ops.vdot(v, ops.matmul(matrix, u)))

    def _move_singular_vectors(self):
        matrix = ops.stop_gradient(ops.reshape(ops.convert_to_tensor(self.kernel), (-1, self.filters)))
        u, v = power_iteration(matrix, ops.convert_to_tensor(self.u))
        self.u.assign(u)
        self.v.assign(v)

    def call(self, inputs, training=False):
        if training:
            if self.folded:
                raise UserError(
                    "A folded convolution has no singular vectors to train: train the network it was made of."
                )
            self._move_singular_vectors()
        kernel = ops.cast(self.normalized_kernel(), self.compute_dtype)
        if self.padding is None:
            outputs = conv_same(inputs, kernel, self.strides)
        else:
            inputs = ops.pad(inputs, ((0, 0), (self.padding, self.padding), (self.padding, self.padding), (0, 0)))
            outputs = ops.conv(inputs, kernel, strides=self.strides, padding="valid")
        return outputs if self.bias is None else ops.add(outputs, self.bias)

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        return (batch, *(None if length is None else self._output_length(length) for length in size), self.filters)

    def _output_length(self, length):
        covered = length + (self.kernel_size - 1 if self.padding is None else 2 * self.padding)
        return (covered - self.kernel_size) // self.strides + 1

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "folded": self.folded,
        }
