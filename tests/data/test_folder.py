"""Folders of files made here, whose pixels are known, and the real CMP files where they lie beside the project."""

import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import LabelSpec
from dagan_tf.data.decoding import read_photo
from dagan_tf.data.folder import FileSource, FolderSource
from dagan_tf.errors import UserError

SPEC = LabelSpec(num_classes=13)
ROOT = Path(__file__).resolve().parents[2]
IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def save(path, array, colours=None):
    """Write an array as a grey, colour or (with colours) palette file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(array)
    if colours:
        picture.putpalette(colours)
        assert picture.mode == "P"
    picture.save(path)
    return path


def photo(height=3, width=4, value=90):
    return np.full((height, width, 3), value, np.uint8)


def test_palette_files_give_indices_and_not_colours(tmp_path):
    save(tmp_path / "a.png", IDS, colours=[255 - i % 256 for i in range(768)])
    label = FolderSource(tmp_path, spec=SPEC)[0]["label"]
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, IDS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, bool])
def test_grey_files_of_every_depth(tmp_path, dtype):
    ids = (IDS % 2).astype(dtype)
    save(tmp_path / "a.png", ids)
    np.testing.assert_array_equal(FolderSource(tmp_path, spec=SPEC)[0]["label"], ids)


def packed_grey_png(path, rows, bits):
    """A grey PNG of 2 or 4 bits a pixel, written out: PIL writes none."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    per_byte = 8 // bits
    packed = [
        bytes(
            sum(v << (8 - bits * (i + 1)) for i, v in enumerate(row[start : start + per_byte]))
            for start in range(0, len(row), per_byte)
        )
        for row in rows
    ]
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in packed))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize(("bits", "rows"), [(2, [[0, 1, 2, 3], [3, 3, 0, 1]]), (4, [[0, 1, 11, 12], [5, 7, 2, 9]])])
def test_packed_grey_files_keep_their_ids(tmp_path, bits, rows):
    packed_grey_png(tmp_path / "a.png", rows, bits)
    assert FolderSource(tmp_path, spec=SPEC)[0]["label"].tolist() == rows


def test_photos_are_turned_as_their_camera_says(tmp_path):
    save(tmp_path / "labels" / "a.png", np.zeros((2, 4), np.uint8))
    photo = np.zeros((2, 4, 3), np.uint8)
    photo[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # orientation: upside down
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "a.png", exif=exif)
    image = FolderSource(tmp_path / "labels", tmp_path / "photos", spec=SPEC)[0]["image"]
    np.testing.assert_array_equal(image, photo[::-1, ::-1])


def test_hidden_folders_do_not_count(tmp_path):
    save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    save(tmp_path / ".ipynb_checkpoints" / "b.png", np.zeros((2, 2), np.uint8))
    assert len(FolderSource(tmp_path, spec=SPEC)) == 1


def test_sixteen_bit_ids_and_int32_classes(tmp_path):
    ids = np.array([[0, 300], [999, 256]], np.uint16)
    save(tmp_path / "a.png", ids)
    label = FolderSource(tmp_path, spec=LabelSpec(num_classes=1000))[0]["label"]
    assert label.dtype == np.int32
    np.testing.assert_array_equal(label, ids)


def test_ids_become_classes_by_the_spec(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 1, 150]], np.uint8))
    save(tmp_path / "b.png", np.array([[1, 2, 255]], np.uint8))
    ade = FolderSource(tmp_path, spec=LabelSpec(num_classes=151, first_id=1, unknown_id=0))
    assert ade[0]["label"].tolist() == [[150, 0, 149]]
    with_unknown = FolderSource(tmp_path, spec=LabelSpec(num_classes=35, unknown_id=255))
    assert with_unknown[1]["label"].tolist() == [[1, 2, 34]]


def test_ids_outside_the_classes_are_named_and_counted(tmp_path):
    ids = np.zeros((10, 10), np.uint8)
    ids[0, :7], ids[1, :2] = 13, 200
    path = save(tmp_path / "bad.png", ids)
    with pytest.raises(UserError) as caught:
        FolderSource(tmp_path, spec=SPEC)[0]
    message = str(caught.value)
    for part in (str(path), "id 13 (7 pixels)", "id 200 (2 pixels)", "0 to 12", "13 classes"):
        assert part in message


def test_of_many_bad_ids_five_are_named(tmp_path):
    save(tmp_path / "bad.png", np.arange(20, 28, dtype=np.uint8).reshape(2, 4))
    with pytest.raises(UserError, match=r"id 24 \(1 pixels\) and 3 more"):
        FolderSource(tmp_path, spec=SPEC)[0]


def test_an_id_below_the_first_is_refused(tmp_path):
    save(tmp_path / "bad.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(UserError, match=r"ids 1 to 12.*id 0 \(4 pixels\)"):
        FolderSource(tmp_path, spec=LabelSpec(num_classes=12, first_id=1))[0]


def test_files_pair_by_stem_in_sorted_order(tmp_path):
    for value, (stem, suffix) in enumerate([("b", ".JPG"), ("a", ".jpeg"), ("sub/c", ".png")]):
        save(tmp_path / "labels" / f"{stem}.png", np.full((8, 8), value, np.uint8))
        save(tmp_path / "instances" / f"{stem}.PNG", np.full((8, 8), 1000 + value, np.uint16))
        save(tmp_path / "images" / f"{stem}{suffix}", photo(8, 8, 100 * value))
    (tmp_path / "labels" / "notes.txt").write_text("not a label")
    (tmp_path / "images" / "._a.jpeg").write_text("left by another system")
    source = FolderSource(tmp_path / "labels", tmp_path / "images", tmp_path / "instances", spec=SPEC)
    assert len(source) == 3
    assert [Path(source.name(i)).name for i in range(3)] == ["a.png", "b.png", "c.png"]
    for index, value in enumerate([1, 0, 2]):
        example = source[index]
        assert {key: (array.dtype.name, array.shape) for key, array in example.items()} == {
            "label": ("uint8", (8, 8)), "image": ("uint8", (8, 8, 3)), "instance": ("int32", (8, 8)),
        }  # fmt: skip
        assert (example["label"] == value).all()
        assert (example["instance"] == 1000 + value).all()
        assert (abs(example["image"].astype(int) - 100 * value) <= 1).all()  # JPEG


def test_labels_and_photos_may_share_a_folder(tmp_path):
    save(tmp_path / "a.png", IDS)
    save(tmp_path / "a.jpg", photo())
    assert FolderSource(tmp_path, tmp_path, spec=SPEC)[0]["image"].shape == (3, 4, 3)


def test_cityscapes_folders_pair_as_they_are(tmp_path):
    for city, frame in (("ulm", "ulm_000001_000019"), ("aachen", "aachen_000000_000019")):
        save(tmp_path / f"gtFine/{city}/{frame}_gtFine_labelIds.png", IDS)
        save(tmp_path / f"gtFine/{city}/{frame}_gtFine_instanceIds.png", IDS.astype(np.uint16) * 1000)
        save(tmp_path / f"gtFine/{city}/{frame}_gtFine_color.png", photo())
        save(tmp_path / f"leftImg8bit/{city}/{frame}_leftImg8bit.png", photo())
    source = FolderSource(tmp_path / "gtFine", tmp_path / "leftImg8bit", tmp_path / "gtFine", spec=SPEC)
    assert len(source) == 2
    assert source.name(0).endswith("aachen_000000_000019_gtFine_labelIds.png")
    np.testing.assert_array_equal(source[0]["instance"], IDS.astype(int) * 1000)


def test_photos_of_other_modes_become_rgb(tmp_path):
    grey = read_photo(save(tmp_path / "grey.png", IDS))
    np.testing.assert_array_equal(grey, np.stack([IDS] * 3, -1))
    with_alpha = read_photo(save(tmp_path / "alpha.png", np.dstack([photo(), IDS])))
    np.testing.assert_array_equal(with_alpha, photo())


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "no"))):
        FolderSource(tmp_path / "no", spec=SPEC)
    with pytest.raises(UserError, match=r"label maps \(\.png, .*\).*none"):
        FolderSource(tmp_path, spec=SPEC)
    save(tmp_path / "labels" / "a.png", IDS)
    (tmp_path / "images").mkdir()
    with pytest.raises(UserError, match=r"photos \(\.jpg, \.jpeg, \.png, .*\).*none"):
        FolderSource(tmp_path / "labels", tmp_path / "images", spec=SPEC)


def test_unpaired_files_are_counted_and_named_on_both_sides(tmp_path):
    for i in range(12):
        save(tmp_path / "labels" / f"only{i:02}.png", IDS)
    save(tmp_path / "images" / "other.png", photo())
    with pytest.raises(UserError) as caught:
        FolderSource(tmp_path / "labels", tmp_path / "images", spec=SPEC)
    message = str(caught.value)
    assert "12 label maps without photo (only00, " in message
    assert "only09 and 2 more" in message
    assert "only10" not in message
    assert "1 photos without label map (other)" in message


def test_two_files_of_one_name_are_refused(tmp_path):
    save(tmp_path / "labels" / "a.png", IDS)
    save(tmp_path / "images" / "a.png", photo())
    save(tmp_path / "images" / "a.jpg", photo())
    with pytest.raises(UserError, match=r"a\.jpg and .*a\.png"):
        FolderSource(tmp_path / "labels", tmp_path / "images", spec=SPEC)


@pytest.mark.parametrize(("role", "name"), [("labels", "a.png"), ("images", "a.jpg"), ("images", "a.png")])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_file_that_is_cut_off_is_named(tmp_path, role, name, keep):
    noise = np.random.default_rng(0).integers(0, 13, (64, 64, 3), np.uint8)
    save(tmp_path / "labels" / "a.png", noise[..., 0])
    save(tmp_path / "images" / (name if role == "images" else "a.jpg"), noise)
    path = tmp_path / role / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(UserError, match=re.escape(str(path))):
        FolderSource(tmp_path / "labels", tmp_path / "images", spec=SPEC)[0]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_label_map_in_colours_is_refused(tmp_path, channels):
    path = save(tmp_path / "a.png", np.full((3, 4, channels), 255, np.uint8))
    with pytest.raises(UserError, match="must be a grey or palette picture with class ids") as caught:
        FolderSource(tmp_path, spec=SPEC)[0]
    assert str(path) in str(caught.value)


def test_sizes_must_be_equal(tmp_path):
    label = save(tmp_path / "labels" / "a.png", IDS)
    image = save(tmp_path / "images" / "a.png", photo(6, 8))
    instance = save(tmp_path / "instances" / "a.png", IDS[:2])
    with pytest.raises(UserError, match=r"label map and photo.*3x4.*6x8"):
        FileSource([label], [image], spec=SPEC)[0]
    with pytest.raises(UserError, match=r"label map and instance map.*3x4.*2x4"):
        FileSource([label], None, [instance], spec=SPEC)[0]


def test_reading_folders_imports_no_tensorflow():
    code = (
        "import sys; from dagan_tf.data import FolderSource; "
        "sys.exit(bool({'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_real_cityscapes_folders():
    folder = ROOT.parent / "shared/data/cityscapes"
    if not folder.is_dir():
        pytest.skip(f"the Cityscapes samples are not at {folder}")
    gt = folder / "gtFine"
    source = FolderSource(gt, folder / "leftImg8bit", gt, spec=LabelSpec(num_classes=35, unknown_id=255))
    assert len(source) == 5
    example = source[0]
    assert example["label"].shape == example["instance"].shape == (1024, 2048)
    # Instance ids are class ids, or class id * 1000 + counter for things.
    large = example["instance"] >= 1000
    np.testing.assert_array_equal(example["instance"][large] // 1000, example["label"][large])
    np.testing.assert_array_equal(example["instance"][~large], example["label"][~large])
