"""COCO-Stuff: made copies in both layouts, TFDS' own test of its builder, and the real samples where they are."""

import shutil

import numpy as np
import pytest

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import coco_stuff, open_source
from dagan_tf.data.datasets.builder import open_prepared
from dagan_tf.errors import UserError
from tests.data.datasets import builders
from tests.data.datasets.builders import assert_same, ids, photo, prepare, real, save

SPEC = coco_stuff.LABELS
REAL, real_data = real("coco_stuff")
AUTHORS = ("{0}_label", "{0}_img", "{0}_inst")
ORIGINAL = ("stuffthingmaps/{0}2017", "{0}2017", "{0}_inst")
NESTED = ("stuffthingmaps_trainval2017/{0}2017", "images/{0}2017", "{0}_inst")


def make(folder, layout=AUTHORS, train=2, val=1):
    """A copy: labels 0 to 181 and 255, and instance maps; photos are JPEG, one of them grey as some of COCO's are."""
    for split, count in (("train", train), ("val", val)):
        labels, photos, instances = (folder / name.format(split) for name in layout)
        for number in range(1, count + 1):
            name = f"{number + 100 * len(split):012}"
            label = ids(number + len(split), 181)
            label[1] = 255
            save(labels / f"{name}.png", label)
            save(photos / f"{name}.jpg", photo(number + len(split)) if number == 1 else ids(number, 255))
            save(instances / f"{name}.png", np.where(label < 90, label.astype("uint16") + 300, label).astype("uint16"))
    return folder


class TestBuilder(builders.BuilderTest):
    DATASET_CLASS = coco_stuff.CocoStuff
    SPLITS = {"train": 2, "test": 1}  # noqa: RUF012 (TFDS reads it)
    make = staticmethod(make)


@pytest.mark.parametrize("layout", [AUTHORS, ORIGINAL, NESTED], ids=["authors", "original", "nested"])
def test_triples_of_a_copy(tmp_path, layout):
    make(tmp_path, layout)
    data = DataConfig("coco_stuff", data_dir=str(tmp_path))
    train, test = (open_source(data, SPEC, split=split, size=(8, 8)) for split in ("train", "test"))
    assert train.names == ["000000000501", "000000000502"]
    assert test.names == ["000000000301"]
    expected = ids(2 + 5, 181).astype(int)
    expected[1] = 182
    np.testing.assert_array_equal(train[1]["label"], expected)
    assert train[1]["label"].dtype == np.uint8
    assert train[1]["image"].shape == (6, 9, 3)
    assert train[1]["instance"][0].tolist() == [i + 300 if i < 90 else i for i in expected[0]]


def test_a_copy_without_instance_maps_says_how_they_are_made(tmp_path):
    make(tmp_path, ORIGINAL)
    shutil.rmtree(tmp_path / "train_inst")
    with pytest.raises(UserError, match=r"instance maps .*train_inst.*no such folder.*instances_train2017\.json"):
        coco_stuff.from_folder(tmp_path, "train", SPEC)


def test_a_split_that_was_not_unpacked(tmp_path):
    make(tmp_path, val=0)
    assert coco_stuff.from_folder(tmp_path, "test", SPEC) is None
    shutil.rmtree(tmp_path / "train_img")
    with pytest.raises(UserError, match=r"photos at .*train_img"):
        coco_stuff.from_folder(tmp_path, "train", SPEC)


def test_only_val_is_nothing_to_train_on(tmp_path):
    make(tmp_path, train=0)
    assert len(coco_stuff.from_folder(tmp_path, "test", SPEC)) == 1
    with pytest.raises(UserError, match=r"label maps at .*train_label"):
        coco_stuff.from_folder(tmp_path, "train", SPEC)


def test_a_missing_copy_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"train_label or stuffthingmaps.*none of them.*train2017\.zip"):
        coco_stuff.from_folder(tmp_path, "train", SPEC)


def test_tfds_keeps_every_pixel_also_of_grey_photos(tmp_path):
    copy = make(tmp_path / "copy")
    prepare(coco_stuff.CocoStuff, copy, tmp_path / "tfds")
    for split in ("train", "test"):
        prepared = open_prepared(coco_stuff.CocoStuff, split, data_dir=tmp_path / "tfds")
        assert_same(prepared, coco_stuff.from_folder(copy, split, SPEC))


@real_data
def test_real_samples():
    """Instance maps keep the label of stuff, and classes are where the photo shows them."""
    train = coco_stuff.from_folder(REAL, "train", SPEC)
    assert len(train) == 13
    for index in range(len(train)):
        example = train[index]
        label, instance = example["label"].astype(int), example["instance"]
        stuff = (label >= SPEC.class_names.index("banner")) & (label < 182) & (instance >= 91) & (instance != 255)
        np.testing.assert_array_equal(instance[stuff], label[stuff])
    children = train[train.names.index("000000426773")]["label"]  # two of them and a dog, on a rug
    places = {"person": (130, 210), "dog": (200, 440), "blanket": (310, 340), "rug": (250, 110), "carpet": (80, 500)}
    assert {name: SPEC.name_of(children[place]) for name, place in places.items()} == {name: name for name in places}
