"""Small data sets of known pixels, in which tests break one thing at a time."""

import numpy as np
from PIL import Image

from dagan_tf.data import FolderSource
from dagan_tf.labels import LabelSpec

SPEC = LabelSpec(num_classes=3)


def blocks(index, height=24, width=32):
    """A label map of two straight borders and the classes 0 to 2, another for each index."""
    label = np.zeros((height, width), np.uint8)
    label[:, 8 + index % 8 :] = 1
    label[12:] = 2
    return label


def photo(index, height=24, width=32):
    """Smooth colours, others for each index."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 5, columns * 5, np.full_like(rows, index * 7 % 256)], axis=-1).astype(np.uint8)


def write_pairs(root, count=6, first=0, suffix=".jpg"):
    """`count` pairs in `root`/labels and `root`/images; returns `root`."""
    for folder in ("labels", "images"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(first, first + count):
        Image.fromarray(blocks(index)).save(root / f"labels/{index:03}.png")
        Image.fromarray(photo(index)).save(root / f"images/{index:03}{suffix}")
    return root


def source(root, spec=SPEC):
    """The pairs of `write_pairs`."""
    return FolderSource(root / "labels", root / "images", spec=spec)


def cut(path, share=0.7):
    """Cuts a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def kinds(report):
    """The kinds of a report's findings."""
    return [finding.kind for finding in report.findings]
