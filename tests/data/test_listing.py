"""Which files count, how they pair, and which belong to a split."""

import os
import re

import numpy as np
import pytest

from dagan_tf.data.listing import INSTANCE, LABEL, PHOTO, find_files, pair, split_names
from dagan_tf.errors import UserError
from tests.data.pictures import IDS, photo, save


def test_every_format_counts_by_role(tmp_path):
    for name in ("a.png", "b.TIF", "c.tiff", "d.bmp", "e.npy", "f.jpg", "g.jpeg", "h.webp", "notes.txt"):
        (tmp_path / name).touch()
    assert list(find_files(tmp_path, LABEL)) == list(find_files(tmp_path, INSTANCE)) == list("abcde")
    assert list(find_files(tmp_path, PHOTO)) == list("abcdefgh")


def test_symbolic_links_are_followed(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / "real" / name, IDS)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "city").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "labels" / "c.png").symlink_to(tmp_path / "real" / "a.png")
    assert list(find_files(tmp_path / "labels", LABEL)) == ["c", "city/a", "city/b"]
    (tmp_path / "link").symlink_to(tmp_path / "labels", target_is_directory=True)
    assert list(find_files(tmp_path / "link", LABEL)) == ["c", "city/a", "city/b"]


def test_links_in_a_circle_end(tmp_path):
    save(tmp_path / "a.png", IDS)
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list(find_files(tmp_path, LABEL)) == ["a"]


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=rf"{tmp_path / 'a.png'}.*a link to .*gone\.png, where there is nothing"):
        find_files(tmp_path, LABEL)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: expected a file"):
        find_files(tmp_path, LABEL)


def test_files_of_other_kinds_are_counted_and_lossy_ones_explained(tmp_path):
    save(tmp_path / "a.jpg", photo())
    save(tmp_path / "b.jpg", photo())
    with pytest.raises(UserError, match=r"none, but other files \(2 \.jpg\)\. JPEG and WebP change ids"):
        find_files(tmp_path, LABEL)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "no"))):
        find_files(tmp_path / "no", LABEL)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "labels" / "a.png", IDS)
    assert list(find_files("~/labels", LABEL)) == ["a"]


def test_names_that_are_no_utf_8(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    with open(path, "wb") as file:
        file.write(save(tmp_path / "x.bmp", IDS).read_bytes())
    assert len(find_files(tmp_path, LABEL)) == 2


def test_unpaired_names_are_counted_and_listed():
    labels = {f"only{i:02}": i for i in range(12)}
    with pytest.raises(UserError) as caught:
        pair(labels, {"other": 0}, PHOTO)
    for part in ("12 label maps without photo (only00, ", "only09 and 2 more", "1 photos without label map (other)"):
        assert part in str(caught.value)
    assert pair({"b": 1, "a": 2}, {"a": "x", "b": "y"}, PHOTO) == ["y", "x"]


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        (["a", "sub/b"], ["a", "sub/b"], []),
        (["train/a", "val/b"], ["train/a"], ["val/b"]),
        (["Training/x/a", "Validation/x/a"], ["Training/x/a"], ["Validation/x/a"]),
        (["test/c", "train/a", "val/b"], ["train/a"], ["val/b"]),
        (["test/c", "train/a"], ["train/a"], ["test/c"]),
        (["train/a"], ["train/a"], []),
        (["trainers/a"], ["trainers/a"], []),
    ],
)
def test_sub_folders_named_as_splits(names, train, test):
    assert split_names(names, "train") == train
    assert split_names(names, "test") == test


def test_files_outside_of_splits_are_refused():
    with pytest.raises(UserError, match=r"1 outside of them \(extra\)"):
        split_names(["train/a", "extra", "val/b"], "train")


def test_names_are_in_the_order_of_text(tmp_path):
    for name in ("b", "a10", "a2"):
        save(tmp_path / f"{name}.npy", np.zeros((2, 2), np.uint8))
    assert list(find_files(tmp_path, LABEL)) == ["a10", "a2", "b"]
