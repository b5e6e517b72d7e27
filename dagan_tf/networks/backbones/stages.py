"""The layout of a backbone: what the parameter table and other modules know of it."""

from typing import NamedTuple


class Stage(NamedTuple):
    """One step of a backbone."""

    name: str
    filters: int
    """Channels of its output."""
    factor: int
    """Size of the image over the size of its output."""
