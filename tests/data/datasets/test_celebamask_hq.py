"""CelebAMask-HQ: made copies in the archive's layout and of merged masks, both partitions, TFDS, the real samples."""

import shutil

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import DataConfig
from dagan_tf.data.datasets import celebamask_hq, open_source
from dagan_tf.data.datasets.builder import open_prepared
from dagan_tf.data.datasets.celebamask_hq import from_folder
from dagan_tf.errors import UserError
from tests.data.datasets import builders
from tests.data.datasets.builders import assert_same, ids, photo, prepare, real, save

SPEC = celebamask_hq.LABELS
REAL, real_data = real("celebamask_hq")
# The number of each made face, its index in CelebA and its official split: both sides of each boundary.
FACES = {0: (119613, "train"), 1: (162770, "train"), 2: (162771, "validation"), 1999: (182637, "validation")}
FACES |= {2000: (182638, "test"), 27999: (0, "train"), 28000: (202598, "test")}
SIZE = (8, 8)


def rows(first, last):
    """A part that covers some rows, white on black."""
    part = np.zeros(SIZE, "uint8")
    part[first:last] = 255
    return part


def make(folder, faces=FACES):
    """An archive's folder: each face has skin, hair and a nose, every other one a hat, in files of one or three
    channels; photos are twice as large as masks."""
    lines = ["idx       orig_idx  orig_file"]
    for number, (index, _) in faces.items():
        stem = folder / "CelebAMask-HQ-mask-anno" / str(number // 2000) / f"{number:05}"
        parts = {"skin": rows(1, 7), "hair": rows(0, 3), "nose": rows(2, 5)} | (
            {"hat": rows(0, 1)} if number % 2 else {}
        )
        for name, part in parts.items():
            save(stem.with_name(f"{stem.name}_{name}.png"), np.stack([part] * 3, -1) if name == "hair" else part)
        save(folder / "CelebA-HQ-img" / f"{number}.jpg", photo(number, (16, 16)))
        lines.append(f"{number:<10}{index:<10}{index + 1:06}.jpg")
    (folder / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines) + "\n")
    return folder


def merged(number):
    """The classes of a made face by row: hair (13) is painted over nose (2) and that over skin (1), a hat (14) last."""
    top = 14 if number % 2 else 13
    return np.repeat([[top], [13], [13], [2], [2], [1], [1], [0]], 8, axis=1)


class TestBuilder(builders.BuilderTest):
    DATASET_CLASS = celebamask_hq.CelebaMaskHq
    BUILDER_CONFIG_NAMES_TO_TEST = ("official",)
    SPLITS = {"train": 3, "validation": 2, "test": 2}  # noqa: RUF012 (TFDS reads it)
    make = staticmethod(make)


class TestOtherPartition(TestBuilder):
    BUILDER_CONFIG_NAMES_TO_TEST = ("28k",)
    SPLITS = {"train": 6, "test": 1}  # noqa: RUF012 (TFDS reads it)


@pytest.fixture
def archive(tmp_path):
    return make(tmp_path / "CelebAMask-HQ")


def test_parts_are_merged_in_the_order_of_classes(archive):
    source = from_folder(archive, "train", SPEC)
    assert source.names == ["0", "1", "27999"]
    for index, number in enumerate((0, 1, 27999)):
        np.testing.assert_array_equal(source[index]["label"], merged(number))
        assert source[index]["label"].dtype == np.uint8


def test_photos_are_brought_to_the_size_of_masks(archive):
    example = from_folder(archive, "train", SPEC)[1]
    with Image.open(archive / "CelebA-HQ-img" / "1.jpg") as picture:
        expected = np.asarray(picture.resize((8, 8), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(example["image"], expected)


def test_the_official_partition_at_its_boundaries(archive):
    data = DataConfig("celebamask_hq", data_dir=str(archive.parent))
    for split in ("train", "validation", "test"):
        source = open_source(data, SPEC, split=split, size=(8, 8))
        assert source.names == [str(number) for number, (_, belongs) in FACES.items() if belongs == split]


def test_the_other_partition_is_by_number(archive):
    data = DataConfig("celebamask_hq", data_dir=str(archive), partition="28k")
    assert open_source(data, SPEC, split="train", size=(8, 8)).names == [str(n) for n in FACES if n < 28000]
    assert open_source(data, SPEC, split="test", size=(8, 8)).names == ["28000"]
    (archive / celebamask_hq.MAPPING).unlink()  # which this partition does not need
    assert len(open_source(data, SPEC, split="test", size=(8, 8))) == 1


def test_the_official_partition_needs_its_table(archive):
    table = archive / celebamask_hq.MAPPING
    table.write_text("idx orig_idx orig_file\n0 3 000004.jpg\n")
    with pytest.raises(UserError, match=r"Expected picture 1 in .*mapping\.txt"):
        from_folder(archive, "train", SPEC)
    table.write_text("idx orig_idx orig_file\n0 no\n")
    with pytest.raises(UserError, match=r"mapping\.txt: expected lines of a number"):
        from_folder(archive, "train", SPEC)
    table.unlink()
    with pytest.raises(UserError, match=r"mapping\.txt.*no such file.*`partition` 28k"):
        from_folder(archive, "train", SPEC)


def test_a_table_of_all_thirty_thousand_gives_the_official_counts(tmp_path):
    """Indices of which 24,183 are below the first boundary, 2,993 between the two and 2,824 above."""
    counts = {"train": 24_183, "validation": 2_993, "test": 2_824}
    indices = np.concatenate([np.arange(24_183), 162_771 + np.arange(2_993), 182_638 + np.arange(2_824)])
    np.random.default_rng(0).shuffle(indices)
    lines = [f"{number} {index} {index + 1:06}.jpg" for number, index in enumerate(indices)]
    (tmp_path / celebamask_hq.MAPPING).write_text("\n".join(["idx orig_idx orig_file", *lines]))
    splits = list(map(celebamask_hq._by_number(tmp_path, "official"), map(str, range(30_000))))
    assert {split: splits.count(split) for split in counts} == counts
    splits = list(map(celebamask_hq._by_number(tmp_path, "28k"), map(str, range(30_000))))
    assert splits == ["train"] * 28_000 + ["test"] * 2_000


@pytest.mark.parametrize("names", [("images", "masks"), ("CelebA-HQ-img", "CelebAMask-HQ-mask")])
def test_merged_masks(tmp_path, names):
    for name in ("b", "a"):
        save(tmp_path / names[0] / f"{name}.jpg", photo(1, SIZE))
        save(tmp_path / names[1] / f"{name}.png", ids(ord(name), 18, SIZE))
    source = from_folder(tmp_path, "train", SPEC)
    assert source.names == ["a", "b"]
    np.testing.assert_array_equal(source[1]["label"], ids(ord("b"), 18, SIZE))
    assert from_folder(tmp_path, "test", SPEC) is None
    with pytest.raises(UserError, match=r"`partition` 28k goes\. Received: others, such as a"):
        from_folder(tmp_path, "train", SPEC, partition="28k")


def test_merged_masks_with_numbers_are_in_the_partition(tmp_path):
    make(tmp_path)
    shutil.rmtree(tmp_path / celebamask_hq.PARTS)
    for number in FACES:
        save(tmp_path / "CelebAMask-HQ-mask" / f"{number}.png", ids(number, 18, SIZE))
    assert from_folder(tmp_path, "train", SPEC).names == ["0", "1", "27999"]
    source = from_folder(tmp_path, "test", SPEC)
    np.testing.assert_array_equal(source[0]["label"], ids(2000, 18, SIZE))


def test_merged_masks_in_folders_of_splits(tmp_path):
    for name in ("train/0", "train/x", "val/1", "test/2"):
        save(tmp_path / "images" / f"{name}.jpg", photo(1, SIZE))
        save(tmp_path / "masks" / f"{name}.png", ids(1, 18, SIZE))
    names = {split: from_folder(tmp_path, split, SPEC).names for split in ("train", "validation", "test")}
    assert names == {"train": ["train/0", "train/x"], "validation": ["val/1"], "test": ["test/2"]}


def test_what_does_not_fit_is_named(archive):
    save(archive / "CelebA-HQ-img" / "0.jpg", photo(0, (16, 20)))
    with pytest.raises(UserError, match=r"aspect of its mask.*0\.jpg of 16x20.*of 8x8"):
        from_folder(archive, "train", SPEC)[0]
    save(archive / celebamask_hq.PARTS / "0" / "00001_hair.png", np.zeros((9, 8), "uint8"))
    with pytest.raises(UserError, match=r"one size.*00001_hair\.png"):
        from_folder(archive, "train", SPEC)[1]
    (archive / "CelebA-HQ-img" / "1.jpg").unlink()
    with pytest.raises(UserError, match=r"without photo \(1\)"):
        from_folder(archive, "train", SPEC)
    save(archive / celebamask_hq.PARTS / "0" / "00001_beard.png", rows(0, 1))
    with pytest.raises(UserError, match=r"NUMBER_PART.*00001_beard\.png"):
        from_folder(archive, "train", SPEC)


def test_the_fingerprint_knows_each_part(archive):
    before = from_folder(archive, "train", SPEC).fingerprint()
    assert from_folder(archive, "train", SPEC).fingerprint() == before
    save(archive / celebamask_hq.PARTS / "0" / "00000_nose.png", rows(0, 8))
    assert from_folder(archive, "train", SPEC).fingerprint() != before


def test_only_test_faces_are_nothing_to_train_on(tmp_path):
    make(tmp_path, {2000: FACES[2000]})
    assert from_folder(tmp_path, "validation", SPEC) is None
    with pytest.raises(UserError, match=r"faces to train on.*other splits only"):
        from_folder(tmp_path, "train", SPEC)


@pytest.mark.parametrize("partition", ["official", "28k"])
def test_tfds_keeps_every_pixel(archive, tmp_path, partition):
    builder = prepare(celebamask_hq.CelebaMaskHq, archive, tmp_path / "tfds", config=partition)
    for split in builder.info.splits:
        options = {"config": partition, "data_dir": tmp_path / "tfds"}
        prepared = open_prepared(celebamask_hq.CelebaMaskHq, split, **options)
        assert_same(prepared, from_folder(archive, split, SPEC, partition=partition))
    assert open_prepared(celebamask_hq.CelebaMaskHq, "train", **options).fingerprint().split("/")[1] == partition


@real_data
def test_real_samples():
    """The parts are where faces have them: eyes above the mouth, the person's left eye at the picture's right."""
    source = from_folder(REAL, "train", SPEC)
    assert len(source) == 160
    counts, right_of = np.zeros(19, int), []
    for index in range(0, 160, 8):
        label = source[index]["label"]
        counts += np.bincount(label.ravel(), minlength=19)
        places = {name: np.argwhere(label == SPEC.class_names.index(name)) for name in ("l_eye", "r_eye", "u_lip")}
        places = {name: place.mean(axis=0) for name, place in places.items() if len(place)}
        if {"l_eye", "r_eye", "u_lip"} <= places.keys():
            right_of.append(places["l_eye"][1] > places["r_eye"][1])
            assert max(places["l_eye"][0], places["r_eye"][0]) < places["u_lip"][0]
    assert np.mean(right_of) > 0.8  # the data set has the two eyes of some faces the other way round
    assert set(np.argsort(counts)[-3:]) == {SPEC.class_names.index(name) for name in ("background", "skin", "hair")}
