"""JSON values to NumPy and back, in TF-Serving's encoding: nested lists, strings or `{"b64": ...}` for bytes."""

import base64
import itertools
import json

import numpy as np
import tensorflow as tf

from dagan_tf.server.status import RequestError, StatusCode, invalid, shown

BRACKET = 16
"""Bytes of a message's limit that allow one list, which takes 64 bytes of memory and only two of a body."""

PIECE = 1 << 16
"""Elements turned into text at a time: Python's encoder lets no other thread run meanwhile."""


def parse(body, max_bytes):
    """The object in a request's body of UTF-8 bytes; its lists alone may take a few times `max_bytes`."""
    if body.count(b"[") + body.count(b"{") > max_bytes // BRACKET:
        raise invalid(f"The body may have {max_bytes // BRACKET} lists and objects on this server. Received more.")
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_Constant)
    except RecursionError:
        raise invalid("The body is nested too deeply.") from None
    except ValueError as error:
        raise invalid(f"The body must be JSON. {error}") from None
    if not isinstance(document, dict):
        raise invalid(f'The body must be a JSON object with "instances" or "inputs". Received {_kind(document)}.')
    return document


class _Constant(float):
    """NaN, Infinity or -Infinity, which is no JSON, but what TF-Serving takes for floats; 1e999 is none of them."""


def to_array(value, spec, max_bytes):
    """The array of nested lists; raises `RequestError` unless it is what the spec says."""
    values, shape = _flatten(value, spec)
    spec.check_shape(shape, max_bytes)
    return _array(values, spec).reshape(shape)


def _flatten(value, spec):
    """All values in one list, and their shape. A value that is no list ends the nesting."""
    level, shape = [value], []
    while level and isinstance(level[0], list) and (spec.shape is None or len(shape) <= len(spec.shape)):
        kinds, sizes = set(map(type, level)), {len(item) for item in level if isinstance(item, list)}
        if kinds != {list} or len(sizes) > 1:
            raise invalid(
                f"Input {spec.name!r} must be {spec}. Received lists of different lengths or depths at level "
                f"{len(shape)} of the nesting."
            )
        shape.append(sizes.pop())
        level = list(itertools.chain.from_iterable(level))
    return level, tuple(shape)


def _array(values, spec):
    """A flat array of the spec's dtype, if every value fits it."""
    dtype = spec.dtype
    if dtype == tf.string:
        return np.array([*map(_bytes_reader(spec), values)], object)
    if not (dtype.is_bool or dtype.is_integer or dtype.is_floating):
        raise RequestError(StatusCode.UNIMPLEMENTED, f"Input {spec.name!r} is {spec}, for which JSON has no values.")
    allowed = {bool} if dtype.is_bool else {int} if dtype.is_integer else {int, float, _Constant}
    if set(map(type, values)) - allowed:
        wrong = next(value for value in values if type(value) not in allowed)
        raise invalid(f"Input {spec.name!r} must be {spec}. Received {_kind(wrong)} in it: {shown(wrong)}.")
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype.as_numpy_dtype)
    except OverflowError:
        array = None
    if array is None or (dtype.is_floating and not np.isfinite(array).all()):
        python = float if dtype.is_floating else int
        low, high = python(dtype.min), python(dtype.max)
        wrong = [value for value in values if type(value) is not _Constant and not low <= value <= high]
        if wrong:
            received = f"Received {shown(wrong[0])}, which does not fit {dtype.name}."
            raise invalid(f"Input {spec.name!r} must be {spec}. {received}")
    return array


def _bytes_reader(spec):
    def read(value):
        try:
            if isinstance(value, str):
                return value.encode("utf-8")
            if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
                return base64.b64decode(value["b64"], validate=True)
        except ValueError as error:
            raise invalid(f"Input {spec.name!r} has a string that cannot be read: {error}") from None
        raise invalid(
            f'Input {spec.name!r} must be {spec}: strings, or {{"b64": "..."}} for bytes. Received {_kind(value)}.'
        )

    return read


def _kind(value):
    """JSON's name of a value's type."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def to_text(array, name):
    """The JSON of an array. Strings of an output whose name ends in `_bytes` become `{"b64": ...}`."""
    if array.dtype == object:
        return json.dumps(_texts(array, name))
    if array.ndim > 1 and array.size > PIECE:
        return "[" + ",".join(to_text(part, name) for part in array) + "]"
    return json.dumps(array.tolist(), separators=(",", ":"))


def _texts(array, name):
    if array.ndim:
        return [_texts(np.asarray(part, object), name) for part in array]
    value = array.item()
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode("ascii")}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(
            StatusCode.FAILED_PRECONDITION,
            f"Output {name!r} is not UTF-8 text, and JSON has bytes only where the name ends in _bytes: use gRPC.",
        ) from None
