"""Everything of one split, read once in parallel: what is in it, and what is wrong with it."""

import collections
import time
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from dagan_tf.data.inspection.diagnosis import faults
from dagan_tf.data.inspection.findings import Report, printable
from dagan_tf.data.inspection.parallel import evenly, in_parallel
from dagan_tf.data.inspection.patches import patch_shares
from dagan_tf.data.inspection.pixels import digest, example_faults, id_counts
from dagan_tf.data.inspection.quick import add_faults
from dagan_tf.data.listing import LABEL, some
from dagan_tf.data.reading import read_ids
from dagan_tf.data.transform import transform
from dagan_tf.errors import UserError

MOST_PATCH_MAPS = 32
MOST_PICTURES = 8
PICTURE_SIDE = 360
"""Pixels of the longer side of an example on the page."""


@dataclass
class Scan:
    """What one split holds. Numbers of pixels are Python's, and so of any size."""

    source: object
    """The examples; those that could be read are as many as `sizes`."""
    report: Report = field(default_factory=Report)
    sizes: list = field(default_factory=list)
    """(height, width) of each."""
    pixels: collections.Counter = field(default_factory=collections.Counter)
    """By class, or by id where the classes are not known."""
    maps: collections.Counter = field(default_factory=collections.Counter)
    """How many label maps have a class, or an id, in them."""
    foreign: collections.Counter = field(default_factory=collections.Counter)
    """Pixels by id, of ids that stand for no class; `foreign_maps` counts the label maps."""
    foreign_maps: collections.Counter = field(default_factory=collections.Counter)
    photos: dict = field(default_factory=dict)
    """Indices of the first examples by the digest of their photo."""
    shares: list = field(default_factory=list)
    """Of a sample of the examples what `patch_shares` gives."""
    pictures: list = field(default_factory=list)
    """A few examples for the page: (name, classes (h, w), photo (h, w, 3) or `None`), made smaller."""
    seconds: float = 0.0
    """That reading everything once took."""
    resizing: list = field(default_factory=list)
    """Of the same sample the seconds of one core that it takes to resize an example as training does."""

    @property
    def rate(self):
        """Examples a second that were read, 0 where none could be."""
        return len(self.sizes) / self.seconds if self.seconds else 0.0


def scan(source, factors=None, image_size=None, use_edges=False, progress=None):
    """Reads every example of a source once, in as many threads as there are cores.

    Args:
        source: examples, such as a `FileSource`.
        factors: of the levels of a network, for `patch_shares`; `None`: patches are not counted.
        image_size: (height, width) of the network, to which a sample is resized where patches are counted.
        use_edges: whether the network reads the borders of instances.
        progress: called with (examples read, examples in all), or `None`.

    Returns:
        A `Scan`; what is wrong is in its `report`, and not raised.
    """
    result, good = Scan(source), []
    began = time.perf_counter()
    for index, facts in enumerate(in_parallel(lambda index: _facts(source, index), range(len(source)))):
        good += [index] if _take(result, index, *facts) else []
        if progress:
            progress(index + 1, len(source))
    result.seconds = time.perf_counter() - began
    _name_foreign(result, getattr(source, "spec", None))
    _sample(result, source, good, factors, image_size, use_edges)
    return result


def _facts(source, index):
    """What one example adds to a scan, and its faults; runs in a thread of its own."""
    try:
        example = source[index]
    except UserError as error:
        found = faults(source, index, error)
        return None, found, _foreign(source, index) if "ids" in {kind for kind, *_ in found} else {}
    facts = {"size": example["label"].shape, "counts": id_counts(example["label"])}
    if "image" in example:
        facts["digest"] = digest(example["image"])
    return facts, example_faults(source, index, example), {}


def _take(result, index, facts, found, foreign):
    """Adds one example's facts to a scan; whether it could be read."""
    add_faults(result.report, found)
    result.foreign.update(foreign)
    result.foreign_maps.update(foreign.keys())
    if facts is None:
        return False
    result.sizes.append(facts["size"])
    result.pixels.update(facts["counts"])
    result.maps.update(facts["counts"].keys())
    if "digest" in facts:
        result.photos.setdefault(facts["digest"], index)
    return True


def _foreign(source, index):
    """The pixels by id of a label file, of ids that stand for no class."""
    known, ids = set(source.spec.ids), read_ids(source.files(index)[LABEL])
    return {value: count for value, count in id_counts(ids).items() if value not in known}


def _name_foreign(result, spec):
    """One message for all ids that stand for no class, in the place of the first file's."""
    if not result.foreign:
        return
    found = [
        f"id {value} ({count} pixels in {result.foreign_maps[value]} map{'s' * (result.foreign_maps[value] > 1)})"
        for value, count in sorted(result.foreign.items())
    ]
    advice = "Correct the files, or the number of classes."
    if len(found) == 1 and spec.unknown_id is None:
        value = next(iter(result.foreign))
        advice = f"If {value} means unlabelled, give it as `unknown_id`, and one more as `num_classes`."
    elif list(result.foreign) == [spec.known_ids.stop] and spec.unknown_id is not None:
        advice = f"`num_classes` counts the unknown class, too: with this id it is {spec.num_classes + 1}."
    result.report.replace(
        "ids",
        f"{result.report.first_file('ids')}: expected the label ids {spec.describe_ids()}, for "
        f"{spec.num_classes} classes. Received: {some(found)}. {advice}",
    )


def _sample(result, source, good, factors, image_size, use_edges):
    """Counts patches of a sample of the examples that could be read, and keeps a few for the page."""
    shown = {good[place] for place in evenly(len(good), MOST_PICTURES)}
    measured = {good[place] for place in evenly(len(good), MOST_PATCH_MAPS if factors else 0)}

    def look(index):
        example = source[index]
        measures = _measures(example, factors, image_size, use_edges) if index in measured else None
        return measures, _picture(source.name(index), example) if index in shown else None

    for measures, picture in in_parallel(look, sorted(shown | measured)):
        if measures:
            result.shares.append(measures[0])
            result.resizing.append(measures[1])
        result.pictures += [] if picture is None else [picture]


def _measures(example, factors, image_size, use_edges):
    """What `patch_shares` gives of an example, and the seconds of one core that it takes to resize it."""
    plain = {key: value if value.dtype == np.uint8 else np.asarray(value, np.int32) for key, value in example.items()}
    began = time.thread_time()
    resized = transform(plain, image_size)
    seconds = time.thread_time() - began
    return patch_shares(resized, factors, use_edges and "instance" in resized), seconds


def _picture(name, example):
    """(name, classes, photo) of an example, no larger than the page shows them."""
    label, photo = example["label"], example.get("image")
    scale = min(1.0, PICTURE_SIDE / max(label.shape))
    height, width = (max(1, round(side * scale)) for side in label.shape)
    rows, columns = (np.arange(new) * old // new for new, old in zip((height, width), label.shape, strict=True))
    if photo is not None:
        photo = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
    return printable(name), label[np.ix_(rows, columns)], photo
