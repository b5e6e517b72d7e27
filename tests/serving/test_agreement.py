"""One exported model in every engine: Keras, SavedModel loaders, the C API, OpenVINO, TFLite and the server agree.

Engines share no code of this package: the loaders run in processes that cannot import it.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from dagan_tf.data.render import to_uint8
from dagan_tf.networks.folding import fold
from dagan_tf.serving import tflite
from tests import golden
from tests.conftest import run_python

C_API = pathlib.Path(__file__).with_name("c_api.py")
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["dagan_tf"] = sys.modules["keras"] = None  # importing them raises
import numpy as np
import tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
label_map = np.load(inputs)["label_map"]
"""
LOAD = (
    WITHOUT_THE_PACKAGE
    + """
image = tf.saved_model.load(folder).signatures["serving_default"](label_map=tf.constant(label_map))["image"]
np.savez(outputs, image=image)
"""
)
LOAD_V1 = (
    WITHOUT_THE_PACKAGE
    + """
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    signature = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def["serving_default"]
    image = session.run(signature.outputs["image"].name, {signature.inputs["label_map"].name: label_map})
np.savez(outputs, image=image)
"""
)


def assert_agrees(image, expected):
    """At most 1 of 255 apart, below 0.01 on average; and the pictures are pictures."""
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    assert expected.std() > 1
    difference = np.abs(image.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


@pytest.fixture
def inputs(model, tmp_path):
    np.savez(tmp_path / "inputs.npz", label_map=model.label)
    return tmp_path / "inputs.npz"


@pytest.mark.parametrize("script", [LOAD, LOAD_V1], ids=["saved_model.load", "v1 session"])
def test_saved_model_where_the_package_cannot_be_imported(model, inputs, tmp_path, script):
    run_python(script, model.version, inputs, tmp_path / "outputs.npz")
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert_agrees(outputs["image"], model.image)


def test_c_api(model, inputs, tmp_path):
    saved = saved_model_pb2.SavedModel.FromString((model.version / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    names = {
        "inputs": {name: info.name for name, info in signature.inputs.items()},
        "outputs": {name: info.name for name, info in signature.outputs.items()},
    }
    libraries = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
    arguments = [libraries, model.version, inputs, tmp_path / "outputs.npz", json.dumps(names)]
    command = [sys.executable, C_API, *arguments]
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert_agrees(outputs["image"], model.image)


def test_openvino(model):
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    # OpenVINO computes in bfloat16 by default on processors that have it.
    compiled = core.compile_model(core.read_model(model.version), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert_agrees(compiled({"label_map": model.label})["image"], model.image)


def test_tflite(model):
    (_, content), *_ = tflite.convert(fold(model.generator), ["float32"])
    image, _ = tflite.generate(content, {"label": model.label})
    assert_agrees(image, model.image)


def test_golden_pictures_are_the_releases(golden_model):
    values = golden.values()
    generator = fold(golden_model.generator)
    assert np.abs(np.asarray(generator({"label": values["label"]})) - values["image_eval"]).max() < 1e-4
    image = tf.saved_model.load(str(golden_model.version)).signatures["serving_default"](label_map=values["label"])
    assert_agrees(image["image"].numpy(), to_uint8(values["image_eval"]))
