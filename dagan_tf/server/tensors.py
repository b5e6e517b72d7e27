"""TensorProtos to NumPy and back; what a client claims is checked before memory is spent on it."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from dagan_tf.server.status import invalid, shown


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or output of a signature: its name, `tf.DType`, and shape with None where the size is free.

    The shape itself is None where even the rank is free.
    """

    name: str
    dtype: tf.DType
    shape: tuple | None

    @classmethod
    def from_info(cls, name, info):
        """Reads a `TensorInfo` of a SignatureDef."""
        shape = info.tensor_shape
        dims = None if shape.unknown_rank else tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
        return cls(name, tf.dtypes.as_dtype(info.dtype), dims)

    @property
    def batched(self):
        """Whether any number of examples fits on axis 0."""
        return bool(self.shape) and self.shape[0] is None

    def __str__(self):
        dims = ["any rank"] if self.shape is None else ["any" if dim is None else str(dim) for dim in self.shape]
        return f"{self.dtype.name} ({', '.join(dims)})"

    def check_shape(self, shape, max_bytes):
        """Raises unless a tensor of this shape fits the signature and memory.

        Args:
            shape: tuple of whole numbers.
            max_bytes: most bytes the tensor may take.
        """
        fits = self.shape is None or (
            len(shape) == len(self.shape)
            and all(want in (None, dim) for want, dim in zip(self.shape, shape, strict=True))
        )
        if not fits or min(shape, default=0) < 0:
            raise invalid(f"Input {self.name!r} must be {self}. Received shape {shown(shape)}.")
        size = math.prod(shape) * (self.dtype.size or 8)
        if size > max_bytes:
            raise invalid(
                f"Input {self.name!r} may have {max_bytes} bytes on this server. Received shape {shown(shape)}, which "
                f"takes {shown(size)}."
            )


def check_names(specs, received):
    """Raises unless exactly the inputs of the signature were sent."""
    if set(specs) != set(received):
        expected = ", ".join(sorted(specs))
        raise invalid(f"This signature takes the inputs: {expected}. Received: {shown(sorted(received))}.")


def from_proto(proto, spec, max_bytes):
    """The array in a `TensorProto`; raises `RequestError` unless it is what the spec says."""
    if proto.dtype != spec.dtype.as_datatype_enum:
        raise invalid(f"Input {spec.name!r} must be {spec}. Received dtype {_dtype_name(proto.dtype)}.")
    if proto.tensor_shape.unknown_rank:
        raise invalid(f"Input {spec.name!r} must be {spec}. Received a shape of unknown rank.")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    spec.check_shape(shape, max_bytes)
    count = math.prod(shape)
    if spec.dtype == tf.string:
        if proto.tensor_content:
            raise invalid(f"Input {spec.name!r} must be {spec}: strings come in string_val. Received tensor_content.")
        return _strings(proto.string_val, count, spec, max_bytes).reshape(shape)
    if proto.tensor_content and len(proto.tensor_content) != count * spec.dtype.size:
        raise invalid(
            f"Input {spec.name!r} of shape {shown(shape)} takes {count * spec.dtype.size} bytes of tensor_content. "
            f"Received {len(proto.tensor_content)}."
        )
    try:
        # Where fewer values than elements are sent the last one is repeated, which the check of the shape has bounded.
        return tf.make_ndarray(proto)
    except Exception as error:  # of many kinds: what is left is values that do not fit the dtype or the shape
        raise invalid(f"Input {spec.name!r} must be {spec}. Its values do not fit: {error}") from None


def _strings(values, count, spec, max_bytes):
    """An object array of bytes; as with numbers, the last one stands for those that are missing."""
    values = list(values[: count + 1])
    if len(values) > count:
        raise invalid(f"Input {spec.name!r} of {count} strings was sent with more.")
    last = values[-1] if values else b""
    missing = count - len(values)
    if sum(map(len, values)) + missing * len(last) > max_bytes:
        raise invalid(f"Input {spec.name!r} may have {max_bytes} bytes on this server. Received more.")
    return np.array([*values, *[last] * missing], object)


def _dtype_name(number):
    try:
        return tf.dtypes.as_dtype(number).name
    except TypeError:
        return str(number)


def byte_size(array):
    """The bytes of an array's content: of strings themselves, not of pointers to them."""
    return sum(map(len, array.flat)) if array.dtype == object else array.nbytes


def to_proto(array):
    """The `TensorProto` of an array, its numbers as one piece of bytes."""
    return tf.make_tensor_proto(array)
