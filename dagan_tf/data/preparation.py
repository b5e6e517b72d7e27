"""One's own pictures and annotations to a folder that training takes: the work of `python -m dagan_tf.prepare`.

A source has the classes of one kind of annotation and reads it (`LabelFolder`, `LabelMeFolder`, `CocoFile`):

    names            the pictures, a sorted list of texts such as "train/a"
    rows             the classes, `ClassRow`s; or None, then they are made of what `find` finds:
    find(name)       a set of what one picture tells of the classes
    settle(found)    takes the union of these sets and knows `rows` from then on
    read(name)       the `Example`
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from dagan_tf.data.datasets.folder import check_no_splits, shared_out
from dagan_tf.data.description import FILE_NAME, GUESS, write_classes
from dagan_tf.data.photographs import photo_file
from dagan_tf.data.renumbering import renumber, renumbered, sixteen_bits
from dagan_tf.errors import StorageError, UserError
from dagan_tf.files import check_writable, replaced
from dagan_tf.images import encode_png
from dagan_tf.labels import LabelSpec

MOST_SHOWN = 10


@dataclass(frozen=True)
class Prepared:
    """What has been prepared.

    `counts`: pictures by split, "train" and "val", or "" where there are no splits; `spec`: the `LabelSpec` of the
    label maps that were written; `shares`: of all pixels by class, a list; `renumbered`: `{id before: id now}`, empty
    where ids stayed; `has_instances`; `bad`: `{name: why it was left out}`.
    """

    counts: dict
    spec: LabelSpec
    shares: list
    renumbered: dict
    has_instances: bool
    bad: dict


def prepare(source, root, *, unknown_id=GUESS, val_share=0.0, skip_bad=False, progress=lambda words: None):
    """Writes pictures as `root/labels`, `root/images`, `root/instances` (where there are any) and `dataset.json`.

    Label maps become grey PNG with ids that count up: they stay as they are, or are renumbered from 0 where there are
    gaps; the unlabelled one is the highest then. Instance maps become grey PNG of 16 bits. Photographs are copied, see
    `photo_file`.

    Args:
        source: see above.
        root: folder to make; it appears when all is written, or not at all.
        unknown_id: the id before renumbering that means unlabelled, a class more where the source has none of that id;
            None: there is none; `GUESS`: an id apart from the others, if there is one.
        val_share: share of the pictures in `val` and not in `train`, see `validation_names`; 0: no such folders.
        skip_bad: leave out pictures that cannot be used, instead of raising.
        progress: a function of words to a function that is called with (pictures done, pictures in all), or to `None`.

    Returns:
        A `Prepared`.

    Raises:
        UserError: `root` is not a new or empty folder; pictures cannot be used, which are named with the reasons; none
            is left.
        StorageError: `root` cannot be written.
    """
    check_place(root)
    validation = None if not val_share else validation_names(source.names, val_share)
    try:
        with replaced(root) as folder:
            folder.mkdir()
            _settle(source, progress)
            spec, mapping = renumber(source.rows, unknown_id)
            writer = _Writer(source, folder, mapping, validation)
            written, bad = _each(writer.write, source.names, progress("writing pictures"))
            counts = Counter(found.split for found in written.values())
            _check_bad(bad, source.names, skip_bad, set(counts) < {"train", "val"} and validation is not None)
            write_classes(folder / FILE_NAME, spec)
    except OSError as error:
        raise StorageError(
            f"Expected to write in {root}. Received: {error.strerror or error}. Nothing of it is kept: make room, or "
            "give another `output`."
        ) from error
    pixels = sum((found.pixels for found in written.values()), Counter())
    shares = [pixels[value] / pixels.total() for value in spec.ids]
    moved = {} if all(old == new for old, new in mapping.items()) else mapping
    return Prepared(dict(counts), spec, shares, moved, any(found.has_instance for found in written.values()), bad)


def check_place(root):
    """Raises `UserError` unless `root` is an empty folder, or a new one where folders may be made."""
    root = Path(root).expanduser().absolute()
    check_writable(root)
    if root.exists() and any(root.iterdir()):
        raise UserError(f"Expected a new or empty folder as `output`. Received: {root}, which is not. Give another.")


def validation_names(names, share):
    """The names, a set, that validate: those that the folder data set itself would choose, see `shared_out`.

    Raises:
        UserError: there are fewer than two names, or their folders are splits already.
    """
    if len(names) < 2:
        raise UserError(f"`val_share` needs two pictures or more. Received: {len(names)}. Leave it out.")
    check_no_splits(names, "val_share")
    return set(shared_out(names, share, "test"))


def _settle(source, progress):
    """Finds out what the classes are where nobody said so; pictures that cannot be read are met again later."""
    if source.rows is not None:
        return
    found, bad = _each(source.find, source.names, progress("reading annotations"))
    if not found:
        _check_bad(bad, source.names, skip_bad=False)
    source.settle(set().union(*found.values()))


def _each(function, names, told):
    """Calls a function with every name, in threads: `{name: result}`, and `{name: why}` where it raised `UserError`."""
    results, bad = {}, {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            futures = {pool.submit(function, name): name for name in names}
            for done, future in enumerate(as_completed(futures), start=1):
                name = futures[future]
                try:
                    results[name] = future.result()
                except UserError as error:
                    bad[name] = str(error)
                if told:
                    told(done, len(names))
        except BaseException:  # Ctrl-C, too: what has not begun does not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results, dict(sorted(bad.items()))


def _check_bad(bad, names, skip_bad, lacks_split=False):
    """Raises `UserError` with the reasons where pictures cannot be used, unless enough are left without them."""
    if not bad or (skip_bad and len(bad) < len(names) and not lacks_split):
        return
    lines = [f"\n  {name}: {reason}" for name, reason in bad.items()]
    more = f"\n  ... and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
    remedy = (
        "They cannot be left out: nothing would be left of a split."
        if skip_bad
        else "Or leave them out with `skip_bad`."
    )
    raise UserError(
        f"Expected pictures with a photograph and a label map each. Received: {len(bad)} of {len(names)} that cannot "
        f"be used:{''.join(lines[:MOST_SHOWN])}{more}\nMend them; nothing was written. {remedy}"
    )


@dataclass(frozen=True)
class _Written:
    """What is remembered of one picture: its split, its pixels by id, and whether it has an instance map."""

    split: str
    pixels: Counter
    has_instance: bool


class _Writer:
    """Writes the pictures of a source into a folder, each after all of it is known to be good."""

    def __init__(self, source, folder, mapping, validation):
        self._source, self._folder, self._mapping, self._validation = source, folder, mapping, validation

    def write(self, name):
        """Writes one picture and returns its `_Written`; raises `UserError`, or `OSError` where it cannot write."""
        example = self._source.read(name)
        label, pixels = renumbered(example.label, self._mapping)
        suffix, photo, size = photo_file(example.photo)
        _check_size("photograph", size, label.shape)
        files = {("labels", ".png"): encode_png(label), ("images", suffix): photo}
        if example.instance is not None:
            _check_size("instance map", example.instance.shape, label.shape)
            files["instances", ".png"] = encode_png(sixteen_bits(example.instance))
        split = "" if self._validation is None else "val" if name in self._validation else "train"
        for (folder, suffix), data in files.items():
            path = self._folder / folder / split / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return _Written(split, pixels, example.instance is not None)


def _check_size(what, size, expected):
    if tuple(size) != tuple(expected):
        received, wanted = (f"{height}x{width}" for height, width in (size, expected))
        raise UserError(
            f"expected {what} and label map of equal size. Received: {received} and {wanted} (height x width). "
            "Resize one of them (maps with nearest neighbour only), or annotate the picture again."
        )
