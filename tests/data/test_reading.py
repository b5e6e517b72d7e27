"""Ids and colours to classes, and what is refused because it could be read in two ways."""

import numpy as np
import pytest

from dagan_tf.config import LabelSpec
from dagan_tf.data.reading import read_ids, read_instance, read_label
from dagan_tf.errors import UserError
from tests.data.pictures import IDS, photo, save

SPEC = LabelSpec(num_classes=13)
COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (10, 20, 30))
COLOURED = LabelSpec(num_classes=4, palette=COLOURS)
CLASSES = np.array([[0, 1, 2], [3, 3, 0]])


def test_ids_become_classes_by_the_spec(tmp_path):
    ade = LabelSpec(num_classes=151, first_id=1, unknown_id=0)
    assert read_label(save(tmp_path / "a.png", np.array([[0, 1, 150]], np.uint8)), ade).tolist() == [[150, 0, 149]]
    cityscapes = LabelSpec(num_classes=35, unknown_id=255)
    assert read_label(save(tmp_path / "b.png", np.array([[1, 2, 255]], np.uint8)), cityscapes).tolist() == [[1, 2, 34]]


def test_dtypes_by_the_number_of_classes(tmp_path):
    ids = np.array([[0, 300], [999, 256]], np.uint16)
    many = read_label(save(tmp_path / "a.png", ids), LabelSpec(num_classes=1000))
    assert many.dtype == np.int32
    np.testing.assert_array_equal(many, ids)
    assert read_label(save(tmp_path / "b.png", IDS), SPEC).dtype == np.uint8


def test_ids_outside_the_classes_are_named_and_counted(tmp_path):
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :7], ids[1, :2] = 13, 200
    path = save(tmp_path / "bad.png", ids)
    with pytest.raises(UserError) as caught:
        read_label(path, SPEC)
    for part in (str(path), "id 13 (7 pixels)", "id 200 (2 pixels)", "0 to 12", "13 classes"):
        assert part in str(caught.value)


def test_of_many_bad_ids_five_are_named(tmp_path):
    path = save(tmp_path / "bad.png", np.arange(20, 28, dtype=np.uint8).reshape(2, 4))
    with pytest.raises(UserError, match=r"id 24 \(1 pixels\) and 3 more"):
        read_label(path, SPEC)


def test_an_id_beside_the_unknown_one_is_not_read_as_unknown(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 1, 2, 3, 4, 255]], np.uint8))
    with pytest.raises(UserError, match=r"ids 0 to 3 and 255, for 5 classes.*id 4 \(1 pixels\).*with this id it is 6"):
        read_label(path, LabelSpec(5, unknown_id=255))
    assert read_label(path, LabelSpec(6, unknown_id=255)).tolist() == [[0, 1, 2, 3, 4, 5]]


def test_one_id_too_many_may_be_the_unknown_one(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 1, 255]], np.uint8))
    with pytest.raises(UserError, match="If 255 means unlabelled, give it as `unknown_id` and count it"):
        read_label(path, LabelSpec(2))


@pytest.mark.parametrize("wide", [2**32, 2**32 + 1, -(2**32), 2**40 + 3])
def test_wide_integers_do_not_wrap_round_to_classes(tmp_path, wide):
    with pytest.raises(UserError, match=rf"id {wide} \(1 pixels\)"):
        read_label(save(tmp_path / "a.npy", np.array([[0, wide]])), SPEC)
    with pytest.raises(UserError, match="ids of 32 bits"):
        read_instance(save(tmp_path / "b.npy", np.array([[0, wide]])))


def test_colours_are_classes_where_each_has_one(tmp_path):
    pixels = np.array(COLOURS, np.uint8)[CLASSES]
    for name in ("a.png", "a.tif", "a.bmp"):
        np.testing.assert_array_equal(read_label(save(tmp_path / name, pixels), COLOURED), CLASSES)
    with_unknown = LabelSpec(4, unknown_id=255, palette=COLOURS)
    np.testing.assert_array_equal(read_label(tmp_path / "a.png", with_unknown), CLASSES)


def test_other_colours_are_named_and_counted(tmp_path):
    pixels = np.array(COLOURS, np.uint8)[CLASSES]
    pixels[0, 0] = pixels[0, 1] = (255, 0, 1)
    with pytest.raises(UserError, match=r"colours of the 4 classes alone. Received: \(255, 0, 1\) \(2 pixels\)"):
        read_label(save(tmp_path / "a.png", pixels), COLOURED)


@pytest.mark.parametrize("palette", [(), ((0, 0, 0), (0, 0, 0), (1, 1, 1), (2, 2, 2))], ids=["none", "one twice"])
def test_colours_are_no_ids_without_a_colour_for_each_class(tmp_path, palette):
    path = save(tmp_path / "a.png", photo(value=0))
    with pytest.raises(UserError, match=r"a\.png: a label map must be a grey or palette picture.*`classes`"):
        read_label(path, LabelSpec(4, palette=palette))
    with pytest.raises(UserError, match="colours"):
        read_ids(path)
    with pytest.raises(UserError, match="instance map must be a grey or palette"):
        read_instance(path)


def flat(colours):
    return [level for colour in colours for level in colour]


def test_palette_files_give_their_indices(tmp_path):
    other_colours = flat((9, 9, i) for i in range(256))
    for spec in (COLOURED, LabelSpec(4)):
        path = save(tmp_path / "a.png", CLASSES.astype(np.uint8), other_colours)
        np.testing.assert_array_equal(read_label(path, spec), CLASSES)
        np.testing.assert_array_equal(read_label(save(path, CLASSES.astype(np.uint8), flat(COLOURS)), spec), CLASSES)


def test_a_palette_that_a_program_numbered_anew_is_refused(tmp_path):
    """Its colours are right and its indices are not: a silent wrong map, if indices were believed."""
    order = [2, 0, 3, 1]
    anew = np.argsort(order)[CLASSES].astype(np.uint8)
    path = save(tmp_path / "a.png", anew, flat(COLOURS[i] for i in order))
    others = [COLOURS[2], COLOURS[0], (9, 9, 9), (8, 8, 8)]  # colours that are no class' say nothing
    with pytest.raises(UserError, match=r"colours of the ids 2, 0 under the indices 0, 1\."):
        read_label(save(path.with_name("b.png"), anew, flat(others)), COLOURED)
    with pytest.raises(
        UserError, match=r"whose indices are ids. Received: colours of the ids 2, 0, 3, 1 under.*0, 1, 2, 3"
    ):
        read_label(path, COLOURED)


def test_instance_maps(tmp_path):
    ids = np.array([[0, 26001], [65535, 7]], np.uint16)
    found = read_instance(save(tmp_path / "a.png", ids))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, ids)
    np.testing.assert_array_equal(read_instance(save(tmp_path / "a.npy", (wide := ids.astype(np.int64) + 70000))), wide)


def test_ids_as_they_are(tmp_path):
    np.testing.assert_array_equal(read_ids(save(tmp_path / "a.png", IDS + 200)), IDS + 200)
