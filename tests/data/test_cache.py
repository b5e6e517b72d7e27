"""Examples from a file of records: the same to the bit, written whole or not at all, and never another source's."""

import concurrent.futures
import os
import pathlib
import time

import numpy as np
import pytest

from dagan_tf.data import cache as records
from dagan_tf.data.folder import FolderSource
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.data.transform import transform
from dagan_tf.errors import StorageError, UserError
from tests.data.pictures import save
from tests.data.test_folder import SPEC
from tests.data.test_pipeline import SIZE, Broken, Examples, assert_same, batches
from tests.helpers import run_python


class Named(Examples):
    def fingerprint(self):
        return f"named {self.count}"


def test_it_needs_no_tensorflow():
    script = "import sys, dagan_tf.data.cache; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert run_python(script).strip() == "[]"


def test_batches_from_records_are_the_same_to_the_bit(tmp_path):
    load = tuple(round(side * 1.5) for side in SIZE)
    source, told = Named(7, 20, 30), []
    cached = records.cached(source, load, tmp_path, lambda *numbers: told.append(numbers))
    options = {"training": True, "load_scale": 1.5, "flip": True, "seed": 3}
    plain, fast = (batches(Pipeline(s, SIZE, 3, **options).stream(), 6) for s in (source, cached))
    assert_same(fast, plain)
    assert told == [(7, 7)]
    assert {k: v.dtype for k, v in cached[2].items()} == {k: v.dtype for k, v in source[2].items()}


def test_a_file_that_is_there_is_used_and_another_content_has_another(tmp_path):
    source = Named(3)
    records.cached(source, SIZE, tmp_path)
    source.read.clear()
    assert len(records.cached(source, SIZE, tmp_path)) == 3
    assert source.read == []
    records.cached(Named(4), SIZE, tmp_path)
    records.cached(source, (16, 16), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_many_threads_read_what_was_written(tmp_path):
    source = Named(50)
    cached = records.cached(source, SIZE, tmp_path)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: cached[i % 50], range(400)))
    for i, example in enumerate(found):
        for key, value in transform(source[i % 50], SIZE).items():
            np.testing.assert_array_equal(example[key], value)


class NamedBroken(Named, Broken):
    pass


def test_an_example_that_cannot_be_read_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match="cut off"):
        records.cached(NamedBroken(5), SIZE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"could not be written: .*`cache`"):
        records.cached(Named(3), SIZE, tmp_path / "file")


def test_a_file_that_was_cut_off_is_named(tmp_path):
    records.cached(Named(50), SIZE, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=rf"{path.name}: expected 50 examples.*Delete the file"):
            records.cached(Named(50), SIZE, tmp_path)


def test_what_killed_processes_left_is_removed(tmp_path):
    for name, age in ((".examples-8x8-a.array_record.host.1.ab", 2), (".examples-8x8-b.array_record.host.2.cd", 0)):
        (tmp_path / name).touch()
        written = time.time() - age * records.LEFT_OVER
        os.utime(tmp_path / name, (written, written))
    records.cached(Named(3), SIZE, tmp_path)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[:-1] == [".examples-8x8-b.array_record.host.2.cd"]


def test_a_changed_file_changes_the_fingerprint(tmp_path):
    save(tmp_path / "a.png", np.ones((4, 4), np.uint8))
    before = FolderSource(tmp_path, spec=SPEC).fingerprint()
    assert FolderSource(tmp_path, spec=SPEC).fingerprint() == before
    os.utime(pathlib.Path(tmp_path / "a.png"), ns=(1, 1))
    assert FolderSource(tmp_path, spec=SPEC).fingerprint() != before
    assert FolderSource(tmp_path, spec=SPEC.replace(first_id=1)).fingerprint() != before


def test_a_full_disk_leaves_nothing(small_disk):
    folder = small_disk(20_000)
    with pytest.raises(StorageError, match="could not be written"):
        records.cached(Named(100), (64, 64), folder)
    assert list(folder.iterdir()) == []
    small_disk(20_000_000, "remount,")
    assert len(records.cached(Named(100), (64, 64), folder)) == 100
