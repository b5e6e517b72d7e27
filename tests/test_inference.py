"""From label maps to pictures: one trace for all batches, one order, and pictures that replace no label map."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dagan_tf.config import LabelSpec, ModelConfig
from dagan_tf.data.pipeline import Pipeline
from dagan_tf.errors import UserError
from dagan_tf.inference import one_by_one, open_label_files, pictures, traced

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
    source, paths = open_label_files(maps, None, SPEC, tmp_path / "out")
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
    source, _ = open_label_files(maps, None, SPEC, tmp_path / "out")
    with pytest.raises(UserError, match=r"3\.png.*id 9"):
        list(pictures(Grey(), Pipeline(source, (32, 32), 2, training=False)))


def test_one_file_with_its_instances(maps, tmp_path):
    source, paths = open_label_files(maps / "2.png", maps / "3.png", SPEC, tmp_path / "out")
    assert [path.name for path in paths] == ["2.png"]
    assert len(source) == 1
    assert (source[0]["label"][0, 0], source[0]["instance"][0, 0]) == (2, 3)


def test_the_home_folder(maps, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    source, paths = open_label_files("~/maps", None, SPEC, "~/out")
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


def test_nothing_to_draw(tmp_path):
    with pytest.raises(UserError, match="There is nothing: check the path"):
        open_label_files(tmp_path / "none", None, SPEC, tmp_path)
