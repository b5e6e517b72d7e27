"""From a run's data configuration to its examples."""

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig, LabelSpec
from dagan_tf.data.datasets.sources import open_source
from dagan_tf.errors import UserError
from dagan_tf.presets import facades


def write_facades(folder, prefix, count):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((40, 30), 1 + i, "uint8")).save(folder / f"{prefix}{i:04d}.png")
        Image.fromarray(np.zeros((40, 30, 3), "uint8")).save(folder / f"{prefix}{i:04d}.jpg")


def test_procedural():
    data = DataConfig(dataset="procedural", num_examples=7)
    train, test = (open_source(data, facades.LABELS, (32, 64), split, seed=1) for split in ("train", "test"))
    assert (len(train), len(test)) == (7, 50)
    assert train[0]["label"].shape == (32, 64)
    assert not np.array_equal(train[0]["label"], test[0]["label"])


def test_facades_in_a_folder(tmp_path):
    write_facades(tmp_path / "base", "cmp_b", 3)
    data = DataConfig(data_dir=str(tmp_path))
    source = open_source(data, facades.LABELS, (32, 32), "train")
    assert len(source) == 3
    assert (source[2]["label"] == 3).all()
    assert open_source(data, facades.LABELS, (32, 32), "test") is None  # only the base zip was unpacked
    write_facades(tmp_path / "extended", "cmp_x", 2)
    assert len(open_source(data, facades.LABELS, (32, 32), "test")) == 2


def test_damaged_test_facades_are_not_passed_over(tmp_path):
    write_facades(tmp_path / "base", "cmp_b", 2)
    write_facades(tmp_path / "extended", "cmp_x", 2)
    (tmp_path / "extended" / "cmp_x0001.jpg").unlink()
    with pytest.raises(UserError, match="cmp_x0001"):
        open_source(DataConfig(data_dir=str(tmp_path)), facades.LABELS, (32, 32), "test")


def test_facades_have_thirteen_classes():
    for data in (DataConfig(dataset="procedural"), DataConfig(data_dir="anywhere")):
        with pytest.raises(UserError, match=r"13 classes\. Received: 5 classes"):
            open_source(data, LabelSpec(num_classes=5), (32, 32), "train")


def test_missing_facades_fail_for_both_splits(tmp_path):
    for split in ("train", "test"):
        with pytest.raises(UserError, match="nowhere"):
            open_source(DataConfig(data_dir=str(tmp_path / "nowhere")), facades.LABELS, (32, 32), split)


def test_own_pairs_have_no_test_split(tmp_path):
    write_facades(tmp_path / "pairs", "a", 2)
    data = DataConfig(dataset="folder", label_dir=str(tmp_path / "pairs"), image_dir=str(tmp_path / "pairs"))
    spec = LabelSpec(num_classes=4)
    assert len(open_source(data, spec, (32, 32), "train")) == 2
    assert open_source(data, spec, (32, 32), "test") is None
