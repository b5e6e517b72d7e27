"""Splits as a check opens them: unpaired files are findings, the pairs that exist are read."""

import numpy as np
from PIL import Image

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import open_source
from dagan_tf.data.inspection import Report
from dagan_tf.data.inspection.pairing import open_splits
from tests.data.inspection.folders import SPEC, write_pairs

SIZE = (32, 32)


def names(source):
    return [source.name(index) for index in range(len(source))]


def test_complete_folders_are_split_as_training_splits_them(tmp_path):
    own = write_pairs(tmp_path / "a", 10)
    for split in ("train", "val"):
        write_pairs(tmp_path / "b" / split, 3)
    for data in (
        DataConfig("folder", data_dir=str(own)),
        DataConfig("folder", data_dir=str(own), val_share=0.3),
        DataConfig("folder", data_dir=str(tmp_path / "b")),
    ):
        report = Report()
        found = open_splits(data, SPEC, SIZE, report)
        expected = {split: open_source(data, SPEC, split=split, size=SIZE) for split in ("train", "test")}
        expected = {split: source for split, source in expected.items() if source is not None}
        assert {split: names(source) for split, source in found.items()} == {
            split: names(source) for split, source in expected.items()
        }
        assert report.findings == []


def test_files_without_a_partner_are_listed_and_the_others_read(tmp_path):
    write_pairs(tmp_path, 6)
    (tmp_path / "labels/001.png").unlink()
    (tmp_path / "images/004.jpg").unlink()
    report = Report()
    sources = open_splits(DataConfig("folder", data_dir=str(tmp_path)), SPEC, SIZE, report)
    assert [name[-7:] for name in names(sources["train"])] == ["000.png", "002.png", "003.png", "005.png"]
    (finding,) = report.findings
    assert (finding.kind, finding.count) == ("unpaired", 2)
    assert set(finding.files) == {str(tmp_path / "images/001.jpg"), str(tmp_path / "labels/004.png")}


def test_folders_that_cannot_be_listed(tmp_path):
    report = Report()
    missing = DataConfig("folder", label_dir=str(tmp_path / "none"), image_dir=str(tmp_path))
    assert open_splits(missing, SPEC, SIZE, report) == {}
    (finding,) = report.errors
    assert (finding.kind, finding.count) == ("listing", 1)
    assert "There is no such folder" in finding.message


def test_ids_as_they_are_where_classes_are_not_known(tmp_path):
    write_pairs(tmp_path, 1)
    Image.fromarray(np.full((24, 32), 255, np.uint8)).save(tmp_path / "labels/000.png")
    sources = open_splits(DataConfig("folder", data_dir=str(tmp_path)), None, SIZE, Report())
    assert set(sources["train"][0]["label"].ravel().tolist()) == {255}


def test_drawn_data():
    sources = open_splits(DataConfig("procedural", num_examples=2), SPEC.replace(num_classes=13), SIZE, Report())
    assert len(sources["train"]) == 2
