"""The common part of the data sets: what TFDS keeps of photos and instances, and what is said where nothing is."""

import importlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import ade20k, builder, celebamask_hq, cityscapes, coco_stuff, facades, open_source
from dagan_tf.data.datasets.builder import PairsBuilder, PreparedSource, open_prepared
from dagan_tf.data.unpacked import find_root, pairs_in
from dagan_tf.errors import UserError
from dagan_tf.labels import LabelSpec
from tests.data.datasets.builders import assert_same, ids, photo, prepare, save

SPEC = LabelSpec(4, class_names=("a", "b", "c", "d"), palette=((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)))
MANUAL = {
    "cityscapes": (cityscapes.CityscapesPairs, "Register at"),
    "celebamask_hq": (celebamask_hq.CelebaMaskHq, "CelebAMask-HQ.zip"),
    "coco_stuff": (coco_stuff.CocoStuff, "instances_train2017.json"),
}


class Small(PairsBuilder, skip_registration=True):
    """A data set of two folders and one of instance maps."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Make them."
    LABELS = SPEC
    TITLE = "the small set"
    HAS_INSTANCES = True

    def source(self, folder, split):
        folders = (folder / split / kind for kind in ("labels", "photos", "instances"))
        return pairs_in(*folders, spec=SPEC, optional=split == "test")


def make(folder, count=2):
    for number in range(count):
        save(folder / "labels" / f"{number}.png", ids(number, 3))
        save(folder / "photos" / f"{number}.png", photo(number))
        save(folder / "instances" / f"{number}.png", ids(number, 60000, dtype="uint16"))


@pytest.fixture
def copy(tmp_path):
    make(tmp_path / "copy/train")
    return tmp_path / "copy"


def prepared(copy, tmp_path, split="train"):
    return PreparedSource(prepare(Small, copy, tmp_path / "tfds"), split)


def test_sixteen_bits_of_instances_come_back(copy, tmp_path):
    source = prepared(copy, tmp_path)
    assert_same(source, Small(data_dir=tmp_path).source(copy, "train"))
    assert source[1]["instance"].max() == 60000
    assert [source.name(index) for index in range(2)] == ["0", "1"]
    assert source.fingerprint() == "small/1.0.0 train"


def test_tensorflow_decodes_the_same(copy, tmp_path):
    small = Small(data_dir=tmp_path)
    small.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=copy))
    for number, example in enumerate(tfds.as_numpy(small.as_dataset(split="train"))):
        np.testing.assert_array_equal(example["label"][..., 0], ids(number, 3))
        np.testing.assert_array_equal(example["instance"][..., 0], ids(number, 60000, dtype="uint16"))
        np.testing.assert_array_equal(example["image"], photo(number))


def test_names_and_colours_are_kept(copy, tmp_path):
    prepare(Small, copy, tmp_path / "tfds")
    info = Small(data_dir=tmp_path / "tfds").info
    assert info.features["label"].names == ["a", "b", "c", "d"]
    assert info.metadata["palette"] == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_photos_that_are_not_used_as_they_are_keep_their_pixels(copy, tmp_path):
    """A grey one, a transparent one, and one that a camera has turned."""
    save(copy / "train/photos/0.png", ids(5, 255))
    turned = Image.Exif()
    turned[builder.EXIF_ORIENTATION] = 6  # turn by a quarter to see it upright
    (copy / "train/photos/1.png").unlink()
    Image.fromarray(photo(7, (9, 6))).save(copy / "train/photos/1.jpg", exif=turned)
    make(copy / "test", 1)
    Image.fromarray(photo(3)).convert("RGBA").save(copy / "test/photos/0.png")
    for split in ("train", "test"):
        source = PreparedSource(prepare(Small, copy, tmp_path / "tfds"), split)
        assert_same(source, Small(data_dir=tmp_path).source(copy, split))
    np.testing.assert_array_equal(source[0]["image"], photo(3))


def test_a_jpeg_keeps_its_bytes(copy, tmp_path):
    (copy / "train/photos/1.png").unlink()
    save(copy / "train/photos/1.jpg", photo(1))
    decoders = dict.fromkeys(("image", "instance"), tfds.decode.SkipDecoding())
    examples = prepare(Small, copy, tmp_path / "tfds").as_data_source("train", decoders=decoders)
    assert examples[1]["image"] == (copy / "train/photos/1.jpg").read_bytes()


def test_instances_that_need_more_bits_are_refused(copy, tmp_path):
    # PIL writes no PNG of 32 bits; it knows a TIFF by its content.
    Image.fromarray(np.full((6, 9), 70000, "int32")).save(copy / "train/instances/1.png", format="TIFF")
    with pytest.raises(UserError, match=r"1\.png: expected instance ids 0 to 65535.*70000"):
        prepared(copy, tmp_path)
    assert not Small(data_dir=tmp_path / "tfds").is_prepared()


def test_a_split_that_was_not_there_is_none(copy, tmp_path):
    prepare(Small, copy, tmp_path / "tfds")
    assert open_prepared(Small, "test", data_dir=tmp_path / "tfds") is None


def test_another_format_is_refused(copy, tmp_path):
    config = tfds.download.DownloadConfig(manual_dir=copy)
    Small(data_dir=tmp_path, file_format="tfrecord").download_and_prepare(download_config=config)
    with pytest.raises(UserError, match=r"array_record.*Remove small"):
        open_prepared(Small, "train", data_dir=tmp_path)


def test_an_empty_manual_folder_is_a_message(tmp_path):
    with pytest.raises(UserError, match=r"(?s)does not exist or is empty.*Make them"):
        prepare(Small, tmp_path / "nowhere", tmp_path / "tfds")


@pytest.mark.parametrize("name", MANUAL)
def test_what_cannot_be_downloaded_says_how_to_get_it(name, tmp_path):
    builder_class, how = MANUAL[name]
    with pytest.raises(UserError, match=rf"Expected `data_dir`, or .*Received: neither.*{how}"):
        open_prepared(builder_class, "train", data_dir=tmp_path)


@pytest.mark.parametrize("name", [*MANUAL, "ade20k"])
def test_without_a_folder_the_prepared_copy_is_opened(name, monkeypatch):
    module, asked = importlib.import_module(f"dagan_tf.data.datasets.{name}"), []
    monkeypatch.setattr(module, "open_prepared", lambda *arguments, **options: asked.append((*arguments, options)))
    open_source(DataConfig(name), module.LABELS, split="test", size=(8, 8))
    options = {"config": "official"} if name == "celebamask_hq" else {}
    assert asked == [(MANUAL[name][0] if name in MANUAL else ade20k.Ade20k, "test", options)]


def test_builders_have_names_of_their_own():
    names = [builder_class.name for builder_class, _ in MANUAL.values()] + [facades.CmpFacades.name]
    assert names == ["cityscapes_pairs", "celeba_mask_hq", "coco_stuff", "cmp_facades"]
    assert set(names) <= set(tfds.list_builders(with_community_datasets=False))


def test_the_root_of_a_copy_is_the_folder_or_the_one_in_it(tmp_path):
    (tmp_path / "outer/inner/mark").mkdir(parents=True)
    for folder in ("outer", "outer/inner"):
        root = find_root(tmp_path / folder, ("other", "mark"), "inner", "it", "Get it")
        assert root.resolve() == (tmp_path / "outer/inner").resolve()
    with pytest.raises(UserError, match=r"Expected it in .*: a folder other or mark. Received: none of them. Get it\."):
        find_root(tmp_path, ("other", "mark"), "inner", "it", "Get it")
