"""Colours, sheets and PNG files, against values worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from dagan_tf.data import render
from dagan_tf.errors import UserError
from dagan_tf.presets import FACADES_PALETTE


def test_colour_looks_up_the_palette():
    label = np.array([[0, 12], [3, 3]], np.uint8)
    result = render.colour(label, FACADES_PALETTE)
    assert result.dtype == np.uint8
    assert result.tolist() == [[[0, 0, 0], [235, 120, 40]], [[40, 70, 120], [40, 70, 120]]]


@pytest.mark.parametrize("num_classes", [2, 13, 19, 183, 300])
def test_classes_without_a_palette_get_distinct_colours(num_classes):
    colours = render.colour(np.arange(num_classes), num_classes)
    assert colours.shape == (num_classes, 3)
    assert len({tuple(c) for c in colours.tolist()}) == num_classes
    np.testing.assert_array_equal(colours, render.colour(np.arange(num_classes), num_classes))


def test_colours_of_few_classes_are_far_apart():
    colours = render.colour(np.arange(19), 19).astype(int)
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1000 * np.eye(19)
    assert distances.min() > 20


@pytest.mark.parametrize("label", [[13], [-1]])
def test_a_class_without_colour_is_refused(label):
    with pytest.raises(UserError, match=f"0 to 12.*{label[0]}"):
        render.colour(np.array(label), FACADES_PALETTE)


def test_grid_places_images_and_leaves_white_gaps():
    images = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = render.grid([images[:2], images[2:]])
    expected = np.full((2 * 2 + render.GAP, 2 * 3 + render.GAP, 3), 255)
    expected[:2, :3], expected[:2, -3:], expected[-2:, :3] = 10, 20, 30
    np.testing.assert_array_equal(sheet, expected)
    assert sheet.dtype == np.uint8


def test_to_uint8_rounds_and_clips():
    image = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 7.0], np.float32)
    assert render.to_uint8(image).tolist() == [0, 0, 128, 191, 255, 255]


def test_to_uint8_undoes_the_scaling_of_the_pipeline():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(render.to_uint8(levels.astype(np.float32) / 127.5 - 1), levels)


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6)])
def test_write_png_keeps_pixels_and_makes_folders(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / "new" / "image.png"
    render.write_png(path, array)
    render.write_png(str(path), array)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), array)
    assert [p.name for p in path.parent.iterdir()] == ["image.png"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "image.png"
    path.write_bytes(b"old")

    def half(self, file, format):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(OSError, match="disk full"):
        render.write_png(path, np.zeros((2, 2, 3), np.uint8))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["image.png"]
