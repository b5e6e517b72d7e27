"""The inputs of warm-up requests fit every kind of model, and the label files they hold are valid for its data set."""

import io

import numpy as np
import pytest
from PIL import Image

from dagan_tf.config import LabelSpec, ModelConfig
from dagan_tf.exports import warm_up

PLAIN = ModelConfig(num_classes=5, image_size=(32, 64))


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (PLAIN, {"serving_default": ["label_map"], "png": ["label_png"], "attention": ["label_map"]}),
        (PLAIN.replace(attention="none"), {"serving_default": ["label_map"], "png": ["label_png"]}),
        (
            PLAIN.replace(use_instance_edges=True),
            {
                "serving_default": ["label_map", "instance_map"],
                "png": ["label_png", "instance_png"],
                "attention": ["label_map", "instance_map"],
            },
        ),
    ],
)
def test_one_request_for_each_signature(config, names):
    requests = warm_up.inputs(config, LabelSpec(5))
    assert {signature: list(arrays) for signature, arrays in requests.items()} == names
    assert requests["serving_default"]["label_map"].shape == (1, 32, 64)


@pytest.mark.parametrize(("classes", "dtype"), [(256, np.uint8), (257, np.int32)])
def test_dtype_of_label_maps(classes, dtype):
    requests = warm_up.inputs(PLAIN.replace(num_classes=classes), LabelSpec(classes))
    assert requests["serving_default"]["label_map"].dtype == dtype


def test_files_hold_the_first_id_of_the_data_set():
    (file,) = warm_up.inputs(PLAIN, LabelSpec(5, first_id=7))["png"]["label_png"]
    assert np.unique(np.asarray(Image.open(io.BytesIO(file)))).tolist() == [7]
