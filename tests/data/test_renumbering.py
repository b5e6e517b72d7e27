"""Ids of classes and instances as the PNG files of a prepared folder can hold them."""

import numpy as np
import pytest

from dagan_tf.data.description import GUESS, ClassRow
from dagan_tf.data.renumbering import renumber, renumbered, sixteen_bits
from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("ids", "unknown", "spec", "moved"),
    [
        ([0, 1, 2], None, LabelSpec(3), {}),
        ([1, 2], None, LabelSpec(2, first_id=1), {}),
        ([0, 1, 255], GUESS, LabelSpec(3, unknown_id=255), {}),
        ([0, 1], 255, LabelSpec(3, unknown_id=255), {}),
        ([0, 1, 2], 0, LabelSpec(3, first_id=1, unknown_id=0), {}),
        ([0, 1, 2], 1, LabelSpec(3, unknown_id=2), {0: 0, 2: 1, 1: 2}),
        ([3, 7, 9, 20], None, LabelSpec(4), {3: 0, 7: 1, 9: 2, 20: 3}),
        ([0, 7, 9, 255], 255, LabelSpec(4, unknown_id=3), {0: 0, 7: 1, 9: 2, 255: 3}),
        ([-1, 0, 1], None, LabelSpec(3, first_id=-1), {-1: 0, 0: 1, 1: 2}),
        ([-1, 5, 6], GUESS, LabelSpec(3, first_id=5, unknown_id=-1), {5: 0, 6: 1, -1: 2}),
        ([0, 70000], GUESS, LabelSpec(2, unknown_id=70000), {0: 0, 70000: 1}),
        ([5], 5, LabelSpec(1, unknown_id=5), {}),
    ],
)
def test_ids_are_renumbered_where_they_must_be(ids, unknown, spec, moved):
    written, mapping = renumber([ClassRow(i) for i in ids], unknown)
    changed = any(old != new for old, new in mapping.items())
    assert changed == bool(moved)
    if moved:
        assert mapping == moved
        assert sorted(mapping.values()) == list(range(len(moved)))
        assert sorted(written.ids) == list(range(len(moved)))
    else:
        assert written == spec
        assert sorted(written.ids) == sorted({*ids, *([] if unknown in (None, GUESS) else [unknown])})


def test_names_and_colours_move_with_their_ids():
    rows = [ClassRow(9, "sky", (0, 0, 1)), ClassRow(2, "unlabelled", (0, 0, 0)), ClassRow(5, "road", (1, 1, 1))]
    spec, mapping = renumber(rows, 2)
    assert mapping == {5: 0, 9: 1, 2: 2}
    assert spec.class_names == ("road", "sky", "unlabelled")
    assert spec.palette == ((1, 1, 1), (0, 0, 1), (0, 0, 0))
    spec, _ = renumber(rows, 255)  # a class more, with a name and a colour of its own
    assert spec.class_names[3] not in ("sky", "unlabelled", "road")
    assert len(set(spec.palette)) == 4


def test_renumbering_against_a_dictionary():
    label = rng.choice([-3, 7, 100_000], (5, 6))
    written, counted = renumbered(label, {-3: 2, 7: 0, 100_000: 1, 9: 3})
    assert written.tolist() == [[{-3: 2, 7: 0, 100_000: 1}[v] for v in row] for row in label.tolist()]
    assert written.dtype == np.uint8
    assert counted == {2: (label == -3).sum(), 0: (label == 7).sum(), 1: (label == 100_000).sum()}
    with pytest.raises(UserError, match=r"id 7 \(\d+ pixels\), id 100000"):
        renumbered(label, {-3: 0})


@pytest.mark.parametrize("ids", [[[0, 5], [65535, 5]], [[-1, 4], [4, 2**40]]])
def test_instances_take_16_bits(ids):
    written = sixteen_bits(np.array(ids))
    assert written.dtype == np.uint16
    flat, before = written.ravel().tolist(), np.array(ids).ravel().tolist()
    assert [a == b for a in flat for b in flat] == [a == b for a in before for b in before]
