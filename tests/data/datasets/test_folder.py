"""One's own pairs: where they lie, and which are kept to validate with."""

import numpy as np
import pytest

from dagan_tf.config import DataConfig, LabelSpec
from dagan_tf.data.datasets import open_source
from dagan_tf.data.datasets.folder import located, shared_out
from dagan_tf.errors import UserError
from tests.data.pictures import photo, save

SPEC = LabelSpec(4)


def write(folder, *names, labels="labels", images="images", instances=None):
    """Pairs of which each label map is of one class, by its place among the names."""
    for value, name in enumerate(names):
        save(folder / labels / f"{name}.png", np.full((3, 4), value, np.uint8))
        save(folder / images / f"{name}.jpg", photo())
        if instances:
            save(folder / instances / f"{name}.png", np.full((3, 4), 100 + value, np.uint16))


def opened(split="train", **fields):
    return open_source(DataConfig("folder", **fields), SPEC, split=split, size=(32, 32))


def names(source):
    return source and [source.name(i).rpartition("/")[2].removesuffix(".png") for i in range(len(source))]


def pairs(folder, **fields):
    return {"label_dir": str(folder / "labels"), "image_dir": str(folder / "images"), **fields}


def test_all_train_where_nothing_says_otherwise(tmp_path):
    write(tmp_path, "a", "b")
    assert names(opened(**pairs(tmp_path))) == ["a", "b"]
    assert opened("test", **pairs(tmp_path)) is None


@pytest.mark.parametrize("val", ["val", "valid", "validation", "test", "Testing"])
def test_sub_folders_are_splits(tmp_path, val):
    write(tmp_path, "train/a", "train/b", f"{val}/c")
    assert names(opened(**pairs(tmp_path))) == ["a", "b"]
    assert names(opened("test", **pairs(tmp_path))) == ["c"]


def test_folders_to_validate_with(tmp_path):
    write(tmp_path, "a")
    write(tmp_path / "other", "b", "c")
    val = {"val_label_dir": str(tmp_path / "other/labels"), "val_image_dir": str(tmp_path / "other/images")}
    assert names(opened(**pairs(tmp_path, **val))) == ["a"]
    assert names(opened("test", **pairs(tmp_path, **val))) == ["b", "c"]


def test_one_folder_with_all(tmp_path):
    write(tmp_path, "a", "b", instances="instances")
    source = opened(data_dir=str(tmp_path))
    assert names(source) == ["a", "b"]
    assert source[1]["instance"].tolist() == [[101] * 4] * 3
    write(tmp_path / "old", "a", labels="annotations", images="photos")
    assert "instance" not in opened(data_dir=str(tmp_path / "old"))[0]


def test_one_folder_with_a_folder_per_split(tmp_path):
    write(tmp_path / "train", "a", "b")
    write(tmp_path / "val", "c")
    assert names(opened(data_dir=str(tmp_path))) == ["a", "b"]
    assert names(opened("test", data_dir=str(tmp_path))) == ["c"]
    write(tmp_path / "alone" / "train", "a")
    assert opened("test", data_dir=str(tmp_path / "alone")) is None


def test_a_folder_without_pairs_says_what_is_in_it(tmp_path):
    (tmp_path / "maps").mkdir()
    with pytest.raises(UserError, match=r"Expected the folders labels and images in .* Received: maps"):
        located(DataConfig("folder", data_dir=str(tmp_path)))
    with pytest.raises(UserError, match="no such folder"):
        located(DataConfig("folder", data_dir=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.99])
def test_a_share_is_kept_to_validate_with(tmp_path, share):
    write(tmp_path, *(f"{i:02}" for i in range(20)))
    train, test = (names(opened(split, **pairs(tmp_path), val_share=share)) for split in ("train", "test"))
    assert sorted(train + test) == [f"{i:02}" for i in range(20)]
    assert train == sorted(train)
    assert len(test) == {0.1: 2, 0.25: 5, 0.5: 10, 0.99: 19}[share]


def test_new_files_move_few_others():
    """The kept ones are the first by the hash of their name: a new name takes one place at most."""
    before = set(shared_out([f"{i}" for i in range(100)], 0.2, "test"))
    after = set(shared_out([f"{i}" for i in range(104)], 0.2, "test"))
    assert len(before) == 20
    assert len(after) == 21
    assert len(before - after) <= 4
    assert shared_out(["a", "b"], 0.01, "test") in (["a"], ["b"])
    assert shared_out(["a", "b"], 0.0, "train") == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"val_share": 1.0}, "`val_share` must be at least 0 and below 1"),
        ({"val_label_dir": "v"}, "belong together"),
        ({"val_label_dir": "v", "val_image_dir": "w", "val_share": 0.5}, "Leave out one"),
        ({"data_dir": "d"}, "in the place of `label_dir`, `image_dir`"),
    ],
)
def test_data_is_described_in_one_way(fields, message):
    with pytest.raises(UserError, match=message):
        DataConfig("folder", label_dir="a", image_dir="b", **fields)


def test_splits_are_said_once(tmp_path):
    write(tmp_path, "train/a", "val/b")
    write(tmp_path / "other", "c")
    val = {"val_label_dir": str(tmp_path / "other/labels"), "val_image_dir": str(tmp_path / "other/images")}
    for field, fields in (("val_share", {"val_share": 0.5}), ("val_label_dir", val)):
        with pytest.raises(UserError, match=f"`{field}` is for pictures without splits. Received: folders.*train, val"):
            opened(**pairs(tmp_path, **fields))


def test_only_pairs_to_validate_with_are_no_data_to_train_on(tmp_path):
    write(tmp_path, "val/a")
    with pytest.raises(UserError, match="pairs to validate with alone"):
        opened(**pairs(tmp_path))
