"""Spectral normalisation (Miyato et al., ICLR 2018), reparametrised: W is stored, W/sigma is used."""

import functools

import keras
import numpy as np
from keras import ops

from dagan_tf.backend import add_bias, current_graph, traced_once, with_shape
from dagan_tf.layers.channels_last import ChannelsLastLayer
from dagan_tf.layers.conv import conv_output_length, convolve
from dagan_tf.layers.folded import FoldedConv2D

WARM_UP_ITERATIONS = 15  # with a random u, sigma of a 1024-channel kernel is off by orders of magnitude
EPSILON = 1e-12


def power_iteration(matrix, u, library=ops):
    """One step towards the singular vectors of the largest singular value.

    Args:
        matrix: (K, F) float32, the kernel with all but its output axis flattened.
        u: (F,) float32, the present estimate on the output side.
        library: what computes, `keras.ops` or NumPy.

    Returns:
        `(u, v)` with v = normalise(W u) and u = normalise(W^T v), of shapes (F,) and (K,), both of unit length.
    """

    def normalize(vector):
        return vector / library.maximum(library.sqrt(library.sum(library.square(vector))), EPSILON)

    v = normalize(library.matmul(matrix, u))
    return normalize(library.matmul(v, matrix)), v


def warmed_up(kernel):
    """The singular vectors of a fresh kernel, by `WARM_UP_ITERATIONS` steps from a fixed start.

    Args:
        kernel: (..., F), a variable.

    Returns:
        `(u, v)` as of `power_iteration`.
    """
    # NumPy takes much less time for the many small products, but it cannot read a kernel of a graph that is traced.
    graph = current_graph() is not None
    library, matrix = (ops, ops.convert_to_tensor(kernel)) if graph else (np, ops.convert_to_numpy(kernel))
    matrix = library.reshape(matrix, (-1, kernel.shape[-1]))
    u = np.random.default_rng(0).standard_normal(kernel.shape[-1]).astype("float32")
    for _ in range(WARM_UP_ITERATIONS):
        u, v = power_iteration(matrix, u, library)
    return u, v


def _as_matrix(kernel):
    return ops.reshape(kernel, (-1, ops.shape(kernel)[-1]))


@traced_once
def _divided_by_sigma(kernel, u, v):
    """W/sigma with sigma = v^T W u; the gradient runs through W and sigma, not through u and v."""
    u, v = ops.stop_gradient(u), ops.stop_gradient(v)
    # No quotient: its gradient takes three passes over the kernel more than a product's.
    return kernel * (1 / ops.vdot(v, ops.matmul(_as_matrix(kernel), u)))


@traced_once
def _moved_and_divided(kernel, u):
    """u and v after one power iteration, through which no gradient runs, and W/sigma with these: `(u, v, W/sigma)`."""
    u, v = power_iteration(ops.stop_gradient(_as_matrix(kernel)), ops.stop_gradient(u))
    return u, v, _divided_by_sigma(kernel, u, v)


@keras.saving.register_keras_serializable(package="dagan_tf")
class SpectralNormConv2D(ChannelsLastLayer):
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer, dtype="float32", autocast=False
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None
        # Called when Keras gives u and v their values: the kernel has its own by then. One call serves both, unless
        # they get them in different graphs, whose tensors mean nothing to one another.
        vectors = functools.cache(lambda graph: warmed_up(self.kernel))
        self.u = self._add_singular_vector("u", self.filters, lambda shape, dtype: vectors(current_graph())[0])
        self.v = self._add_singular_vector(
            "v", shape[0] * shape[1] * shape[2], lambda shape, dtype: vectors(current_graph())[1]
        )
        self.built = True

    def _add_singular_vector(self, name, length, initializer):
        return self.add_weight(
            name=name,
            shape=(length,),
            initializer=initializer,
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",  # every replica computes the same vector from the same kernel
        )

    def normalized_kernel(self, training=False):
        """W/sigma, (kernel_size, kernel_size, C, filters) float32; with `training` after u and v have moved."""
        kernel, u = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.u)
        if training:
            u, v, normalized = _moved_and_divided(kernel, u)
            self.u.assign(with_shape(u, self.u.shape))
            self.v.assign(with_shape(v, self.v.shape))
        else:
            normalized = _divided_by_sigma(kernel, u, ops.convert_to_tensor(self.v))
        return with_shape(normalized, kernel.shape)

    def call(self, inputs, training=False):
        kernel = ops.cast(self.normalized_kernel(training), self.compute_dtype)
        outputs = convolve(inputs, kernel, self.strides, self.padding)
        return outputs if self.bias is None else add_bias(outputs, ops.convert_to_tensor(self.bias))

    def folded(self, dtype=None):
        """The `FoldedConv2D` that computes what this layer computes in inference, with the dtype policy `dtype`."""
        result = FoldedConv2D(
            self.filters, self.kernel_size, self.strides, self.padding, self.use_bias, name=self.name, dtype=dtype
        )
        result.build((None, None, None, self.kernel.shape[2]))
        result.kernel.assign(self.normalized_kernel())
        if self.use_bias:
            result.bias.assign(self.bias)
        return result

    def compute_output_shape(self, input_shape):
        batch, *size, _ = input_shape
        size = (conv_output_length(length, self.kernel_size, self.strides, self.padding) for length in size)
        return (batch, *size, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
