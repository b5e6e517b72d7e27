"""One exported model in every engine: Keras, SavedModel loaders, the C API, OpenVINO, TFLite and the server agree.

Engines share no code of this package: the loaders run in processes that cannot import it.
"""

import base64
import importlib.util
import io
import json
import pathlib
import subprocess
import sys

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, prediction_service_pb2_grpc

from dagan_tf.exports import quality, tflite, version
from dagan_tf.exports.signatures import Signatures
from dagan_tf.images import to_uint8
from dagan_tf.networks.generator import Generator
from dagan_tf.presets import facades
from tests import golden
from tests.helpers import ROOT, run_python
from tests.server.helpers import WAIT, serving

pytestmark = pytest.mark.long

C_API = pathlib.Path(__file__).with_name("c_api.py")
WITHOUT_THE_PACKAGE = """
import sys
sys.modules["dagan_tf"] = sys.modules["keras"] = None  # importing them raises
import numpy as np
import tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
label_map = np.load(inputs)["label_map"]
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    signature = tf.compat.v1.saved_model.load(session, ["serve"], folder).signature_def["serving_default"]
    v1 = session.run(signature.outputs["image"].name, {signature.inputs["label_map"].name: label_map})
v2 = tf.saved_model.load(folder).signatures["serving_default"](label_map=tf.constant(label_map))["image"]
np.savez(outputs, v1=v1, v2=v2)
"""


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


def test_saved_model_where_the_package_cannot_be_imported(model, inputs, tmp_path):
    """With the loader of TensorFlow 2, and in a session of TensorFlow 1."""
    run_python(WITHOUT_THE_PACKAGE, model.version, inputs, tmp_path / "outputs.npz")
    with np.load(tmp_path / "outputs.npz") as outputs:
        for loader in ("v1", "v2"):
            assert_agrees(outputs[loader], model.image)


def c_api(version_folder, inputs, outputs):
    """Runs `serving_default` with the C API in a process of its own."""
    saved = saved_model_pb2.SavedModel.FromString((version_folder / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    names = {
        "inputs": {name: info.name for name, info in signature.inputs.items()},
        "outputs": {name: info.name for name, info in signature.outputs.items()},
    }
    libraries = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
    command = [sys.executable, C_API, libraries, version_folder, inputs, outputs, json.dumps(names)]
    return subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=300, check=False)


def test_c_api(model, inputs, tmp_path):
    done = c_api(model.version, inputs, tmp_path / "outputs.npz")
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert_agrees(outputs["image"], model.image)


def test_half_precision(golden_model, tmp_path):
    """bfloat16 with the patch table in the loaders of TensorFlow 1 and 2 and the C API."""
    Signatures(golden_model.generator.folded("bfloat16"), facades.LABELS).save(tmp_path / "half")
    np.savez(tmp_path / "inputs.npz", label_map=golden_model.label)
    run_python(WITHOUT_THE_PACKAGE, tmp_path / "half", tmp_path / "inputs.npz", tmp_path / "python.npz")
    done = c_api(tmp_path / "half", tmp_path / "inputs.npz", tmp_path / "c.npz")
    assert done.returncode == 0, done.stderr[-2000:]
    for file, name in (("python", "v1"), ("python", "v2"), ("c", "image")):
        with np.load(tmp_path / f"{file}.npz") as outputs:
            assert 35 < quality.psnr(outputs[name], golden_model.image) < 80  # a picture, but not that of float32


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 64, 1), (1, 32, 64), (1, 128, 128), (1, 64, 64, 1)])
def test_the_graph_itself_refuses_other_sizes(golden_model, tmp_path, shape):
    """The C API checks no shapes, and small ones would broadcast to a picture."""
    np.savez(tmp_path / "inputs.npz", label_map=np.zeros(shape, np.uint8))
    done = c_api(golden_model.version, tmp_path / "inputs.npz", tmp_path / "outputs.npz")
    assert done.returncode == 1
    assert "code 3: " in done.stderr  # INVALID_ARGUMENT
    assert "is not compatible with expected shape [?,64,64]" in done.stderr


def test_openvino(model, tmp_path):
    """Of an export with dense semantics: it has not all operators of the patch table."""
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    Signatures(model.generator.folded(semantics="dense"), facades.LABELS).save(tmp_path / "dense")
    # OpenVINO computes in bfloat16 by default on processors that have it.
    compiled = core.compile_model(core.read_model(tmp_path / "dense"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert_agrees(compiled({"label_map": model.label})["image"], model.image)


def test_tflite(model):
    (_, content), *_ = tflite.convert(model.generator.folded(semantics="dense"), ["float32"])
    image, _ = tflite.generate(content, {"label": model.label})
    assert_agrees(image, model.image)


def test_golden_pictures_are_the_authors(golden_model):
    values = golden.values()
    generator = golden_model.generator.folded()
    assert np.abs(np.asarray(generator({"label": values["label"]})) - values["image_eval"]).max() < 1e-4
    image = tf.saved_model.load(str(golden_model.version)).signatures["serving_default"](label_map=values["label"])
    assert_agrees(image["image"].numpy(), to_uint8(values["image_eval"]))


@pytest.fixture
def client(model):
    """Asks a running server of the model."""
    with serving(model.models, name="served") as running:
        running.client.name = "served"
        yield running.client


def files(label):
    """Label maps as palette files, as data sets have them."""
    return [encode_palette(ids) for ids in label]


def encode_palette(ids):
    image = Image.fromarray(ids).convert("P")
    image.putdata(ids.ravel().tolist())
    image.putpalette([value for colour in facades.LABELS.palette for value in colour])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pictures(contents):
    return np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in contents])


def test_grpc(model, client):
    assert_agrees(client.predict(inputs={"label_map": model.label})["image"], model.image)
    answer = client.predict("png", {"label_png": np.array(files(model.label), object)})
    assert_agrees(pictures(answer["image_bytes"]), model.image)
    attention = client.predict("attention", {"label_map": model.label})
    assert_agrees(attention["image"], model.image)
    assert set(attention) == {"image", "spatial_attention", "channel_weights"}
    for gate in (attention["spatial_attention"], attention["channel_weights"]):
        assert (gate > 0).all()
        assert (gate < 1).all()


def test_rest(model, client):
    status, answer = client.post({"instances": model.label.tolist()})
    assert status == 200
    assert_agrees(np.array(answer["predictions"]).astype(np.uint8), model.image)
    rows = [{"b64": base64.b64encode(content).decode()} for content in files(model.label)]
    for body, key in (({"instances": rows}, "predictions"), ({"inputs": {"label_png": rows}}, "outputs")):
        status, answer = client.post({"signature_name": "png", **body})
        assert status == 200
        assert_agrees(pictures([base64.b64decode(item["b64"]) for item in answer[key]]), model.image)


def ask_client(client, name, labels, output):
    """Runs serving/client.py as operators do."""
    command = [sys.executable, ROOT / "serving/client.py", "--server", f"127.0.0.1:{client.grpc_port}", "--model", name]
    command += ["--label", labels, "--output", output]
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_deployed_client(model, client, tmp_path):
    (tmp_path / "labels").mkdir()
    for i, content in enumerate(files(model.label)):
        (tmp_path / f"labels/{i}.png").write_bytes(content)
    ask_client(client, "served", tmp_path / "labels", tmp_path / "pictures")
    made = [(tmp_path / f"pictures/{i}.png").read_bytes() for i in range(len(model.label))]
    assert_agrees(pictures(made), model.image)


def test_refusals_have_the_right_code_over_the_wire(model, client):
    label = model.label.copy()
    label[0, 1, 2] = 13
    code, message = client.refused(inputs={"label_map": label})
    assert (code, "13" in message, "\n" in message) == (grpc.StatusCode.INVALID_ARGUMENT, True, False)
    status, answer = client.post({"instances": label.tolist()})
    assert (status, "13" in answer["error"]) == (400, True)
    for content in (
        encode_palette(label[0, :, ::2]),
        encode_palette(label[0]),
        files(model.label)[0][:-40],
        b"\xff\xd8",
    ):
        code, message = client.refused("png", {"label_png": np.array([content], object)})
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "label_png" in message or "PNG" in message
    assert_agrees(client.predict(inputs={"label_map": model.label})["image"], model.image)  # it goes on serving


def test_metadata_and_warm_up(model, client):
    found = get_model_metadata_pb2.SignatureDefMap()
    client.metadata().metadata["signature_def"].Unpack(found)
    assert set(found.signature_def) == {"serving_default", "png", "attention"}
    assert client.states() == {1: "AVAILABLE"}


def test_pictures_of_1024(tmp_path):
    """Through gRPC with the deployed client and with a client of default limits (4 MB), and through REST."""
    config = facades.MODEL.replace(image_size=(1024, 1024), base_filters=2, spade_filters=4, cam_filters=2)
    keras.utils.set_random_seed(0)
    generator = Generator(config).folded()
    generator.conv_img.set_weights([3000 * weight + 0.1 for weight in generator.conv_img.get_weights()])  # not grey
    with version.new_version(tmp_path / "large") as new:
        version.write(generator, facades.LABELS, new.path, {"name": "large"})
    label = np.kron(np.random.default_rng(0).integers(13, size=(1, 16, 16)), np.ones((1, 64, 64), int)).astype(np.uint8)
    expected = to_uint8(generator({"label": label}))
    (tmp_path / "label.png").write_bytes(encode_palette(label[0]))
    with serving(tmp_path / "large") as running:
        status, answer = running.client.post({"instances": label.tolist()})
        assert status == 200
        assert_agrees(np.array(answer["predictions"]).astype(np.uint8), expected)
        with grpc.insecure_channel(f"127.0.0.1:{running.client.grpc_port}") as channel:
            request = running.client.request(inputs={"label_map": label})
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=WAIT)
            assert_agrees(tf.make_ndarray(answer.outputs["image"]), expected)
        ask_client(running.client, "large", tmp_path / "label.png", tmp_path / "picture.png")
    assert_agrees(pictures([(tmp_path / "picture.png").read_bytes()]), expected)
