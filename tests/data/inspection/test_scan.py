"""The complete scan: numbers equal NumPy's, and each thing that is made wrong is found."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from dagan_tf.data import ProceduralFacades
from dagan_tf.data.inspection.scan import scan
from dagan_tf.labels import LabelSpec
from dagan_tf.presets import PRESETS
from tests.data.inspection.folders import blocks, cut, kinds, photo, source, write_pairs
from tests.data.inspection.test_quick import REAL, SHARED


def test_numbers_of_a_good_folder(tmp_path):
    examples, calls = source(write_pairs(tmp_path, 10)), []
    result = scan(examples, (1, 2, 4), (16, 32), progress=lambda *numbers: calls.append(numbers))
    assert result.report.findings == []
    assert calls == [(done, 10) for done in range(1, 11)]
    labels = np.stack([blocks(index) for index in range(10)])
    assert [result.pixels[index] for index in range(3)] == np.bincount(labels.ravel()).tolist()
    assert dict(result.maps) == {0: 10, 1: 10, 2: 10}
    assert result.sizes == [(24, 32)] * 10
    assert len(result.photos) == 10
    assert len(result.shares) == len(result.resizing) == 10
    assert result.shares[0].shape == (3, 2)
    assert result.rate > 0
    name, label, shown = result.pictures[0]
    assert name == str(tmp_path / "labels/000.png")
    np.testing.assert_array_equal(label, blocks(0))
    assert shown.shape == (24, 32, 3)


def test_more_than_256_classes_and_examples_without_photos(tmp_path):
    from dagan_tf.data import FolderSource

    label = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) // 2
    label[:, :16] = 300
    (tmp_path / "labels").mkdir()
    Image.fromarray(label).save(tmp_path / "labels/a.png")
    result = scan(FolderSource(tmp_path / "labels", spec=LabelSpec(400)))
    values, counts = np.unique(label, return_counts=True)
    assert dict(result.pixels) == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert (result.photos, result.pictures[0][2]) == ({}, None)


def test_drawn_examples():
    result = scan(ProceduralFacades(3, (64, 64)), (1, 2), (64, 64))
    assert result.report.findings == []
    assert (len(result.source), len(result.sizes), len(result.pictures)) == (3, 3, 3)
    assert sum(result.pixels.values()) == 3 * 64 * 64


def test_pictures_are_made_smaller(tmp_path):
    root = write_pairs(tmp_path, 1)
    Image.fromarray(blocks(0, 500, 1000)).save(root / "labels/000.png")
    Image.fromarray(photo(0, 500, 1000)).save(root / "images/000.jpg")
    (_, label, shown), = scan(source(root)).pictures  # fmt: skip
    assert label.shape == (180, 360)
    assert shown.shape == (180, 360, 3)


def as_jpeg(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="JPEG", quality=60)
    return np.asarray(Image.open(file))


def noisy(root):
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=(24, 32), dtype=np.uint8)
    Image.fromarray(label).save(root / "labels/002.png")


def dark(root):
    Image.fromarray(np.full((24, 32), 4095, np.uint16)).save(root / "images/002.jpg", format="PNG")


def transparent(root):
    pixels = np.concatenate([photo(2), np.full((24, 32, 1), 90, np.uint8)], axis=-1)
    Image.fromarray(pixels).save(root / "images/002.jpg", format="PNG")


def turned(root):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(photo(2, 32, 24)).save(root / "images/002.jpg", exif=exif)


def cut_off(root):
    cut(root / "images/002.jpg")


def foreign_ids(root):
    Image.fromarray(blocks(2) + 1).save(root / "labels/002.png")


def other_size(root):
    Image.fromarray(photo(2, 12, 16)).save(root / "images/002.jpg")


def lossy(root):
    Image.fromarray(blocks(2)).save(root / "labels/002.png", format="JPEG")


def turned_map(root):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(blocks(2)).save(root / "labels/002.png", exif=exif)


def in_colours(root):
    Image.fromarray(photo(2)).save(root / "labels/002.png")


def with_steps(root):
    np.save(root / "labels/002.npy", blocks(2) + 0.5)
    (root / "labels/002.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "kind", "level", "words"),
    [
        (noisy, "noise", "warning", "differ from all of their neighbours"),
        (dark, "dark", "warning", "nearly black"),
        (transparent, "transparent", "warning", "opacity from 90"),
        (turned, "turned", "warning", "orientation 6"),
        (turned_map, "turned", "warning", "orientation 3) turns this map"),
        (cut_off, "unreadable", "error", "cut off"),
        (foreign_ids, "ids", "error", "id 3 (384 pixels in 1 map)"),
        (other_size, "sizes", "error", "12x16"),
        (lossy, "lossy", "error", "JPEG"),
        (in_colours, "colours", "error", "colours (RGB)"),
        (with_steps, "form", "error", "whole numbers"),
    ],
)
def test_each_fault_is_found_and_named(tmp_path, spoil, kind, level, words):
    spoil(write_pairs(tmp_path, 5))
    report = scan(source(tmp_path)).report
    (finding,) = report.findings
    assert (finding.kind, finding.level, finding.count) == (kind, level, 1)
    assert "002" in finding.files[0]
    assert words in finding.message


def test_two_faults_of_one_example_are_both_found(tmp_path):
    write_pairs(tmp_path, 3)
    Image.fromarray(blocks(1) + 100).save(tmp_path / "labels/001.png")
    cut(tmp_path / "images/001.jpg")
    result = scan(source(tmp_path))
    assert kinds(result.report) == ["unreadable", "ids"]
    assert len(result.sizes) == 2


def test_foreign_ids_of_all_files_are_one_message(tmp_path):
    write_pairs(tmp_path, 4)
    spec = LabelSpec(num_classes=2)
    report = scan(source(tmp_path, spec)).report
    (finding,) = report.errors
    assert finding.count == 4
    assert f"id 2 ({4 * 12 * 32} pixels in 4 maps)" in finding.message
    assert "If 2 means unlabelled, give it as `unknown_id`" in finding.message
    report = scan(source(tmp_path, LabelSpec(num_classes=3, unknown_id=255))).report
    assert "`num_classes` counts the unknown class, too: with this id it is 4" in report.errors[0].message


def test_maps_that_were_jpegs_are_noise(tmp_path):
    """What compression makes of a map with many borders, saved as PNG afterwards."""
    write_pairs(tmp_path, 2)
    label = np.kron(np.random.default_rng(0).integers(2, size=(12, 16)) * 60, np.ones((4, 4))).astype(np.uint8)
    for index, pixels in enumerate((label, as_jpeg(label))):
        Image.fromarray(pixels).save(tmp_path / f"labels/{index:03}.png")
        Image.fromarray(photo(index, *label.shape)).save(tmp_path / f"images/{index:03}.jpg")
    (finding,) = scan(source(tmp_path, LabelSpec(256))).report.findings
    assert (finding.kind, finding.count, finding.files) == ("noise", 1, (str(tmp_path / "labels/001.png"),))


@pytest.mark.parametrize("name", REAL)
def test_real_maps_are_no_noise(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"no {name} beside the project")
    from dagan_tf.data import FolderSource

    examples = FolderSource(*(SHARED / folder for folder in REAL[name]), spec=PRESETS[name].labels)
    examples = examples.subset(range(0, len(examples), max(1, len(examples) // 6)))
    assert scan(examples).report.findings == []
