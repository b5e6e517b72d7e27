"""Folders of files made here, whose pixels are known, and the real CMP files where they lie beside the project."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import LabelSpec
from dagan_tf.data.folder import FileSource, FolderSource
from dagan_tf.errors import UserError
from tests.data.pictures import IDS, photo, save

SPEC = LabelSpec(num_classes=13)
ROOT = Path(__file__).resolve().parents[2]


def test_hidden_folders_do_not_count(tmp_path):
    save(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    save(tmp_path / ".ipynb_checkpoints" / "b.png", np.zeros((2, 2), np.uint8))
    assert len(FolderSource(tmp_path, spec=SPEC)) == 1


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


def test_sizes_must_be_equal(tmp_path):
    label = save(tmp_path / "labels" / "a.png", IDS)
    image = save(tmp_path / "images" / "a.png", photo(6, 8))
    instance = save(tmp_path / "instances" / "a.png", IDS[:2])
    with pytest.raises(UserError, match=r"label map and photo.*3x4.*6x8"):
        FileSource([label], [image], spec=SPEC)[0]
    with pytest.raises(UserError, match=r"label map and instance map.*3x4.*2x4"):
        FileSource([label], None, [instance], spec=SPEC)[0]


def test_sizes_that_a_turned_photo_explains(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    label = save(tmp_path / "labels" / "a.png", IDS)
    image = save(tmp_path / "images" / "a.png", photo(), exif=exif)
    with pytest.raises(UserError, match=r"of 3x4 \(height x width\).*of 4x3.*EXIF orientation"):
        FileSource([label], [image], spec=SPEC)[0]


def test_some_of_the_examples(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", np.full((2, 2), i, np.uint8))
    source = FolderSource(tmp_path, spec=SPEC, choose=lambda names: names[1:])
    part = source.subset([2, 0])
    assert [int(part[i]["label"][0, 0]) for i in range(len(part))] == [3, 1]
    assert len(source) == 3


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
