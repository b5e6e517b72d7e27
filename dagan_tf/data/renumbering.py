"""Ids of classes and instances as the PNG files of a prepared folder can hold them."""

from collections import Counter

import numpy as np

from dagan_tf.data.description import GUESS, ClassRow, gaps_in, spec_of, split_ids
from dagan_tf.errors import UserError

MOST_IDS = 2**16
"""Ids of 16 bits, which is what a grey PNG holds."""


def renumber(rows, unknown_id=GUESS):
    """How the ids of classes are written.

    Args:
        rows: `ClassRow`s, gaps between their ids included.
        unknown_id: the id that means unlabelled; None: there is none; `GUESS`: the one apart from others, if there is.

    Returns:
        (`LabelSpec` of what is written, `{id: id that is written}`).

    Raises:
        UserError: there are more classes than a PNG can tell apart.
    """
    if unknown_id not in (None, GUESS) and unknown_id not in [row.id for row in rows]:
        rows = (*rows, _unlabelled(rows, unknown_id))
    known, unknown_id = split_ids([row.id for row in rows], unknown_id)
    ordered = known if unknown_id is None else [*known, unknown_id]
    if len(ordered) > MOST_IDS:
        raise UserError(f"Expected at most {MOST_IDS} classes. Received: {len(ordered)}. Are these photographs?")
    if not gaps_in(known) and min(ordered) >= 0 and max(ordered) < MOST_IDS:
        return spec_of(rows, known, unknown_id), {value: value for value in ordered}
    mapping = {value: index for index, value in enumerate(ordered)}
    rows = [ClassRow(mapping[row.id], row.name, row.colour) for row in rows]
    return spec_of(rows, list(range(len(known))), None if unknown_id is None else len(known)), mapping


def _unlabelled(rows, unknown_id):
    """A class for pixels without a label, with a name and a colour that no other has, where others have them."""
    names, colours = {row.name for row in rows}, {row.colour for row in rows}
    name = next(text for text in ("unlabelled", "unlabelled pixels", f"id {unknown_id}") if text not in names)
    colour = next((i, i, i) for i in range(256) if (i, i, i) not in colours)
    return ClassRow(unknown_id, None if None in names else name, None if None in colours else colour)


def renumbered(label, mapping):
    """The label map that is written, and how many pixels each id has in it.

    Args:
        label: ids `(h, w)`, whole numbers.
        mapping: `{id: id that is written}`, see `renumber`.

    Returns:
        (ids `(h, w)`, uint8 where all of `mapping` fit, else uint16; a `Counter` of pixels by id).

    Raises:
        UserError: there are ids that are none of `mapping`.
    """
    values, places, counts = np.unique(label, return_inverse=True, return_counts=True)
    strange = [f"id {v} ({n} pixels)" for v, n in zip(values.tolist(), counts, strict=True) if v not in mapping]
    if strange:
        raise UserError(
            f"expected ids of the classes. Received: {', '.join(strange[:5])}{' ...' if len(strange) > 5 else ''}. "
            "Add them to `classes`, or say with `unknown_id` which one means unlabelled."
        )
    new = np.array([mapping[value] for value in values.tolist()])
    kind = np.uint8 if max(mapping.values()) < 256 else np.uint16
    pixels = Counter(dict(zip(new.tolist(), counts.tolist(), strict=True)))
    return new.astype(kind)[places].reshape(label.shape), pixels


def sixteen_bits(instance):
    """Instance ids `(h, w)` as uint16; where they do not fit they are numbered anew, since only equality counts."""
    if instance.min() < 0 or instance.max() >= MOST_IDS:
        values, instance = np.unique(instance, return_inverse=True)
        if len(values) > MOST_IDS:
            raise UserError(f"expected at most {MOST_IDS} instances. Received: {len(values)}. Is it a photograph?")
    return instance.astype(np.uint16)
