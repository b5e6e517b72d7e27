"""What all configurations share: fields that carry their help text, JSON both ways, and checks of values."""

import dataclasses
import json
import operator
import types

from dagan_tf.errors import UserError


def field(default, help, choices=None):
    """A dataclass field with the text and the choices that its command line flag shows; MISSING: it has no default."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


class Config:
    """The base of the frozen dataclasses that describe models, data, training and runs.

    They hold plain values, or each other: they compare, print and go to JSON and back unchanged.
    """

    def to_dict(self):
        """The fields as a dictionary of JSON values (tuples become lists)."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values):
        """The configuration of `to_dict`'s dictionary. Unknown and missing names raise `UserError`."""
        names = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names)
        if unknown:
            raise UserError(
                f"{cls.__name__} has no field {', '.join(unknown)}; its fields are {', '.join(sorted(names))}."
            )
        required = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        missing = sorted(required - set(values))
        if missing:
            raise UserError(f"{cls.__name__} needs {', '.join(missing)}.")
        kinds = {f.name: f.type for f in dataclasses.fields(cls)}
        return cls(**{name: _from_json(kinds[name], value) for name, value in values.items()})

    @classmethod
    def names(cls):
        """The names of the fields, in their order: a list."""
        return [f.name for f in dataclasses.fields(cls)]

    def replace(self, **overrides):
        """The same configuration with some fields changed; an unknown name raises `UserError`."""
        return type(self).from_dict({**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **overrides})

    def _check_positive(self, *names):
        for name in names:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UserError(f"`{name}` must be a whole number of at least 1. Received: {value!r}.")


def _from_json(kind, value):
    """A field's value from JSON: a configuration where the field's type is one, else a plain value."""
    kinds = kind.__args__ if isinstance(kind, types.UnionType) else (kind,)
    for config_class in kinds:
        if isinstance(value, dict) and issubclass(config_class, Config):
            return config_class.from_dict(value)
    return _tuples(value)


def _tuples(value):
    """JSON's lists as tuples, inside lists, too."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def size_of(value):
    """(height, width) of a pair of whole numbers, also NumPy's, or of one number."""
    try:
        size = tuple(map(operator.index, value if isinstance(value, tuple | list) else (value, value)))
    except TypeError:
        size = ()
    if len(size) != 2 or min(size) < 1:
        raise UserError(f"`image_size` must be (height, width), two whole numbers above 0. Received: {value!r}.")
    return size
