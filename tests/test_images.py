"""8-bit images and PNG files, against values worked out by hand."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dagan_tf import images
from tests.helpers import run_python


def test_to_uint8_rounds_and_clips():
    image = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 7.0], np.float32)
    assert images.to_uint8(image).tolist() == [0, 0, 128, 191, 255, 255]


def test_to_uint8_undoes_from_uint8():
    levels = np.arange(256, dtype=np.uint8)
    image = images.from_uint8_tensor(tf.constant(levels)).numpy()
    np.testing.assert_array_equal(image, levels.astype(np.float32) / np.float32(127.5) - 1)
    assert (image.dtype, image[0], image[255]) == (np.float32, -1, 1)
    np.testing.assert_array_equal(images.to_uint8(image), levels)


def test_tensors_and_arrays_are_rounded_alike():
    image = np.random.default_rng(0).uniform(-1.1, 1.1, (4, 8, 8, 3)).astype("float32")
    image.flat[:3] = -1, 1, (0.5 / 127.5) * 3 - 1  # a tie
    np.testing.assert_array_equal(images.to_uint8_tensor(tf.constant(image)), images.to_uint8(image))


def test_arrays_need_no_tensorflow():
    script = (
        "import sys, numpy as np\n"
        "from dagan_tf import images\n"
        "images.to_uint8(np.zeros(3)), images.encode_png(np.zeros((2, 2), 'uint8'))\n"
        "print('tensorflow' in sys.modules)"
    )
    assert run_python(script).strip() == "False"


@pytest.mark.parametrize(("shape", "dtype"), [((4, 6, 3), "uint8"), ((4, 6), "uint8"), ((4, 6), "uint16")])
def test_encoded_pixels_come_back(shape, dtype):
    array = (np.arange(np.prod(shape)).reshape(shape) * (np.iinfo(dtype).max // 72)).astype(dtype)
    with Image.open(io.BytesIO(images.encode_png(array))) as picture:
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture), array)


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
