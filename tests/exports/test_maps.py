"""Label maps for exports: drawn ones, the run's, and those of a folder."""

import numpy as np
import pytest
from PIL import Image

from dagan_tf.errors import UserError
from dagan_tf.exports import maps
from tests.helpers import tiny_config


def test_drawn_maps_have_every_input():
    config = tiny_config().model.replace(use_instance_edges=True)
    batch = maps.drawn(config)
    assert {name: value.shape for name, value in batch.items()} == {"label": (2, 32, 32), "instance": (2, 32, 32)}
    assert batch["label"].min() >= 0
    assert batch["label"].max() < 13
    assert len(np.unique(batch["label"])) > 3


def test_maps_of_a_run():
    calibration, measured, split = maps.of_run(tiny_config(), (32, 64))
    assert split == "test"
    assert calibration["label"].shape == (12, 32, 64)  # all there are
    assert measured["label"].shape == (4, 32, 64)


@pytest.fixture
def folders(tmp_path):
    for name in ("labels", "instances"):
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / name / f"{i}.png")
    return {name: str(tmp_path / name) for name in ("labels", "instances")}


def test_maps_of_a_folder(folders):
    calibration, measured, split = maps.of_run(tiny_config(), (32, 32), labels=folders["labels"])
    assert split == "training"
    assert sorted(calibration) == ["label"]
    np.testing.assert_array_equal(calibration["label"][:, 0, 0], [0, 1, 2])
    assert measured["label"].shape == (3, 32, 32)


def test_instance_maps_are_asked_for(folders):
    config = tiny_config()
    config = config.replace(model=config.model.replace(use_instance_edges=True), data=None)
    with pytest.raises(UserError, match="give `instances`"):
        maps.of_run(config, (32, 32), labels=folders["labels"])
    calibration, _, _ = maps.of_run(config, (32, 32), **folders)
    assert sorted(calibration) == ["instance", "label"]


def test_data_that_cannot_be_had(tmp_path):
    with pytest.raises(UserError, match=r"nothing.*`labels`"):
        maps.of_run(tiny_config(), (32, 32), labels=str(tmp_path / "nothing"))
    with pytest.raises(UserError, match=r"converted, not trained here.*`labels`"):
        maps.of_run(tiny_config().replace(data=None), (32, 32))
