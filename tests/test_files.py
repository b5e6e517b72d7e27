"""Files and folders that are whole or absent: success, failure, what was there before, and several writers."""

import errno
import os
import time

import pytest

from dagan_tf import files


def write_file(path, text):
    path.write_text(text)


def write_folder(path, text):
    (path / "inside").mkdir(parents=True)
    (path / "inside/file").write_text(text)


def read(path):
    return path.read_text() if path.is_file() else (path / "inside/file").read_text()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


both = pytest.mark.parametrize("write", [write_file, write_folder])


@both
def test_it_appears_at_the_end_and_its_folder_is_made(tmp_path, write):
    path = tmp_path / "new/deep/target"
    with files.replaced(path) as unfinished:
        assert unfinished.parent == path.parent
        assert unfinished.name.startswith(".")
        assert not unfinished.exists()
        write(unfinished, "content")
        assert not path.exists()
    assert read(path) == "content"
    assert names(path.parent) == ["target"]


@both
def test_what_is_there_is_replaced(tmp_path, write):
    for text in ("old", "new"):
        with files.replaced(str(tmp_path / "target")) as unfinished:
            write(unfinished, text)
    assert read(tmp_path / "target") == "new"
    assert names(tmp_path) == ["target"]


@both
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, write, error):
    write(tmp_path / "target", "old")
    with pytest.raises(error), files.replaced(tmp_path / "target") as unfinished:  # noqa: PT012
        write(unfinished, "half")
        raise error
    assert read(tmp_path / "target") == "old"
    assert names(tmp_path) == ["target"]


def test_a_failure_before_anything_was_written_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), files.replaced(tmp_path / "target"):
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_renamed_brings_the_old_one_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "target", "old")
    rename = type(tmp_path).rename

    def fails_with_the_new_one(self, target):
        if read(self) == "new":
            raise OSError("a bad sector")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", fails_with_the_new_one)
    with pytest.raises(OSError, match="a bad sector"), files.replaced(tmp_path / "target") as unfinished:
        write_folder(unfinished, "new")
    assert read(tmp_path / "target") == "old"
    assert names(tmp_path) == ["target"]


@pytest.mark.parametrize(("before", "write"), [(write_file, write_folder), (write_folder, write_file)])
def test_a_file_and_a_folder_do_not_replace_each_other(tmp_path, before, write):
    before(tmp_path / "target", "old")
    with pytest.raises(OSError, match="irectory"), files.replaced(tmp_path / "target") as unfinished:
        write(unfinished, "new")
    assert read(tmp_path / "target") == "old"
    assert names(tmp_path) == ["target"]


@both
def test_two_at_once_do_not_meet(tmp_path, write):
    with files.replaced(tmp_path / "target") as first, files.replaced(tmp_path / "target") as second:
        assert first != second
        write(first, "first")
        write(second, "second")
    assert read(tmp_path / "target") == "first"  # whose block ended last
    assert names(tmp_path) == ["target"]


def test_everything_is_flushed_before_it_appears_and_its_place_afterwards(tmp_path, monkeypatch):
    flushed, path = [], tmp_path / "new/target"
    monkeypatch.setattr(files, "flush", lambda p: flushed.append((p, path.exists())))
    with files.replaced(path) as unfinished:
        write_folder(unfinished, "content")
    inside = [unfinished / "inside/file", unfinished / "inside", unfinished]
    assert flushed[0] == (tmp_path, False)  # which has the new folder's name
    assert {p for p, there in flushed[1:-1] if not there} == set(inside)
    assert flushed[-1] == (path.parent, True)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_only_a_folder_may_go_unflushed_and_only_where_that_does_not_exist(tmp_path, monkeypatch, number):
    def fails(descriptor):
        raise OSError(number, os.strerror(number))

    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=os.strerror(number)):
        files.flush(tmp_path / "file")
    if number == errno.EINVAL:
        files.flush(tmp_path)
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            files.flush(tmp_path)


def test_what_stays_aside_is_removed(tmp_path):
    with files.aside(tmp_path / "new/target") as unfinished:
        write_folder(unfinished, "content")
        assert list(files.unfinished(tmp_path / "new", "tar*")) == [unfinished]
    assert names(tmp_path / "new") == []


def test_a_folder_is_gone_from_its_name_before_any_of_it_is(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(files.shutil, "rmtree", lambda path, **_: seen.append((path.name, read(path))))
    write_folder(tmp_path / "target", "content")
    files.remove_folder(tmp_path / "target")
    files.remove_folder(tmp_path / "none")
    ((name, content),) = seen
    assert name.startswith(".target.")
    assert content == "content"


def test_left_overs_are_removed_by_name_and_age(tmp_path):
    files.remove_unfinished(tmp_path / "none")
    for name in (".step-1.ab", ".step-2.cd"):
        write_folder(tmp_path / name, "half")
    write_file(tmp_path / ".step-3.ef", "half")
    write_file(tmp_path / ".other.gh", "half")
    write_file(tmp_path / "step-4", "whole")
    os.utime(tmp_path / ".step-2.cd", (time.time() - 100,) * 2)
    files.remove_unfinished(tmp_path, "step-*", older_than=50)
    assert names(tmp_path) == [".other.gh", ".step-1.ab", ".step-3.ef", "step-4"]
    files.remove_unfinished(tmp_path, "step-*")
    assert names(tmp_path) == [".other.gh", "step-4"]
