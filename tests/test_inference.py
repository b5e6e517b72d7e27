"""From label maps to pictures: one trace for all batches, one order, and pictures that replace no label map."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dagan_tf.config import LabelSpec, ModelConfig
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.errors import UserError
from dagan_tf.inference import Lenient, one_by_one, open_label_files, pictures, traced

SPEC = LabelSpec(num_classes=5)


class Grey:
    """Stands for a generator: the grey of a pixel is its class, -1 to 1."""

    def __init__(self, **fields):
        self.config = ModelConfig(num_classes=5, image_size=(32, 32), **fields)
        self.batches = []

    def __call__(self, batch):
        self.batches.append({name: maps.shape.as_list() for name, maps in batch.items()})
        return tf.repeat(tf.cast(batch["label"], tf.float32)[..., None] / 2 - 1, 3, axis=-1)


@pytest.fixture
def maps(tmp_path):
    """Five label files, each of one class."""
    folder = tmp_path / "maps"
    (folder / "deep").mkdir(parents=True)
    for i in range(5):
        Image.fromarray(np.full((40, 48), i, "uint8")).save(folder / ("deep" if i == 4 else "") / f"{i}.png")
    return folder


def test_pictures_come_in_order_through_one_trace(maps, tmp_path):
    generator = Grey()
    source, paths, _ = open_label_files(maps, None, SPEC, tmp_path / "out")
    images = list(pictures(generator, Pipeline(source, (32, 32), 2, training=False)))
    assert [path.stem for path in paths] == [*"01234"]
    assert generator.batches == [{"label": [None, 32, 32]}]  # though batches have two, two and one
    for i, image in enumerate(images):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.full((32, 32, 3), round(i * 255 / 4)))


def test_maps_of_any_integers_and_one_by_one():
    generator = Grey(use_instance_edges=True)
    draw = traced(generator)
    label = np.arange(3)[:, None, None] * np.ones((3, 32, 32), int)
    image = np.zeros((3, 32, 32, 3), "float32")
    batch = {"label": label.astype("uint8"), "instance": label, "image": image}
    np.testing.assert_array_equal(one_by_one(draw, batch), np.repeat(label[..., None] / 2 - 1, 3, axis=-1))
    np.testing.assert_array_equal(one_by_one(draw, batch), draw({**batch, "label": label}))
    assert generator.batches == [{"label": [None, 32, 32], "instance": [None, 32, 32]}]
    with pytest.raises(UserError, match=r"reads label and instance maps\. Received: none of instance"):
        draw({"label": label})


def test_a_file_that_cannot_be_read_is_named(maps, tmp_path):
    Image.fromarray(np.full((8, 8), 9, "uint8")).save(maps / "3.png")
    source, *_ = open_label_files(maps, None, SPEC, tmp_path / "out")
    with pytest.raises(UserError, match=r"3\.png.*id 9"):
        list(pictures(Grey(), Pipeline(source, (32, 32), 2, training=False)))


def test_one_file_with_its_instances(maps, tmp_path):
    source, paths, _ = open_label_files(maps / "2.png", maps / "3.png", SPEC, tmp_path / "out")
    assert [path.name for path in paths] == ["2.png"]
    assert len(source) == 1
    assert (source[0]["label"][0, 0], source[0]["instance"][0, 0]) == (2, 3)


def test_the_home_folder(maps, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    source, paths, _ = open_label_files("~/maps", None, SPEC, "~/out")
    assert (len(source), paths[0]) == (5, tmp_path / "out/0.png")


@pytest.mark.parametrize("labels", ["maps", "maps/1.png"])
@pytest.mark.parametrize("output", ["maps", "instances"])
def test_pictures_never_replace_maps(maps, tmp_path, labels, output):
    (tmp_path / "instances").mkdir()
    for path in sorted(maps.glob("*.png")):
        Image.open(path).save(tmp_path / "instances" / path.name)
    instances = {"maps": None, "maps/1.png": tmp_path / "instances/1.png"}[labels]
    if output == "instances" and instances is None:
        (maps / "deep/4.png").unlink()
        instances = tmp_path / "instances"
    with pytest.raises(UserError, match=r"would replace the maps in .* give another `output`"):
        open_label_files(tmp_path / labels, instances, SPEC, tmp_path / output)


def test_names_of_pictures(maps, tmp_path):
    shutil.copy(maps / "1.png", maps / "a.b_gtFine_labelIds.png")
    _, paths, _ = open_label_files([maps / "a.b_gtFine_labelIds.png", maps / "2.png"], None, SPEC, tmp_path / "out")
    assert [path.name for path in paths] == ["a.b_gtFine_labelIds.png", "2.png"]
    _, paths, _ = open_label_files(maps / "2.png", None, SPEC, tmp_path / "new/two.png")
    assert paths == [tmp_path / "new/two.png"]
    shutil.copy(maps / "1.png", maps / "deep" / "2.png")
    with pytest.raises(UserError, match=r"different names.*maps/2\.png and .*deep/2\.png"):
        open_label_files([maps / "2.png", maps / "deep" / "2.png"], None, SPEC, tmp_path / "out")


def test_instance_maps_of_several_files(maps, tmp_path):
    for name, value in (("2.png", 7), ("1.png", 9)):
        (tmp_path / "instances").mkdir(exist_ok=True)
        Image.fromarray(np.full((40, 48), value, "uint8")).save(tmp_path / "instances" / name)
    labels, instances = [maps / "1.png", maps / "2.png"], sorted((tmp_path / "instances").iterdir())[::-1]
    source, *_ = open_label_files(labels, instances, SPEC, tmp_path / "out")
    assert [source[i]["instance"][0, 0] for i in range(2)] == [9, 7]  # by name, in whatever order they are given
    source, paths, failures = open_label_files(labels, [instances[0], maps / "3.png"], SPEC, tmp_path / "out")
    assert [path.name for path in paths] == ["2.png"]
    assert failures == [f"{labels[0]}: expected an instance map of the same name. Received: none. Add it."]
    assert len(open_label_files(labels, maps / "deep", SPEC, tmp_path / "out")[2]) == 2


def test_a_picture_does_not_replace_its_map(maps, tmp_path):
    with pytest.raises(UserError, match="would replace the maps"):
        open_label_files(maps / "1.png", None, SPEC, maps / "1.png")
    with pytest.raises(UserError, match="would replace the maps"):
        open_label_files(maps / "1.png", maps / "2.png", SPEC, maps / "2.png")


def test_an_output_that_cannot_be_is_refused_before_anything_is_drawn(maps, tmp_path):
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file/sub", tmp_path / ("x" * 300), "/proc/none/pictures"):
        with pytest.raises(UserError, match="Expected a folder that can be written at"):
            open_label_files(maps, None, SPEC, output)


def test_links_to_nothing_are_failures_and_no_more(maps, tmp_path):
    (maps / "9.png").symlink_to("gone.png")
    source, paths, failures = open_label_files(maps, None, SPEC, tmp_path / "out")
    assert len(source) == len(paths) == 5
    assert "a link to gone.png, where there is nothing" in failures[0]


def test_one_picture_cannot_be_two(maps, tmp_path):
    with pytest.raises(UserError, match=r"Expected a folder as `output` of 5 pictures. Received: .*out\.png"):
        open_label_files(maps, None, SPEC, tmp_path / "out.png")


def test_a_lenient_source_names_what_it_could_not_read(maps, tmp_path):
    Image.fromarray(np.full((8, 8), 9, "uint8")).save(maps / "3.png")
    source, *_ = open_label_files(maps, None, SPEC, tmp_path / "out")
    lenient = Lenient(source)
    images = list(pictures(Grey(), Pipeline(lenient, (32, 32), 2, training=False)))
    assert len(images) == 5
    assert list(lenient.failures) == [3]
    assert "3.png" in lenient.failures[3]
    assert images[4][0, 0, 0] == 255


def test_nothing_to_draw(tmp_path):
    with pytest.raises(UserError, match="There is nothing: check the path"):
        open_label_files(tmp_path / "none", None, SPEC, tmp_path)
