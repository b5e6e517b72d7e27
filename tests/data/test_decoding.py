"""Files of every form, written by PIL, tifffile or by hand: what they hold comes out, or a sentence that names them."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from dagan_tf.data import decoding
from dagan_tf.data.decoding import read_map, read_photo, read_size
from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO
from dagan_tf.errors import UserError
from tests.data.pictures import IDS, packed_png, photo, png, save

WIDE = np.array([[0, 300], [65535, 256]], np.uint16)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.npy"])
def test_ids_of_every_format(tmp_path, name):
    pixels, colours = read_map(save(tmp_path / name, IDS), LABEL)
    np.testing.assert_array_equal(pixels, IDS)
    assert colours is None


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp"])
def test_palette_files_give_indices_and_their_colours(tmp_path, name):
    given = [255 - i % 256 for i in range(768)]
    pixels, colours = read_map(save(tmp_path / name, IDS, given), LABEL)
    np.testing.assert_array_equal(pixels, IDS)
    assert colours[:12].ravel().tolist() == given[:36]


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_sixteen_bits(tmp_path, name):
    np.testing.assert_array_equal(read_map(save(tmp_path / name, WIDE), INSTANCE)[0], WIDE)


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_files_of_another_program(tmp_path, order):
    for dtype in (np.uint8, np.uint16, np.int32, np.float32):
        tifffile.imwrite(tmp_path / "a.tif", IDS.astype(dtype), byteorder=order)
        np.testing.assert_array_equal(read_map(tmp_path / "a.tif", LABEL)[0], IDS)


def test_one_bit_and_truth_values(tmp_path):
    for name in ("a.png", "a.npy"):
        pixels = read_map(save(tmp_path / name, IDS % 2 == 1), LABEL)[0]
        np.testing.assert_array_equal(pixels, IDS % 2)
        assert pixels.dtype == np.uint8


@pytest.mark.parametrize(("bits", "rows"), [(2, [[0, 1, 2, 3], [3, 3, 0, 1]]), (4, [[0, 1, 11, 12], [5, 7, 2, 9]])])
def test_packed_grey_files_keep_their_ids(tmp_path, bits, rows):
    assert read_map(packed_png(tmp_path / "a.png", rows, bits), LABEL)[0].tolist() == rows


def test_floats_are_ids_only_if_they_are_whole(tmp_path):
    for name in ("a.tif", "a.npy"):
        path = save(tmp_path / name, IDS.astype(np.float32))
        np.testing.assert_array_equal(read_map(path, LABEL)[0], IDS)
        with pytest.raises(UserError, match=r"whole numbers. Received: 0\.5 and 11 more.*nearest neighbour"):
            read_map(save(tmp_path / name, IDS + np.float32(0.5)), LABEL)
        with pytest.raises(UserError, match=r"whole numbers\. Received: nan"):
            read_map(save(tmp_path / name, np.full((2, 2), np.nan, np.float32)), LABEL)


def lossy(form, array=IDS, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (lossy("JPEG"), "JPEG"),
        (lossy("WEBP", photo()), "WEBP"),
        (lossy("WEBP", photo(), lossless=True), "WEBP"),
        (lossy("JPEG2000"), "JPEG2000"),
        (lossy("AVIF", photo(16, 16)), "AVIF"),
        (lossy("TIFF", photo(16, 16), compression="jpeg"), "JPEG in TIFF"),
    ],
    ids=["jpeg", "webp", "lossless webp", "jpeg 2000", "avif", "jpeg in tiff"],
)
@pytest.mark.parametrize("role", [LABEL, INSTANCE])
def test_lossy_maps_are_known_by_their_content(tmp_path, content, kind, role):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for read in (read_map, read_size):
        with pytest.raises(UserError, match=rf"a\.png: a {role} must be of a format that keeps.*{kind}, which"):
            read(path, role)


def test_transparency(tmp_path):
    opaque, clear = np.full((3, 4), 255, np.uint8), np.full((3, 4), 254, np.uint8)
    grey = save(tmp_path / "grey.png", np.dstack([IDS, opaque]))
    np.testing.assert_array_equal(read_map(grey, LABEL)[0], IDS)
    colours = save(tmp_path / "colours.png", np.dstack([photo(), opaque]))
    np.testing.assert_array_equal(read_map(colours, LABEL)[0], photo())
    with pytest.raises(UserError, match=r"must not be transparent\. Received: opacity of 254 to 254"):
        read_map(save(tmp_path / "clear.png", np.dstack([IDS, clear])), LABEL)
    np.testing.assert_array_equal(read_photo(tmp_path / "colours.png"), photo())


def test_maps_whose_upper_bits_alone_pil_would_keep_are_refused(tmp_path):
    for colour_type, channels in ((4, 2), (2, 3), (6, 4)):
        rows = [np.full((2, channels), 300, ">u2").tobytes()] * 2
        path = png(tmp_path / f"{channels}.png", 2, 2, 16, colour_type, rows)
        with pytest.raises(UserError, match="with 16 bits per channel"):
            read_map(path, LABEL)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.gif"])
def test_several_pictures_in_one_file(tmp_path, name):
    pages = [Image.fromarray(IDS), Image.fromarray(IDS[::-1].copy())]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    for role in (LABEL, PHOTO):
        with pytest.raises(UserError, match=f"expected one {role}. Received: 2 pictures"):
            read_size(tmp_path / name, role)


def test_the_preview_in_a_phones_photo_does_not_count(tmp_path):
    pictures = [Image.fromarray(photo(16, 16, value)) for value in (90, 200)]
    pictures[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=pictures[1:])
    assert abs(read_photo(tmp_path / "a.jpg").astype(int) - 90).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_camera_says(tmp_path, orientation):
    """Against the definition of EXIF: where row 0 and column 0 of the file are on the picture as it is seen."""
    seen = {
        1: IDS, 2: IDS[:, ::-1], 3: IDS[::-1, ::-1], 4: IDS[::-1],
        5: IDS.T, 6: IDS.T[:, ::-1], 7: IDS.T[::-1, ::-1], 8: IDS.T[::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, options in (("a.png", {}), ("a.tif", {"compression": "tiff_lzw"})):
        path = save(tmp_path / name, IDS, exif=exif, **options)
        np.testing.assert_array_equal(read_map(path, LABEL)[0], seen)
        np.testing.assert_array_equal(read_photo(path)[..., 0], seen)
        assert read_size(path, PHOTO) == seen.shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillow_misreads_no_turned_tiff(tmp_path, orientation):
    """Pillow 13 cuts the rows of an uncompressed one in wrong places."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IDS, extratags=[(0x0112, "H", 1, orientation, True)])
    if orientation >= 5:
        for read in (read_map, read_size):
            with pytest.raises(UserError, match=r"turns by 90 degrees must be compressed"):
                read(path, LABEL)
    else:
        assert read_map(path, LABEL)[0].shape == read_size(path, LABEL) == IDS.shape


def test_photos_of_every_mode_become_rgb(tmp_path):
    np.testing.assert_array_equal(read_photo(save(tmp_path / "grey.png", IDS)), np.stack([IDS] * 3, -1))
    with_alpha = read_photo(save(tmp_path / "alpha.png", np.dstack([photo(), IDS])))
    np.testing.assert_array_equal(with_alpha, photo())
    for name in ("a.bmp", "a.tif", "a.webp", "a.npy"):
        found = read_photo(save(tmp_path / name, photo(), **({"lossless": True} if "webp" in name else {})))
        np.testing.assert_array_equal(found, photo())


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_photos_of_16_bits(tmp_path, name):
    """0 to 65535 are 0 to 255, rounded to the nearest."""
    deep = np.array([[0, 128, 129], [32768, 65406, 65535]], np.uint16)
    found = read_photo(save(tmp_path / name, deep))
    np.testing.assert_array_equal(found, np.stack([np.rint(deep / 257)] * 3, -1))
    assert found.dtype == np.uint8


def test_photos_that_cannot_be_levels(tmp_path):
    with pytest.raises(UserError, match=r"8 bits per channel, or be grey with 16\. Received: mode F"):
        read_photo(save(tmp_path / "a.tif", IDS.astype(np.float32)))
    tifffile.imwrite(tmp_path / "b.tif", np.array([[0, 70000]], np.int32))
    with pytest.raises(UserError, match=r"at most 16 bits.*0 to 70000"):
        read_photo(tmp_path / "b.tif")
    with pytest.raises(UserError, match="expected numbers"):
        read_photo(save(tmp_path / "c.npy", IDS.astype(np.float64)))


@pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2), (2, 2, 3, 1), (0, 4)])
def test_arrays_of_another_shape(tmp_path, shape):
    with pytest.raises(UserError, match=r"expected an array"):
        read_map(save(tmp_path / "a.npy", np.zeros(shape, np.uint8)), LABEL)
    np.testing.assert_array_equal(read_map(save(tmp_path / "b.npy", IDS[..., None]), LABEL)[0], IDS)


def test_arrays_of_objects_are_not_executed(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"a\.npy: expected an array in NPY format"):
        read_map(tmp_path / "a.npy", LABEL)


def test_the_limit_of_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    decoding.set_pixel_limit(100)
    for path in (save(tmp_path / "a.png", np.zeros((10, 11), np.uint8)), save(tmp_path / "a.npy", np.zeros((10, 11)))):
        for read in (read_map, read_size):
            with pytest.raises(UserError, match=r"at most 100 pixels.*Received: .*1[01].*raise `max_pixels`"):
                read(path, LABEL)
    decoding.set_pixel_limit(110)
    assert read_map(tmp_path / "a.png", LABEL)[0].shape == (10, 11)
    assert read_size(tmp_path / "a.npy", LABEL) == (10, 11)


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"\xff\xd8\xff", b"\x93NUMPY", b"text"]
)
@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_files_that_are_no_pictures(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    for role in (LABEL, PHOTO):
        with pytest.raises(UserError, match=rf"^{tmp_path / name}: expected"):
            read_size(tmp_path / name, role)
