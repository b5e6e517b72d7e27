"""What depends on the Keras backend, for layers that are otherwise written with `keras.ops` alone.

TensorFlow is imported inside functions, and only where it is the backend.
"""

import contextlib
import functools
import threading

import keras

from dagan_tf import xla
from dagan_tf.errors import UserError


def on_tensorflow():
    """Whether Keras computes with TensorFlow."""
    return keras.backend.backend() == "tensorflow"


def on_tensorflow_cpu():
    """Whether Keras computes with TensorFlow on a machine without GPUs."""
    return on_tensorflow() and not keras.distribution.list_devices("gpu")


def check_channels_last():
    """Raises `UserError` if Keras is set to features of (B, C, H, W): all of this package are (B, H, W, C)."""
    received = keras.config.image_data_format()
    if received != "channels_last":
        raise UserError(
            f"Expected Keras' `image_data_format` channels_last. Received: {received}. Call "
            "keras.config.set_image_data_format('channels_last'), or change it in ~/.keras/keras.json."
        )


def check_settings():
    """Raises `UserError` for settings of Keras that would make a network another one than its configuration says."""
    check_channels_last()
    if keras.config.floatx() != "float32":
        raise UserError(
            f"Expected Keras' `floatx` float32. Received: {keras.config.floatx()}, in which all arrays would be read. "
            "Call keras.config.set_floatx('float32'), or change it in ~/.keras/keras.json; for half precision give "
            "the network a `dtype`, mixed_bfloat16 or mixed_float16."
        )


def require_tensorflow(what):
    """Raises `UserError` unless Keras computes with TensorFlow, which `what` needs, the subject of a sentence."""
    if not on_tensorflow():
        raise UserError(
            f"{what} needs Keras on TensorFlow. Received: the backend {keras.backend.backend()}. Set the environment "
            "variable KERAS_BACKEND to tensorflow, before Keras is imported; layers and networks work on each backend."
        )


def under_strategy():
    """Whether TensorFlow traces a replica's part of a step under a `tf.distribute` strategy, be it of one device."""
    if not on_tensorflow():
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy()


def current_graph():
    """The TensorFlow graph that is being traced, or `None`: tensors of one graph mean nothing in another."""
    if not on_tensorflow() or not _inside_a_graph():
        return None
    import tensorflow as tf

    return tf.compat.v1.get_default_graph()


def add_bias(x, bias):
    """x + bias, a number for each channel: x (B, H, W, C) and bias (C,), of one dtype.

    TensorFlow computes its own operator for this together with the convolution before it, whatever it knows of sizes.
    """
    if not on_tensorflow():
        return x + bias
    import tensorflow as tf

    return tf.nn.bias_add(x, bias)


def under_xla():
    """Whether what TensorFlow traces now will be compiled by XLA, which needs static shapes."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util  # no public function tells what it tells

    compiled = control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())
    return compiled or bool(tf.config.optimizer.get_jit()) or _clustered()


def _clustered():
    """Whether the flags for automatic clustering mean this machine: they mean GPUs, but for a second one."""
    import tensorflow as tf

    return xla.clusters() and (xla.clusters_cpus() or bool(tf.config.list_physical_devices("GPU")))


_sharing = threading.local()


@contextlib.contextmanager
def shared_traces():
    """A context in which TensorFlow traces each function of `traced_once` once for all layers that call it.

    It changes no number. XLA compiles a graph as a whole, and knows sizes only there: for it nothing is shared.
    """
    before = getattr(_sharing, "on", False)
    _sharing.on = on_tensorflow() and _inside_a_graph() and not under_xla()
    try:
        yield
    finally:
        _sharing.on = before


def _inside_a_graph():
    import tensorflow as tf

    return not tf.executing_eagerly()


def traced_once(function, inline=False):
    """Lets layers share the trace of a function of tensors, inside of `shared_traces`; elsewhere it is the function.

    TensorFlow traces, differentiates and optimizes a function for each layer that calls it: the first step of the
    generator's 18 SPADE layers, and of 36 calls of spectrally normalised ones, took most of its time for that. A shared
    function becomes, with its gradient, one graph function for all sizes of its tensors, and each call of it one node;
    TensorFlow optimizes it once and keeps it apart. The first step comes in a fraction of the time, and later ones take
    as long as before (benchmarks/first_step.py).

    Args:
        function: of tensors, nests of tensors, and hashable values, to a tensor or a nest of them. It must use no
            variable, and no static size of its tensors. There is one trace for each combination of dtypes, ranks and
            hashable values.
        inline: whether TensorFlow puts its nodes in place of each call before it optimizes them. All that the gradient
            of a function that is kept apart names stays in memory, even what it takes no more than the shape of. So one
            with large intermediates is better inlined.

    Returns:
        A function of the same arguments. Of its results' sizes nothing is known: see `with_shape`.
    """
    traces = {}

    @functools.wraps(function)
    def call(*arguments):
        if not getattr(_sharing, "on", False):
            return function(*arguments)
        import tensorflow as tf

        flat = tf.nest.flatten(arguments)
        key = tuple((value.dtype, value.shape.rank) if tf.is_tensor(value) else value for value in flat)
        if key not in traces:
            traces[key] = _trace(function, arguments, flat, inline)
        return traces[key](*(value for value in flat if tf.is_tensor(value)))

    return call


def _trace(function, arguments, flat, inline):
    """The concrete function of the tensors in `flat`, which are those of `arguments`, for any sizes."""
    import tensorflow as tf

    specs = [tf.TensorSpec([None] * value.shape.rank, value.dtype) for value in flat if tf.is_tensor(value)]
    template = [None if tf.is_tensor(value) else (value,) for value in flat]
    structure = tf.nest.map_structure(lambda value: None, arguments)

    def of_tensors(*tensors):
        remaining = iter(tensors)
        values = [next(remaining) if fixed is None else fixed[0] for fixed in template]
        _sharing.on, before = False, _sharing.on  # inside, the functions that it calls are traced with it
        try:
            return function(*tf.nest.pack_sequence_as(structure, values))
        finally:
            _sharing.on = before

    # Before TensorFlow runs a graph it puts the nodes of a function in place of each call and optimizes all of them,
    # for 18 layers 18 times. A function that is marked so stays one, and is optimized once.
    attributes = {} if inline else {"_noinline": True}
    with tf.init_scope():  # so that nothing of what is being traced now, such as a device, stays in the function
        return tf.function(of_tensors, autograph=False, experimental_attributes=attributes).get_concrete_function(
            *specs
        )


def with_shape(x, shape):
    """The tensor x with what is known of its shape, which a function of `traced_once` has lost."""
    if hasattr(x, "set_shape"):  # TensorFlow's; the other backends know all shapes
        x.set_shape(shape)
    return x
