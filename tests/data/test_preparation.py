"""One's own data becomes a folder whose pixels are known: ids, splits, photographs; whole, or not at all."""

import os
import re
import threading

import numpy as np
import pytest
from PIL import Image

from dagan_tf.data.description import ClassRow, read_classes
from dagan_tf.data.folder import FolderSource
from dagan_tf.data.label_folder import LabelFolder
from dagan_tf.data.listing import find_files
from dagan_tf.data.photographs import photo_file
from dagan_tf.data.preparation import check_place, prepare, validation_names
from dagan_tf.data.renumbering import renumber
from dagan_tf.errors import StorageError, UserError
from dagan_tf.labels import LabelSpec

IDS = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
rng = np.random.default_rng(0)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def photo(height=2, width=3):
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """A function that writes label maps and photos of these names and opens them."""

    def make(maps, rows=None, suffix=".jpg", **options):
        for name, ids in maps.items():
            save(tmp_path / "labels" / f"{name}.png", np.asarray(ids))
            save(tmp_path / "photos" / f"{name}{suffix}", photo(*np.shape(ids)))
        return LabelFolder(tmp_path / "labels", tmp_path / "photos", rows=rows, **options)

    return make


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def left(folder):
    """What is in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_ids_that_count_up_stay_and_photos_are_copied(pairs, tmp_path):
    done = prepare(pairs({"a": IDS, "deep/bé": IDS + 1}), tmp_path / "out")
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/a.png"), IDS)
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/deep/bé.png"), IDS + 1)
    copy, original = (tmp_path / folder / "deep/bé.jpg" for folder in ("out/images", "photos"))
    assert copy.read_bytes() == original.read_bytes()
    assert left(tmp_path / "out") == ["dataset.json", "images", "labels"]
    assert left(tmp_path) == ["labels", "out", "photos"]
    assert done.counts == {"": 2}
    assert done.spec == read_classes(tmp_path / "out/dataset.json") == LabelSpec(4)
    assert done.shares == [2 / 12, 4 / 12, 4 / 12, 2 / 12]
    assert (done.renumbered, done.has_instances, done.bad) == ({}, False, {})


def test_the_result_is_read_by_the_folder_data_set(pairs, tmp_path):
    done = prepare(pairs({"a": IDS * 40}), tmp_path / "out", unknown_id=0)
    example = FolderSource(tmp_path / "out/labels", tmp_path / "out/images", spec=done.spec)[0]
    # 40 and 80 count up as 0 and 1; 0, unlabelled, is the last class.
    assert example["label"].tolist() == [[2, 0, 1], [1, 0, 2]]
    assert example["image"].shape == (2, 3, 3)


def test_the_shares_of_validation_move_few_names():
    names = [f"picture {i}" for i in range(1000)]
    chosen = validation_names(names, 0.1)
    assert len(chosen) == 100
    more = validation_names([*names, *(f"new {i}" for i in range(100))], 0.1)
    assert len(more) == 110
    assert len(chosen - more) < 25
    assert validation_names(names[::-1], 0.1) == chosen
    assert len(validation_names(names[:3], 0.01)) == 1
    assert len(validation_names(names[:2], 0.99)) == 1
    with pytest.raises(UserError, match="two pictures or more"):
        validation_names(names[:1], 0.5)
    with pytest.raises(UserError, match="folders named train, val"):
        validation_names(["train/a", "val/b", "c"], 0.5)


def test_splits(pairs, tmp_path):
    maps = {f"n{i}": IDS for i in range(10)}
    done = prepare(pairs(maps), tmp_path / "out", val_share=0.2)
    assert done.counts == {"train": 8, "val": 2}
    labels = {split: set(find_files(tmp_path / "out/labels" / split, "label map")) for split in ("train", "val")}
    photos = {split: set(find_files(tmp_path / "out/images" / split, "photo")) for split in ("train", "val")}
    assert labels == photos
    assert labels["val"] == validation_names(maps, 0.2)
    assert labels["train"] | labels["val"] == set(maps)


def test_more_than_256_ids_take_16_bits(pairs, tmp_path):
    ids = np.arange(300, dtype=np.uint16).reshape(15, 20)
    prepare(pairs({"a": ids}), tmp_path / "out")
    written = pixels(tmp_path / "out/labels/a.png")
    np.testing.assert_array_equal(written, ids)
    with pytest.raises(UserError, match="at most 65536 classes"):
        renumber([ClassRow(i) for i in range(65537)])


def test_instance_maps(pairs, tmp_path):
    save(tmp_path / "instances/a.png", IDS.astype(np.uint16) * 9000)
    done = prepare(pairs({"a": IDS}, instance_dir=tmp_path / "instances"), tmp_path / "out", val_share=0)
    assert done.has_instances
    np.testing.assert_array_equal(pixels(tmp_path / "out/instances/a.png"), IDS.astype(int) * 9000)


class Objects:
    """What `CocoFile.paint` gives, made here."""

    def __init__(self, instance):
        self.instance = np.array(instance)

    def paint(self, name):
        return None, self.instance


@pytest.mark.parametrize(("top", "first"), [(255, 1000), (3000, 3001)])
def test_objects_over_label_maps_as_in_coco_stuff(pairs, tmp_path, top, first):
    ids = np.array([[0, 7, 7], [top, 7, 7]], np.uint16)
    source = pairs({"a": ids}, coco=Objects([[0, 1, 1], [0, 0, 2]]))
    prepare(source, tmp_path / "out")
    assert pixels(tmp_path / "out/instances/a.png").tolist() == [[0, first, first], [top, 7, first + 1]]
    source = pairs({"a": ids}, coco=Objects([[1]]))
    with pytest.raises(UserError, match=r"1x1 .*Received: 2x3"):
        prepare(source, tmp_path / "other")


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def test_photos(tmp_path):
    image = photo(4, 6)
    upright = save(tmp_path / "a.png", image, exif=orientation(1))
    assert photo_file(upright) == (".png", upright.read_bytes(), (4, 6))
    assert photo_file(upright.read_bytes()) == photo_file(upright)
    turned = save(tmp_path / "b.png", image, exif=orientation(6))  # the camera was turned: rows are columns
    suffix, data, size = photo_file(turned)
    (tmp_path / "c.png").write_bytes(data)
    assert (suffix, size) == (".png", (6, 4))
    np.testing.assert_array_equal(pixels(tmp_path / "c.png"), np.rot90(image, -1))
    np.save(tmp_path / "d.npy", image)
    for path in (save(tmp_path / "d.bmp", image), tmp_path / "d.npy"):
        suffix, data, size = photo_file(path)
        (tmp_path / "d.png").write_bytes(data)
        assert (suffix, size) == (".png", (4, 6))
        np.testing.assert_array_equal(pixels(tmp_path / "d.png"), image)
    jpeg = save(tmp_path / "e.png", image, format="JPEG")  # a wrong suffix is mended
    assert photo_file(jpeg)[:2] == (".jpg", jpeg.read_bytes())


def spoil(folder):
    """Spoils pictures of eight good ones, each in another way; what is left is good."""
    (folder / "photos/n0.jpg").write_bytes(b"")
    (folder / "labels/n1.png").write_bytes((folder / "labels/n1.png").read_bytes()[:40])
    save(folder / "photos/n2.jpg", photo(5, 5))
    (folder / "photos/n3.jpg").unlink()
    (folder / "labels/n4.png").unlink()
    save(folder / "photos/n5.jpg", photo(2, 3), exif=orientation(6))


REASONS = {
    "n0": r"photos.n0\.jpg: expected a whole",
    "n1": r"labels.n1\.png: expected a whole",
    "n2": r"photograph and label map of equal size. Received: 5x5 and 2x3",
    "n3": r"labels.n3\.png: expected a photo of the same name",
    "n4": r"photos.n4\.jpg: expected a label map of the same name",
    "n5": r"Received: 3x2 and 2x3",
}


def test_all_bad_pictures_are_named_and_nothing_is_written(pairs, tmp_path):
    pairs({f"n{i}": IDS for i in range(8)})
    spoil(tmp_path)
    with pytest.raises(UserError, match="Received: 6 of 8 that cannot be used") as caught:
        prepare(LabelFolder(tmp_path / "labels", tmp_path / "photos"), tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:7]] == list(REASONS)
    for line, reason in zip(lines[1:7], REASONS.values(), strict=True):
        assert re.search(reason, line), line
    assert left(tmp_path) == ["labels", "photos"]


def test_bad_pictures_are_left_out_when_asked(pairs, tmp_path):
    pairs({f"n{i}": IDS for i in range(8)})
    spoil(tmp_path)
    done = prepare(LabelFolder(tmp_path / "labels", tmp_path / "photos"), tmp_path / "out", skip_bad=True)
    assert list(done.bad) == list(REASONS)
    assert set(find_files(tmp_path / "out/labels", "label map")) == {"n6", "n7"}
    assert set(find_files(tmp_path / "out/images", "photo")) == {"n6", "n7"}


def test_only_the_first_ten_are_named(pairs, tmp_path):
    source = pairs({f"n{i:02}": IDS for i in range(14)})
    for path in (tmp_path / "photos").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="14 of 14") as caught:
        prepare(source, tmp_path / "out", skip_bad=True)
    text = str(caught.value)
    assert "n09" in text
    assert "n10" not in text
    assert "... and 4 more" in text
    assert "cannot be left out" in text


def test_a_split_is_never_left_empty(pairs, tmp_path):
    source = pairs({f"n{i}": IDS for i in range(5)})
    (name,) = validation_names(source.names, 0.2)
    (tmp_path / "photos" / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="nothing would be left of a split"):
        prepare(source, tmp_path / "out", val_share=0.2, skip_bad=True)


def test_ids_that_are_no_class(pairs, tmp_path):
    source = pairs({"a": IDS}, rows=(ClassRow(0), ClassRow(1)))
    with pytest.raises(UserError, match=r"a: expected ids of the classes. Received: id 2 \(2 pixels\)"):
        prepare(source, tmp_path / "out")
    done = prepare(source, tmp_path / "out", unknown_id=2)
    assert done.spec == LabelSpec(3, unknown_id=2)


def test_a_folder_that_holds_something_is_never_touched(pairs, tmp_path):
    source = pairs({"a": IDS})
    (tmp_path / "out").mkdir()
    prepare(source, tmp_path / "out")  # an empty one is filled
    before = (tmp_path / "out/dataset.json").stat().st_mtime_ns
    with pytest.raises(UserError, match=r"new or empty folder|folder that can be written"):
        prepare(source, tmp_path / "out")
    assert (tmp_path / "out/dataset.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"new or empty folder|folder that can be written"):
        check_place(tmp_path / "labels/a.png")
    with pytest.raises(UserError, match="folder that can be written"):
        check_place(tmp_path / "labels/a.png/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(UserError, match="folder that can be written"):
        check_place(tmp_path / "closed/out")


def test_a_full_disk_leaves_nothing(pairs, tmp_path, small_disk):
    source = pairs({f"n{i}": rng.integers(0, 9, (128, 128), np.uint8) for i in range(30)})
    disk = small_disk("200k")
    with pytest.raises(StorageError, match="No space left on device"):
        prepare(source, disk / "out")
    assert left(disk) == []


def test_ctrl_c_leaves_nothing(pairs, tmp_path):
    source = pairs({f"n{i}": IDS for i in range(50)})
    calls, threads = [], threading.active_count()

    def progress(words):
        return interrupt if "writing" in words else None

    def interrupt(done, total):
        calls.append(done)
        if len(calls) == 10:
            assert any(path.name.startswith(".out.") for path in tmp_path.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", progress=progress)
    assert left(tmp_path) == ["labels", "photos"]
    assert threading.active_count() == threads


COLOURS = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
KINDS = {
    "grey png": lambda path, ids: save(path.with_suffix(".png"), ids),
    "tiff": lambda path, ids: save(path.with_suffix(".tif"), ids),
    "bmp": lambda path, ids: save(path.with_suffix(".bmp"), ids),
    "npy": lambda path, ids: np.save(path.with_suffix(".npy"), ids.astype(np.int64)),
    "colours": lambda path, ids: save(path.with_suffix(".png"), np.array(COLOURS, np.uint8)[ids // 4]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_label_maps_of_every_kind_with_a_table_of_classes(tmp_path, kind):
    (tmp_path / "labels").mkdir()
    KINDS[kind](tmp_path / "labels/a", IDS * 4)
    save(tmp_path / "photos/a.png", photo())
    rows = tuple(ClassRow(4 * i, f"class {i}", colour) for i, colour in enumerate(COLOURS))
    source = LabelFolder(tmp_path / "labels", tmp_path / "photos", rows=rows)
    done = prepare(source, tmp_path / "out", unknown_id=255)
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/a.png"), IDS)  # 0, 4, 8 and 255 became 0, 1, 2 and 3
    assert done.renumbered == {0: 0, 4: 1, 8: 2, 255: 3}
    assert done.spec.class_names == ("class 0", "class 1", "class 2", "unlabelled")
    assert done.spec.palette[:3] == COLOURS
    assert done.shares == [1 / 3, 1 / 3, 1 / 3, 0]


def test_colours_need_a_table_and_palettes_agree_with_it(tmp_path):
    save(tmp_path / "photos/a.png", photo())
    save(tmp_path / "labels/a.png", np.array(COLOURS, np.uint8)[IDS])
    with pytest.raises(UserError, match=r"a\.png: .*Received: colours .*`classes`"):
        prepare(LabelFolder(tmp_path / "labels", tmp_path / "photos"), tmp_path / "out")
    rows = tuple(ClassRow(i, None, colour) for i, colour in enumerate(COLOURS))
    picture = Image.fromarray(IDS)
    picture.putpalette(np.array(COLOURS[::-1], np.uint8).tobytes())
    picture.save(tmp_path / "labels/a.png")
    with pytest.raises(UserError, match=r"ids 2, 0 under the indices 0, 2"):
        prepare(LabelFolder(tmp_path / "labels", tmp_path / "photos", rows=rows), tmp_path / "out")
    prepare(LabelFolder(tmp_path / "labels", tmp_path / "photos"), tmp_path / "out")  # without a table indices are ids
    np.testing.assert_array_equal(pixels(tmp_path / "out/labels/a.png"), IDS)
