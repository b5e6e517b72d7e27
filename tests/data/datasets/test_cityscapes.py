"""Cityscapes: made copies in its layout, TFDS' own test of its builder, and the real samples where they are."""

import shutil

import numpy as np
import pytest

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import cityscapes, open_source
from dagan_tf.data.datasets.builder import open_prepared
from dagan_tf.errors import UserError
from tests.data.datasets import builders
from tests.data.datasets.builders import assert_same, ids, photo, prepare, real, save

SPEC = cityscapes.LABELS
REAL, real_data = real("cityscapes")
PLATE = (0, 5)


def make(folder):
    """A copy as the two archives unpack: two cities to train on, one to validate with, and what goes with each map."""
    for number, (split, city) in enumerate((("train", "aachen"), ("train", "bochum"), ("val", "lindau"))):
        stem = f"{city}_00000{number}_000019"
        label = ids(number, 33)
        label[PLATE] = 255
        instance = np.where(label >= 24, label.astype("uint16") * 1000 + number, label).astype("uint16")
        save(folder / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png", label)
        save(folder / "gtFine" / split / city / f"{stem}_gtFine_instanceIds.png", instance)
        save(folder / "gtFine" / split / city / f"{stem}_gtFine_color.png", photo(number))
        save(folder / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", photo(number))
    return folder


class TestBuilder(builders.BuilderTest):
    DATASET_CLASS = cityscapes.CityscapesPairs
    SPLITS = {"train": 2, "test": 1}  # noqa: RUF012 (TFDS reads it)
    make = staticmethod(make)


def test_triples_of_a_copy(tmp_path):
    make(tmp_path / "cityscapes")
    data = DataConfig("cityscapes", data_dir=str(tmp_path))
    train, test = (open_source(data, SPEC, split=split, size=(8, 8)) for split in ("train", "test"))
    assert train.names == ["aachen/aachen_000000_000019", "bochum/bochum_000001_000019"]
    assert test.names == ["lindau/lindau_000002_000019"]
    expected = ids(1, 33).astype(int)
    expected[PLATE] = 34
    np.testing.assert_array_equal(train[1]["label"], expected)
    np.testing.assert_array_equal(train[1]["image"], photo(1))
    assert train[1]["instance"].dtype == np.int32
    assert train[1]["instance"][0, 1] == 33001  # id 33, bicycle, is counted
    assert train[1]["instance"][0, 0] == 0


def test_a_split_that_was_not_unpacked(tmp_path):
    make(tmp_path)
    for folder in ("gtFine", "leftImg8bit"):
        shutil.rmtree(tmp_path / folder / "val")
    assert cityscapes.from_folder(tmp_path, "test", SPEC) is None
    shutil.rmtree(tmp_path / "leftImg8bit")
    with pytest.raises(UserError, match=r"photos at .*leftImg8bit/train"):
        cityscapes.from_folder(tmp_path, "train", SPEC)


def test_a_missing_copy_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"gtFine\. Received: none.*Register.*gtFine_trainvaltest\.zip"):
        cityscapes.from_folder(tmp_path, "train", SPEC)


def test_a_missing_instance_map_is_named(tmp_path):
    make(tmp_path)
    (tmp_path / "gtFine/train/bochum/bochum_000001_000019_gtFine_instanceIds.png").unlink()
    with pytest.raises(UserError, match=r"without instance map \(bochum/bochum_000001_000019\)"):
        cityscapes.from_folder(tmp_path, "train", SPEC)


def test_tfds_keeps_every_pixel_and_instance(tmp_path):
    copy = make(tmp_path / "copy")
    prepare(cityscapes.CityscapesPairs, copy, tmp_path / "tfds")
    for split in ("train", "test"):
        prepared = open_prepared(cityscapes.CityscapesPairs, split, data_dir=tmp_path / "tfds")
        assert_same(prepared, cityscapes.from_folder(copy, split, SPEC))


@real_data
def test_real_samples():
    """Where objects are counted the instance is 1000 times their label plus a number, elsewhere it is the label."""
    train = cityscapes.from_folder(REAL, "train", SPEC)
    assert len(train) == 5
    assert cityscapes.from_folder(REAL, "test", SPEC) is None
    counted = {SPEC.class_names.index(name) for name in ("person", "rider", "car", "bicycle")}
    for index in range(2):
        example = train[index]
        label, instance = example["label"].astype(int), example["instance"]
        assert label.shape == instance.shape == (1024, 2048)
        np.testing.assert_array_equal(label, np.where(instance < 1000, instance, instance // 1000))
        assert set(np.unique(label[instance >= 1000])) <= counted
    sky, road = (train[0]["label"] == SPEC.class_names.index(name) for name in ("sky", "road"))
    rows = np.arange(1024)[:, None]
    assert (rows * sky).sum() / sky.sum() < 400 < 600 < (rows * road).sum() / road.sum()
