"""The report as plain values: numbers, findings about all examples together, and JSON both ways."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig, ModelConfig
from dagan_tf.data.inspection.checking import full_report, quick_report
from dagan_tf.labels import LabelSpec
from tests.data.inspection.folders import blocks, cut, photo, write_pairs

MODEL = ModelConfig(num_classes=3, image_size=(64, 64))
LABELS = LabelSpec(3)


def checked(root, labels=LABELS, model=MODEL, run=full_report, **fields):
    data = DataConfig("folder", data_dir=str(root), **fields)
    return run(data, labels, model, 4, lambda words: lambda done, total: None)[0]


def test_a_good_folder(tmp_path):
    write_pairs(tmp_path / "train", 5)
    write_pairs(tmp_path / "val", 3, first=10)
    Image.fromarray(blocks(0, 48, 64)).save(tmp_path / "train/labels/000.png")
    Image.fromarray(photo(0, 48, 64)).save(tmp_path / "train/images/000.jpg")
    report = checked(tmp_path)
    assert json.loads(json.dumps(report)) == report
    assert (report["version"], report["status"], report["findings"]) == (1, 0, [])
    assert report["image_size"] == {"height": 64, "width": 64}
    assert {split: row["examples"] for split, row in report["splits"].items()} == {"train": 5, "test": 3}
    sizes = report["splits"]["train"]["sizes"]
    assert sizes["smallest"] == sizes["median"] == {"height": 24, "width": 32}
    assert sizes["largest"] == {"height": 48, "width": 64}
    labels = [blocks(0, 48, 64), *(blocks(index) for index in (1, 2, 3, 4, 10, 11, 12))]
    counts = np.bincount(np.concatenate([label.ravel() for label in labels]))
    assert [row["pixels"] for row in report["classes"]] == counts.tolist()
    assert [row["share"] for row in report["classes"]] == pytest.approx(counts / counts.sum())
    assert [row["maps"] for row in report["classes"]] == [8, 8, 8]
    rows = report["patches"]["levels"]
    assert [row["factor"] for row in rows] == [1, 2, 4, 8, 16, 32]
    assert sum(row["cost_share"] for row in rows) == pytest.approx(1)
    assert report["patches"]["left"] == pytest.approx(sum(row["cost_share"] * row["left"] for row in rows))
    speed = report["speed"]
    assert 0 < speed["prepared_per_second"] <= speed["read_per_second"]
    assert speed["steps_per_second"] == pytest.approx(speed["prepared_per_second"] / 4)


def found(report):
    return {row["kind"]: row for row in report["findings"]}


def test_classes_that_no_pixel_has(tmp_path):
    labels = LabelSpec(5, class_names=("a", "b", "c", "d", "e"))
    report = checked(write_pairs(tmp_path, 2), labels, MODEL.replace(num_classes=5))
    assert report["status"] == 1
    row = found(report)["unused"]
    assert row["count"] == 2
    assert "these classes 3 (d), 4 (e)" in row["message"]


def test_photos_in_training_and_test(tmp_path):
    write_pairs(tmp_path / "train", 3)
    write_pairs(tmp_path / "val", 2, first=10)
    shutil.copy(tmp_path / "train/images/001.jpg", tmp_path / "val/images/011.jpg")
    # Equal pixels in another format are the same photo, too.
    Image.open(tmp_path / "train/images/002.jpg").save(tmp_path / "val/images/010.png")
    (tmp_path / "val/images/010.jpg").unlink()
    row = found(checked(tmp_path))["duplicates"]
    assert row["count"] == 2
    assert {path[-7:] for path in row["files"]} == {"001.png", "002.png"}


def test_the_aspect_is_said_once(tmp_path):
    write_pairs(tmp_path / "train", 3)
    write_pairs(tmp_path / "val", 2, first=10)
    for run in (full_report, quick_report):
        row = found(checked(tmp_path, model=MODEL.replace(image_size=(64, 32)), run=run))["aspect"]
        assert "24x32 (height x width, medians)" in row["message"]


def test_the_quick_part_has_findings_alone(tmp_path):
    write_pairs(tmp_path, 40)
    cut(tmp_path / "labels/020.png")
    report = checked(tmp_path, run=quick_report)
    assert (report["status"], report["classes"], report["speed"]) == (2, [], None)
    assert report["splits"] == {"train": {"examples": 40, "read": 32, "sizes": None}}
    assert found(report)["unreadable"]["files"] == [str(tmp_path / "labels/020.png")]


def test_ids_propose_classes(tmp_path):
    write_pairs(tmp_path, 3)
    Image.fromarray(np.where(blocks(1) == 2, 255, blocks(1)).astype(np.uint8)).save(tmp_path / "labels/001.png")
    report = checked(tmp_path, None)
    assert report["status"] == 0
    proposal = report["proposal"]
    assert (proposal["num_classes"], proposal["first_id"], proposal["unknown_id"]) == (4, 0, 255)
    assert [row["id"] for row in report["classes"]] == [0, 1, 2, 255]
    assert [row["class"] for row in report["classes"]] == [None] * 4
