"""The exported functions: names, shapes and dtypes, what they refuse, and that weights are stored once."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dagan_tf.config import LabelSpec
from dagan_tf.exports.signatures import Signatures
from dagan_tf.images import to_uint8
from dagan_tf.networks import FoldedGenerator
from tests.networks.helpers import SMALL, batch, trained

SHIFTED = LabelSpec(num_classes=3, first_id=5, unknown_id=200)


@pytest.fixture(scope="module")
def generator():
    return trained().folded()


@pytest.fixture(scope="module")
def saved(generator, tmp_path_factory):
    """A SavedModel with instance edges whose files have ids 5, 6 and 200, and its folder."""
    path = tmp_path_factory.mktemp("saved") / "model"
    Signatures(generator, SHIFTED).save(path)
    return path


@pytest.fixture(scope="module")
def signatures(saved):
    loaded = tf.saved_model.load(str(saved))
    return {name: loaded.signatures[name] for name in loaded.signatures}


@pytest.fixture
def inputs():
    data = batch()
    return {
        "label_map": tf.constant(data["label"], tf.uint8),
        "instance_map": tf.constant(data["instance"], tf.int32),
    }


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def files(inputs):
    """The same maps as files."""
    ids = np.array([5, 6, 200], np.uint8)[np.asarray(inputs["label_map"])]
    instances = np.asarray(inputs["instance_map"]).astype(np.uint16)
    return {"label_png": tf.constant(list(map(png, ids))), "instance_png": tf.constant(list(map(png, instances)))}


def described(function):
    specs = tf.nest.flatten(function.structured_input_signature)
    return {spec.name: (spec.shape.as_list(), spec.dtype) for spec in specs if spec is not None}


def test_inputs_and_outputs(signatures):
    size = [None, 32, 64]
    maps = {"label_map": (size, tf.uint8), "instance_map": (size, tf.int32)}
    names = {"label_png": ([None], tf.string), "instance_png": ([None], tf.string)}
    assert {name: described(function) for name, function in signatures.items()} == {
        "serving_default": maps,
        "attention": maps,
        "png": names,
    }
    outputs = {name: function.structured_outputs for name, function in signatures.items()}
    shapes = {n: {k: (s.shape.as_list(), s.dtype) for k, s in specs.items()} for n, specs in outputs.items()}
    image = {"image": ([*size, 3], tf.uint8)}
    gates = {"spatial_attention": ([*size, 1], tf.float32), "channel_weights": ([None, 2], tf.float32)}
    assert shapes["serving_default"] == image
    assert shapes["attention"] == image | gates
    assert {k: dtype for k, (_, dtype) in shapes["png"].items()} == {"image_bytes": tf.string}


def test_label_maps_of_many_classes_are_int32():
    many = FoldedGenerator(SMALL.replace(num_classes=257, use_instance_edges=False))
    functions = Signatures(many, LabelSpec(257)).functions()
    assert described(functions["serving_default"])["label_map"] == ([None, 32, 64], tf.int32)


@pytest.mark.parametrize("attention", ["none", "sam", "cam1"])
def test_attention_signature_has_what_the_model_has(attention):
    config = SMALL.replace(attention=attention, use_instance_edges=False)
    functions = Signatures(FoldedGenerator(config), LabelSpec(3)).functions()
    expected = {"none": None, "sam": {"image", "spatial_attention"}, "cam1": {"image", "channel_weights"}}[attention]
    assert (set(functions["attention"].structured_outputs) if "attention" in functions else None) == expected


def test_pictures(signatures, generator, inputs):
    expected = to_uint8(generator(batch()))
    assert expected.std() > 1
    image = signatures["serving_default"](**inputs)["image"].numpy()
    np.testing.assert_allclose(image.astype(int), expected, atol=1)
    for one in range(2):
        alone = signatures["serving_default"](**{k: v[one : one + 1] for k, v in inputs.items()})["image"]
        np.testing.assert_allclose(alone[0].numpy().astype(int), image[one], atol=1)


def test_png_pictures(signatures, inputs):
    expected = signatures["serving_default"](**inputs)["image"].numpy()
    pictures = signatures["png"](**files(inputs))["image_bytes"].numpy()
    for picture, image in zip(pictures, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture))), image)


def test_attention(signatures, generator, inputs):
    """The gates are those with which Eq. 4 and 9 give the attention's output, computed here in NumPy."""
    found = {name: np.asarray(value) for name, value in signatures["attention"](**inputs).items()}
    features = generator.features(batch())
    attention, last = generator.attention, np.asarray(features[-1])
    fused = np.asarray(attention.fusion(features))
    gated = last * found["spatial_attention"] + fused + last * found["channel_weights"][:, None, None, :]
    np.testing.assert_allclose(gated, attention(features), atol=1e-5)
    np.testing.assert_array_equal(found["image"], signatures["serving_default"](**inputs)["image"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("label_map", 77, r"label_map must hold the ids 0 to 2, of 3 classes.*\[77\]"),
        ("label_map", 3, r"\[3\]"),
        ("label_png", 8, r"label_png must hold the ids 5 to 6 and 200, of 3 classes.*\[8\]"),
        ("label_png", 4, r"\[4\]"),
    ],
)
def test_ids_that_are_no_class_are_named(signatures, inputs, name, value, message):
    signature = "png" if name == "label_png" else "serving_default"
    if signature == "png":
        inputs = files(inputs)
        ids = np.full((32, 64), 5, np.uint8)
        ids[3, 4] = value
        inputs[name] = tf.constant([inputs[name].numpy()[0], png(ids)])
    else:
        label = inputs[name].numpy()
        label[1, 3, 4] = value
        inputs[name] = tf.constant(label)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures[signature](**inputs)


def test_ids_of_many_classes_are_named():
    config = SMALL.replace(num_classes=257, use_instance_edges=False)
    function = Signatures(FoldedGenerator(config), LabelSpec(257)).functions()["serving_default"]
    label = np.zeros((1, 32, 64), np.int32)
    label[0, 1, 1:3] = -2, 300
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"257 classes.*\[-2 300\]"):
        function(label_map=tf.constant(label))


@pytest.mark.parametrize("signature", ["serving_default", "png"])
def test_an_empty_batch_is_refused(signatures, inputs, signature):
    inputs = files(inputs) if signature == "png" else inputs
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one"):
        signatures[signature](**{name: value[:0] for name, value in inputs.items()})


def test_maps_of_unequal_number_are_refused(signatures, inputs):
    inputs["instance_map"] = inputs["instance_map"][:1]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"as many maps as there are label maps,\] \[2\].*\[1\]"):
        signatures["serving_default"](**inputs)


def test_weights_are_stored_once(saved, generator):
    stored = tf.train.load_checkpoint(str(saved / "variables/variables"))
    shapes = [shape for name, shape in stored.get_variable_to_shape_map().items() if name.endswith("VARIABLE_VALUE")]
    assert sum(int(np.prod(shape)) for shape in shapes) == generator.count_params()
    # Not as constants in the graph, either.
    largest = max(int(np.prod(w.shape)) * 4 for w in generator.weights)
    from tensorflow.core.protobuf import saved_model_pb2

    graph = saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    constants = [len(node.attr["value"].tensor.tensor_content) for node in nodes if node.op == "Const"]
    assert max(constants) < largest / 2
