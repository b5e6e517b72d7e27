"""Keras' own method `export`: what it writes is what the command writes; other formats draw the same pictures."""

import json

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.errors import UserError
from dagan_tf.exports.version import CARD, EXTRA
from dagan_tf.images import to_uint8
from dagan_tf.labels import LabelSpec
from dagan_tf.training.dagan import DAGAN
from tests.networks.helpers import SMALL, batch, trained


def pictures(folder, data):
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    names = {"label": ("label_map", tf.uint8), "instance": ("instance_map", tf.int32)}
    return signature(**{names[k][0]: tf.constant(data[k], names[k][1]) for k in data})["image"].numpy()


def test_a_generator_as_the_command_writes_it(written, tmp_path):
    trained().export(tmp_path / "mine")
    files = [{str(p.relative_to(f)) for p in f.rglob("*")} for f in (written, tmp_path / "mine")]
    assert files[0] == files[1]
    assert np.abs(pictures(tmp_path / "mine", batch()).astype(int) - to_uint8(trained()(batch()))).max() <= 1
    card = json.loads((tmp_path / "mine" / EXTRA / CARD).read_text())
    assert (card["name"], card["step"], card["weights"]) == ("mine", None, "generator")


def test_a_model_exports_its_average(tmp_path):
    model = DAGAN(SMALL, ema=0.9)
    model.ema_generator.set_weights(trained().get_weights())
    labels = LabelSpec(3, class_names=("sky", "wall", "door"))
    model.export(tmp_path / "mine", labels=labels)
    card = json.loads((tmp_path / "mine" / EXTRA / CARD).read_text())
    assert (card["step"], card["weights"], card["classes"][2]["name"]) == (0, "moving average", "door")
    assert np.abs(pictures(tmp_path / "mine", batch()).astype(int) - to_uint8(trained()(batch()))).max() <= 1


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written: .* Give another path"):
        trained().export(tmp_path / "file/mine")


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # Keras' own bridge to NumPy 2
def test_onnx(tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    trained().export(tmp_path / "mine.onnx", format="onnx")
    session = runtime.InferenceSession(str(tmp_path / "mine.onnx"))
    data = {name: maps.astype("int32") for name, maps in batch().items()}
    (image,) = session.run(None, {node.name: data[node.name] for node in session.get_inputs()})
    np.testing.assert_allclose(image, trained()(batch()), atol=1e-4)


def test_a_patch_table_has_no_other_format(tmp_path):
    with pytest.raises(UserError, match=r"no operators for a patch table.*folded\(semantics='dense'\)"):
        trained().folded(semantics="auto").export(tmp_path / "mine.onnx", format="onnx")
    assert not list(tmp_path.iterdir())


def test_what_it_does_not_write(tmp_path):
    with pytest.raises(UserError, match=r"`format` must be one of 'tf_saved_model', 'onnx'. Received: 'litert'"):
        trained().export(tmp_path / "mine.tflite", format="litert")
    with pytest.raises(UserError, match=r"Received: input_signature. Leave them out"):
        trained().export(tmp_path / "mine", input_signature=[])
    assert not list(tmp_path.iterdir())


def test_tflite_s_own_converter_is_answered():
    converter = tf.lite.TFLiteConverter.from_keras_model(trained())
    with pytest.raises(UserError, match=r"^TFLite's from_keras_model cannot read a Generator. Give `dagan_tf.exports"):
        converter.convert()
