"""8-bit images and PNG files, against values worked out by hand."""

import numpy as np
import pytest
from PIL import Image

from dagan_tf import images


def test_to_uint8_rounds_and_clips():
    image = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 7.0], np.float32)
    assert images.to_uint8(image).tolist() == [0, 0, 128, 191, 255, 255]


def test_to_uint8_undoes_the_scaling_of_the_pipeline():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(levels.astype(np.float32) / 127.5 - 1), levels)


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6)])
def test_write_png_keeps_pixels_and_makes_folders(tmp_path, shape):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / "new" / "image.png"
    images.write_png(path, array)
    images.write_png(str(path), array)
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
        images.write_png(path, np.zeros((2, 2, 3), np.uint8))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["image.png"]
