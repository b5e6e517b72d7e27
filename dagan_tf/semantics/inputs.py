"""Label maps in the forms in which people give them to a network, as the one form that is computed with.

Shapes and dtypes are checked here, before anything is traced. Values, such as ids outside the classes, are checked
where they are known.
"""

import keras
from keras import ops

from dagan_tf.errors import UserError

MAPS = ("label", "instance")
"""What the networks read of a batch."""
EXACT = {"bfloat16": 256, "float16": 2048}
"""Up to which number floats of 16 bits hold all whole ones."""


def maps_of(config):
    """The names of the maps that a network of a `ModelConfig` reads: a tuple."""
    return MAPS if config.use_instance_edges else MAPS[:1]


def label_maps(inputs, config):
    """The maps that a network reads of its inputs.

    Args:
        inputs: a dictionary with `"label"` and, where the network reads instance edges, `"instance"`; or the label
            maps alone, where it reads none. Maps are (B, H, W) or (B, H, W, 1), integers, floats that are whole
            numbers, or bool for two classes; H and W are the configuration's `image_size`.
        config: the `ModelConfig`.

    Returns:
        A dictionary of integers (B, H, W): `"label"` and, where it is read, `"instance"`.

    Raises:
        UserError: another form, or a map that is missing.
    """
    if isinstance(inputs, list | tuple):
        raise UserError(
            "Expected label maps as one array, or a dictionary of arrays. Received: a "
            f"{type(inputs).__name__} of {len(inputs)}. Give the labels alone, or numpy.stack(labels)."
        )
    inputs = inputs if isinstance(inputs, dict) else {"label": inputs}
    check_names(inputs, config)
    return {name: _as_map(inputs[name], name, config) for name in maps_of(config)}


def check_names(inputs, config):
    """Raises `UserError` unless a dictionary has all maps that a network reads."""
    needed = maps_of(config)
    missing = [name for name in needed if inputs.get(name) is None]
    if not missing:
        return
    alone = "" if len(needed) > 1 else ", or the label maps alone"
    reads = "This network reads instance edges: give" if "instance" in missing else "Give"
    given = ", ".join(repr(name) for name, value in inputs.items() if value is not None) or "nothing"
    raise UserError(
        f"{reads} a dictionary with {' and '.join(map(repr, needed))}, integers (B, H, W){alone}. "
        f"Received: {given}, without {missing[0]!r}."
    )


def check_map(value, name, config):
    """Raises `UserError` for a label map, or an instance map, of a shape or dtype that is none.

    Args:
        value: an array or tensor of any backend, or a symbolic one.
        name: "label" or "instance".
        config: the `ModelConfig`.
    """
    _check_shape(tuple(value.shape), name, config)
    _check_dtype(dtype_of(value), name, config.num_classes)


def _as_map(value, name, config):
    value = value if hasattr(value, "shape") and hasattr(value, "dtype") else ops.convert_to_tensor(value)
    check_map(value, name, config)
    value = value if isinstance(value, keras.KerasTensor) else ops.convert_to_tensor(value)
    value = value[..., 0] if len(value.shape) == 4 else value
    return value if keras.backend.is_int_dtype(value.dtype) else ops.cast(value, "int32")


def _check_shape(shape, name, config):
    size = config.image_size
    height, width = size
    channels = shape[3:] if len(shape) == 4 else (1,)
    fits = len(shape) in (3, 4) and all(n in (None, m) for n, m in zip(shape[1:3], size, strict=True))
    if fits and channels in ((1,), (None,)):
        return
    raise UserError(
        f'"{name}" must be a batch of maps of {_ids(name)}, (B, {height}, {width}): that is the `image_size` that this '
        f"network was built with. Received: shape {shape}. {_advice(shape, name, config)}"
    )


def _advice(shape, name, config):
    """What to do about maps of a wrong shape."""
    size, one_hot = config.image_size, (config.num_classes, config.num_classes + 1)
    if shape in (size, (*size, 1)):
        return f"Give a single map an axis for the batch: {name}[None]."
    if len(shape) == 4 and shape[3] in one_hot:
        return f"One-hot maps become ids by numpy.argmax({name}, axis=-1)."
    if len(shape) == 4 and shape[2:] == size:
        return f"Channels come last: numpy.argmax({name}, axis=1) makes ids of one-hot maps, {name}[:, 0] of others."
    if len(shape) == 4 and shape[3] == 3:
        return "These look like images: give label maps as `x`, and images as `y`."
    if len(shape) not in (3, 4):
        return "Give one map for each picture."
    return f"Resize the maps with nearest-neighbour sampling, or build the network with `image_size` {shape[1:3]}."


def dtype_of(value):
    """The name of the dtype of an array or tensor of any backend, such as "float32"; also of one that Keras lacks."""
    try:
        return keras.backend.standardize_dtype(value.dtype)
    except ValueError:  # strings, for example
        return str(value.dtype)


def is_float(dtype):
    """Whether the name of a dtype is one of floats."""
    return dtype.startswith(("float", "bfloat"))


def _check_dtype(dtype, name, num_classes):
    kind = f'"{name}" must be {_ids(name)}, integers or whole numbers'
    if dtype == "bool":
        if name != "label" or num_classes != 2:
            raise UserError(f"{kind}; bool stands for two classes. Received: bool, for {num_classes} classes.")
    elif dtype in EXACT and (name != "label" or num_classes > EXACT[dtype]):
        raise UserError(f"{kind}. Received: {dtype}, which holds no more than {EXACT[dtype]} of them. Give integers.")
    elif not is_float(dtype) and not dtype.startswith(("int", "uint")):
        raise UserError(f"{kind}. Received: {dtype}. Give integers.")


def _ids(name):
    return "class ids" if name == "label" else "instance ids"
