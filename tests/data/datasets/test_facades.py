"""The CMP facades: made folders in its layout, prepared for real by TFDS, and the real files where they are."""

import functools
import http.server
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from dagan_tf.data.datasets import facades
from dagan_tf.data.datasets.facades import CmpFacades, facades_from_folder, facades_from_tfds
from dagan_tf.errors import UserError
from dagan_tf.presets.facades import LABELS

SPEC = LABELS
REAL = Path(__file__).resolve().parents[3].parent / "shared/data/facades"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"the CMP facades are not at {REAL}")


def ids(number):
    """The label map of a made facade: ids 1 to 12 in another place in each."""
    return (np.arange(20 * 12).reshape(20, 12) * number % 12 + 1).astype(np.uint8)


def make_pairs(folder, prefix, count):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        label = Image.fromarray(ids(number))
        label.putpalette([(7 * i) % 256 for i in range(768)])
        label.save(folder / f"{prefix}{number:04}.png")
        Image.fromarray(np.full((20, 12, 3), 20 * number, np.uint8)).save(folder / f"{prefix}{number:04}.jpg")
        (folder / f"{prefix}{number:04}.xml").write_text("<object/>")
    (folder / "label_names.txt").write_text("1 background 1")


@pytest.fixture
def copy(tmp_path):
    """An unpacked copy: three base pairs and two extended ones."""
    make_pairs(tmp_path / "copy" / "base", "cmp_b", 3)
    make_pairs(tmp_path / "copy" / "nested" / "extended", "cmp_x", 2)
    return tmp_path / "copy"


@pytest.fixture
def no_network(monkeypatch):
    def fail(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


def assert_made(source, count):
    assert len(source) == count
    for index in range(count):
        example = source[index]
        np.testing.assert_array_equal(example["label"], ids(index + 1))
        assert example["label"].dtype == example["image"].dtype == np.uint8
        assert (abs(example["image"].astype(int) - 20 * (index + 1)) <= 1).all()  # JPEG


def test_folder_gives_each_split(copy):
    assert_made(facades_from_folder(copy, "train", SPEC), 3)
    assert_made(facades_from_folder(copy, "test", SPEC), 2)
    assert_made(facades_from_folder(copy / "base", "train", SPEC), 3)


def test_folder_without_the_split_says_so(copy):
    with pytest.raises(UserError, match=r"test split.*cmp_x.*extended\.zip"):
        facades_from_folder(copy / "base", "test", SPEC)


def test_folder_without_facades_says_where_they_are(tmp_path):
    Image.fromarray(ids(1)).save(tmp_path / "other.png")
    with pytest.raises(UserError, match=r"cmp_b.*none.*base\.zip.*extended\.zip"):
        facades_from_folder(tmp_path, "train", SPEC)
    with pytest.raises(UserError, match="no such folder"):
        facades_from_folder(tmp_path / "no", "train", SPEC)


def test_a_photo_that_is_missing_is_named(copy):
    (copy / "base" / "cmp_b0002.jpg").unlink()
    with pytest.raises(UserError, match=r"1 label maps without photo.*cmp_b0002"):
        facades_from_folder(copy, "train", SPEC)


def test_two_copies_are_refused(copy):
    shutil.copytree(copy / "base", copy / "again")
    with pytest.raises(UserError, match="one copy"):
        facades_from_folder(copy, "train", SPEC)


@pytest.mark.parametrize("load", [lambda s: facades_from_folder(".", s, SPEC), facades_from_tfds])
def test_an_unknown_split_is_refused(load):
    with pytest.raises(UserError, match=r"'train', 'test'.*'base'"):
        load("base")


def test_tfds_prepares_an_unpacked_copy(copy, tmp_path, no_network):
    builder = CmpFacades(data_dir=tmp_path / "tfds", file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=copy, try_download_gcs=False))
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {"train": 3, "test": 2}
    assert "Tylecek13" in builder.info.citation
    train = facades_from_tfds("train", tmp_path / "tfds")
    assert_made(train, 3)
    assert [train.name(i) for i in range(3)] == ["cmp_b0001", "cmp_b0002", "cmp_b0003"]
    assert_made(facades_from_tfds("test", tmp_path / "tfds"), 2)


def test_tfds_downloads_the_two_zip_files(copy, tmp_path, monkeypatch):
    site = tmp_path / "site"
    shutil.make_archive(site / "base", "zip", copy, "base")
    shutil.make_archive(site / "extended", "zip", copy / "nested", "extended")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    monkeypatch.setattr(handler.func, "log_message", lambda *args: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for split, name in (("train", "base"), ("test", "extended")):
            monkeypatch.setitem(facades.URLS, split, f"http://127.0.0.1:{server.server_port}/{name}.zip")
        train = facades_from_tfds("train", tmp_path / "tfds")
        server.shutdown()
    assert_made(train, 3)
    assert_made(facades_from_tfds("test", tmp_path / "tfds"), 2)


def test_a_failed_download_says_what_to_do_and_leaves_no_dataset(tmp_path, no_network):
    with pytest.raises(UserError) as caught:
        facades_from_tfds("train", tmp_path)
    for part in (*facades.URLS.values(), "`data_dir`", "`dataset` procedural", "Name or service not known"):
        assert part in str(caught.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not CmpFacades(data_dir=tmp_path).is_prepared()


def test_a_copy_with_a_bad_label_leaves_no_dataset(copy, tmp_path):
    Image.fromarray(np.full((20, 12), 13, np.uint8)).save(copy / "base" / "cmp_b0002.png")
    builder = CmpFacades(data_dir=tmp_path / "tfds", file_format="array_record")
    config = tfds.download.DownloadConfig(manual_dir=copy, try_download_gcs=False)
    with pytest.raises(UserError, match=r"cmp_b0002\.png.*id 13 \(240 pixels\)"):
        builder.download_and_prepare(download_config=config)
    assert not CmpFacades(data_dir=tmp_path / "tfds").is_prepared()


def test_facades_prepared_in_another_format_are_refused(copy, tmp_path):
    config = tfds.download.DownloadConfig(manual_dir=copy, try_download_gcs=False)
    CmpFacades(data_dir=tmp_path / "tfds", file_format="tfrecord").download_and_prepare(download_config=config)
    with pytest.raises(UserError, match=r"array_record.*Remove cmp_facades"):
        facades_from_tfds("train", tmp_path / "tfds")


@real_data
@pytest.mark.parametrize(("split", "count"), [("train", 378), ("test", 228)])
def test_real_files_hold_ids_1_to_12(split, count):
    source = facades_from_folder(REAL, split, SPEC)
    assert len(source) == count
    found = np.zeros(256, int)
    for index in range(count):
        with Image.open(source.name(index)) as picture:
            found += np.bincount(np.asarray(picture).ravel(), minlength=256)
    assert np.flatnonzero(found).tolist() == list(range(1, 13))
    for index in range(0, count, 40):
        example = source[index]
        assert example["image"].shape == (*example["label"].shape, 3)
        assert max(example["label"].shape) <= 1024
