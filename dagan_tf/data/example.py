"""One picture of one's own data on its way into a prepared folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Example:
    """What is known of one picture.

    `label`: ids `(h, w)`, whole numbers as the source counts them; `instance`: whole numbers `(h, w)` or None, of which
    only equality counts; `photo`: the path of the photograph, or the bytes of such a file.
    """

    label: np.ndarray
    instance: np.ndarray | None
    photo: Path | bytes
