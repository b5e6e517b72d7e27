"""From a run's data configuration to its examples, and the table of data sets."""

import dataclasses
import importlib
import pathlib

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig, LabelSpec
from dagan_tf.data import datasets
from dagan_tf.data.datasets import open_source
from dagan_tf.data_config import DATASETS
from dagan_tf.errors import UserError
from dagan_tf.presets import facades
from tests.helpers import run_python


def write_facades(folder, prefix, count):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((40, 30), 1 + i, "uint8")).save(folder / f"{prefix}{i:04d}.png")
        Image.fromarray(np.zeros((40, 30, 3), "uint8")).save(folder / f"{prefix}{i:04d}.jpg")


def test_procedural():
    data = DataConfig(dataset="procedural", num_examples=7)
    train, test = (open_source(data, facades.LABELS, split=split, size=(32, 64), seed=1) for split in ("train", "test"))
    assert (len(train), len(test)) == (7, 50)
    assert train[0]["label"].shape == (32, 64)
    assert not np.array_equal(train[0]["label"], test[0]["label"])


def test_facades_in_a_folder(tmp_path):
    write_facades(tmp_path / "base", "cmp_b", 3)
    data = DataConfig(data_dir=str(tmp_path))
    source = open_source(data, facades.LABELS, split="train", size=(32, 32))
    assert len(source) == 3
    assert (source[2]["label"] == 3).all()
    assert open_source(data, facades.LABELS, split="test", size=(32, 32)) is None  # only the base zip was unpacked
    write_facades(tmp_path / "extended", "cmp_x", 2)
    assert len(open_source(data, facades.LABELS, split="test", size=(32, 32))) == 2


def test_damaged_test_facades_are_not_passed_over(tmp_path):
    write_facades(tmp_path / "base", "cmp_b", 2)
    write_facades(tmp_path / "extended", "cmp_x", 2)
    (tmp_path / "extended" / "cmp_x0001.jpg").unlink()
    with pytest.raises(UserError, match="cmp_x0001"):
        open_source(DataConfig(data_dir=str(tmp_path)), facades.LABELS, split="test", size=(32, 32))


def test_facades_have_thirteen_classes():
    for data in (DataConfig(dataset="procedural"), DataConfig(data_dir="anywhere")):
        with pytest.raises(UserError, match=r"13 classes\. Received: 5 classes"):
            open_source(data, LabelSpec(num_classes=5), split="train", size=(32, 32))


def test_missing_facades_fail_for_both_splits(tmp_path):
    for split in ("train", "test"):
        with pytest.raises(UserError, match="nowhere"):
            open_source(DataConfig(data_dir=str(tmp_path / "nowhere")), facades.LABELS, split=split, size=(32, 32))


def test_own_pairs_have_no_test_split(tmp_path):
    write_facades(tmp_path / "pairs", "a", 2)
    data = DataConfig(dataset="folder", label_dir=str(tmp_path / "pairs"), image_dir=str(tmp_path / "pairs"))
    spec = LabelSpec(num_classes=4)
    assert len(open_source(data, spec, split="train", size=(32, 32))) == 2
    assert open_source(data, spec, split="test", size=(32, 32)) is None


def test_each_file_is_a_row_and_has_what_opens_it():
    files = pathlib.Path(datasets.__file__).parent.glob("*.py")
    assert {file.stem for file in files} - {"__init__", "builder"} == set(DATASETS)
    for name in DATASETS:
        module = importlib.import_module(f"dagan_tf.data.datasets.{name}")
        assert callable(module.open_split)
        assert module.LABELS is None or isinstance(module.LABELS, LabelSpec)


def test_each_field_belongs_to_a_data_set():
    fields = {field.name for field in dataclasses.fields(DataConfig)} - {"dataset"}
    assert fields == {name for row in DATASETS.values() for name in row.fields}
    assert all(set(row.required) <= set(row.fields) for row in DATASETS.values())


def test_own_pairs_and_drawn_facades_need_no_tensorflow(tmp_path):
    write_facades(tmp_path / "pairs", "a", 2)
    script = (
        "import sys\n"
        "from dagan_tf.config import DataConfig, LabelSpec\n"
        "from dagan_tf.data.datasets import open_source\n"
        "from dagan_tf.presets import facades\n"
        "own = DataConfig('folder', label_dir=sys.argv[1], image_dir=sys.argv[1])\n"
        "drawn = DataConfig('procedural')\n"
        "sources = [open_source(own, LabelSpec(4), split='train', size=(32, 32))]\n"
        "sources += [open_source(drawn, facades.LABELS, split='train', size=(32, 32))]\n"
        "print([len(source) for source in sources], 'tensorflow' in sys.modules)\n"
    )
    assert run_python(script, tmp_path / "pairs").strip() == "[2, 400] False"
