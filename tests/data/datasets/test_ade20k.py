"""ADE20K: made copies in its layout, TFDS' own test of its builder, and the real samples where they are."""

import functools
import http.server
import shutil
import threading

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import ade20k, open_source
from dagan_tf.data.datasets.builder import open_prepared
from dagan_tf.errors import UserError
from tests.data.datasets import builders
from tests.data.datasets.builders import assert_same, ids, photo, real, save
from tests.helpers import run_python

SPEC = ade20k.LABELS
REAL, real_data = real("ade20k")


def make(folder, training=3, validation=2):
    """A copy in the layout of the archive's folder: label files with ids 0 to 150."""
    for split, name, count in (("training", "train", training), ("validation", "val", validation)):
        for number in range(1, count + 1):
            stem, seed = f"ADE_{name}_{number:08}", number + 10 * len(name)
            save(folder / "annotations" / split / f"{stem}.png", ids(seed, 150))
            save(folder / "images" / split / f"{stem}.jpg", photo(seed))
    return folder


class TestBuilder(builders.BuilderTest):
    DATASET_CLASS = ade20k.Ade20k
    SPLITS = {"train": 3, "test": 2}  # noqa: RUF012 (TFDS reads it)
    make = staticmethod(make)


def test_ids_become_classes_and_unlabelled_the_last(tmp_path):
    make(tmp_path)
    train = ade20k.from_folder(tmp_path, "train", SPEC)
    assert train.names == [f"ADE_train_0000000{number}" for number in (1, 2, 3)]
    files = ids(2 + 50, 150).astype(int)
    np.testing.assert_array_equal(train[1]["label"], np.where(files == 0, 150, files - 1))
    assert train[1]["label"].dtype == np.uint8
    assert train[1]["image"].shape == (6, 9, 3)


def test_validation_pairs_are_the_test_split_where_they_were_unpacked(tmp_path):
    make(tmp_path / ade20k.NAME)
    data = DataConfig("ade20k", data_dir=str(tmp_path))  # the folder around the one that the archive makes
    assert len(open_source(data, SPEC, split="test", size=(8, 8))) == 2
    shutil.rmtree(tmp_path / ade20k.NAME / "images" / "validation")
    with pytest.raises(UserError, match=r"photos at .*images/validation"):
        open_source(data, SPEC, split="test", size=(8, 8))
    shutil.rmtree(tmp_path / ade20k.NAME / "annotations" / "validation")
    assert open_source(data, SPEC, split="test", size=(8, 8)) is None
    assert len(open_source(data, SPEC, split="train", size=(8, 8))) == 3


def test_what_is_no_copy_says_where_one_is(tmp_path):
    with pytest.raises(UserError, match=r"annotations\. Received: none of them.*ADEChallengeData2016\.zip"):
        ade20k.from_folder(tmp_path, "train", SPEC)
    with pytest.raises(UserError, match="no such folder"):
        ade20k.from_folder(tmp_path / "nowhere", "train", SPEC)
    make(tmp_path, training=0)
    with pytest.raises(UserError, match=r"label maps at .*annotations/training"):
        ade20k.from_folder(tmp_path, "train", SPEC)


def test_an_id_that_is_no_class_is_named(tmp_path):
    make(tmp_path)
    save(tmp_path / "annotations/training/ADE_train_00000002.png", np.full((6, 9), 151, "uint8"))
    with pytest.raises(UserError, match=r"00000002\.png: expected label ids 1 to 150 and 0.*id 151"):
        ade20k.from_folder(tmp_path, "train", SPEC)[1]


def test_an_unpacked_copy_needs_no_tensorflow(tmp_path):
    script = (
        "import sys\n"
        "from dagan_tf.config import DataConfig\n"
        "from dagan_tf.data.datasets import open_source\n"
        "from dagan_tf.presets import ade20k\n"
        "data = DataConfig('ade20k', data_dir=sys.argv[1])\n"
        "source = open_source(data, ade20k.LABELS, split='train', size=(8, 8))\n"
        "print(len(source), source[0]['label'].shape, 'tensorflow' in sys.modules)\n"
    )
    assert run_python(script, make(tmp_path)).strip() == "3 (6, 9) False"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The archive on a server of its own; the builder downloads from there."""
    make(tmp_path / "copy" / ade20k.NAME)
    shutil.make_archive(tmp_path / "site" / "ade", "zip", tmp_path / "copy", ade20k.NAME)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "site")
    monkeypatch.setattr(handler.func, "log_message", lambda *args: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for split in ade20k.FOLDERS:
            monkeypatch.setitem(ade20k.Ade20k.URLS, split, f"http://127.0.0.1:{server.server_port}/ade.zip")
        yield tmp_path
        server.shutdown()


def test_tfds_downloads_the_archive(site):
    copy = site / "copy" / ade20k.NAME
    for split in ("train", "test"):
        prepared = open_prepared(ade20k.Ade20k, split, data_dir=site / "tfds")
        assert_same(prepared, ade20k.from_folder(copy, split, SPEC))
    info = ade20k.Ade20k(data_dir=site / "tfds").info
    assert info.features["label"].names == list(SPEC.class_names)
    assert tfds.builder("ade20k", data_dir=site / "tfds").info.splits["train"].num_examples == 3


@real_data
def test_real_samples():
    train, test = (ade20k.from_folder(REAL, split, SPEC) for split in ("train", "test"))
    assert (len(train), len(test)) == (1, 2)
    for source in (train, test):
        for index in range(len(source)):
            with Image.open(source.name(index)) as picture:
                files = np.asarray(picture).astype(int)
            np.testing.assert_array_equal(source[index]["label"], np.where(files == 0, 150, files - 1))
    names = {SPEC.name_of(c) for c in np.unique(test[0]["label"])}
    assert {"wall", "building", "sky", "tree", "road"} & names
