"""What tables and other modules know of a backbone's layout."""

from typing import NamedTuple


class Stage(NamedTuple):
    """One step of a backbone."""

    name: str
    filters: int
    """Channels of its output."""
    factor: int
    """Size of the image over the size of its output."""
