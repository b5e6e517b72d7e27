"""What every layer of the package promises, checked in the same way for each of them.

Independent truths: the numbers of parameters, written out from each layer's formula; the float32 result for the other
precisions; the eager result for `tf.function`; a fresh process, which knows `dagan_tf.layers` only, for saved models.
"""

import inspect
import json
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import dagan_tf.layers
from dagan_tf.layers import (
    SPADE,
    BatchNorm,
    ChannelAttention,
    DualAttention,
    FoldedConv2D,
    FoldedSPADE,
    FoldedSPADEResBlock,
    MultiScaleFusion,
    SemanticConv2D,
    SPADEResBlock,
    SpatialAttention,
    SpectralNormConv2D,
)
from dagan_tf.semantics import DenseLevel
from tests.helpers import run_python

BATCH = 2


def each(*tensors):
    return tensors


def as_list(*tensors):
    return (list(tensors),)


def with_level(x, one_hot):
    return x, DenseLevel(one_hot)


def of_level(one_hot, *image):
    return DenseLevel(one_hot), *image


class Case(NamedTuple):
    """A layer, what it is called with and what must come of it."""

    layer: type
    options: dict
    inputs: list
    """Shapes without the batch."""
    arguments: callable
    """Makes the call's arguments of tensors of these shapes."""
    output: tuple
    """Shape without the batch."""
    trainable: int
    """Parameters, as is the next."""
    non_trainable: int


PYRAMID = [(2, 3, 6), (4, 6, 5), (8, 12, 4)]
ATTENTION_PARAMETERS = {
    "none": 0,
    "sam": 3 * 3 * 2,
    "cam1": 67 + 56,
    "cam2": 67 + 56,
    "sam+cam1": 18 + 67 + 56,
    "sam+cam2": 18 + 67 + 56,
}
PLAIN_SPADE = {"semantic_channels": 3, "hidden_filters": 5}

CASES = {
    # 3*3*4 inputs to 6 filters and a bias each; u has an entry per filter, v one per input.
    "spectral_norm": Case(
        SpectralNormConv2D, {"filters": 6, "kernel_size": 3}, [(7, 5, 4)], each, (7, 5, 6), 216 + 6, 6 + 36
    ),
    "spectral_norm_discriminator": Case(
        SpectralNormConv2D,
        {"filters": 6, "kernel_size": 4, "strides": 2, "padding": 2, "use_bias": False, "kernel_initializer": "ones"},
        [(9, 8, 4)],
        each,
        (5, 5, 6),
        4 * 4 * 4 * 6,
        6 + 64,
    ),
    "batch_norm": Case(BatchNorm, {}, [(4, 6, 4)], each, (4, 6, 4), 0, 8),
    # 3x3: 3 -> 5, 5 -> 4, 5 -> 4, with biases; mean and variance of 4 channels.
    "spade": Case(SPADE, PLAIN_SPADE, [(4, 6, 4), (4, 6, 3)], with_level, (4, 6, 4), 140 + 184 + 184, 8),
    "spade_resized": Case(SPADE, PLAIN_SPADE, [(2, 3, 4), (4, 6, 3)], with_level, (4, 6, 4), 140 + 184 + 184, 8),
    # Two norms as above, two 3x3 convolutions 4 -> 4.
    "block_identity": Case(
        SPADEResBlock,
        {"filters": 4, **PLAIN_SPADE},
        [(4, 6, 4), (4, 6, 3)],
        with_level,
        (4, 6, 4),
        2 * 508 + 2 * 148,
        2 * 8 + 2 * (4 + 36),
    ),
    # Three norms, 3x3 4 -> 4, 3x3 4 -> 6, and 1x1 4 -> 6 without bias.
    "block_learned_shortcut": Case(
        SPADEResBlock,
        {"filters": 6, **PLAIN_SPADE},
        [(4, 6, 4), (4, 6, 3)],
        with_level,
        (4, 6, 6),
        3 * 508 + 148 + 222 + 24,
        3 * 8 + (4 + 36) + (6 + 36) + (6 + 4),
    ),
    "block_resized": Case(
        SPADEResBlock,
        {"filters": 3, **PLAIN_SPADE},
        [(2, 3, 4), (4, 6, 3)],
        with_level,
        (4, 6, 3),
        3 * 508 - 5 * 2 * 9 - 2 + 111 + 84 + 12,
        8 + 8 + 6 + (3 + 36) + (3 + 27) + (3 + 4),
    ),
    "folded_conv": Case(FoldedConv2D, {"filters": 6, "kernel_size": 3}, [(7, 5, 4)], each, (7, 5, 6), 216 + 6, 0),
    "folded_spade": Case(FoldedSPADE, PLAIN_SPADE, [(2, 3, 4), (4, 6, 3)], with_level, (4, 6, 4), 140 + 184 + 184, 0),
    "folded_block_identity": Case(
        FoldedSPADEResBlock,
        {"filters": 4, **PLAIN_SPADE},
        [(2, 3, 4), (4, 6, 3)],
        with_level,
        (4, 6, 4),
        2 * 508 + 2 * 148,
        0,
    ),
    "folded_block_learned_shortcut": Case(
        FoldedSPADEResBlock,
        {"filters": 6, **PLAIN_SPADE},
        [(4, 6, 4), (4, 6, 3)],
        with_level,
        (4, 6, 6),
        3 * 508 + 148 + 222 + 24,
        0,
    ),
    # 3x3 of 5 channels, and 4x4 of 5 + 3 channels at stride 2, to 6 filters.
    "semantic_conv": Case(
        SemanticConv2D,
        {"filters": 6, "kernel_size": 3, "semantic_channels": 5},
        [(7, 5, 5)],
        of_level,
        (7, 5, 6),
        270 + 6,
        0,
    ),
    "semantic_conv_same": Case(
        SemanticConv2D,
        {"filters": 6, "kernel_size": 3, "semantic_channels": 5, "image_channels": 3},
        [(9, 8, 5), (9, 8, 3)],
        of_level,
        (9, 8, 6),
        432 + 6,
        0,
    ),
    "semantic_conv_with_image": Case(
        SemanticConv2D,
        {"filters": 6, "kernel_size": 4, "semantic_channels": 5, "image_channels": 3, "strides": 2, "padding": 2},
        [(9, 8, 5), (9, 8, 3)],
        of_level,
        (5, 5, 6),
        768 + 6,
        0,
    ),
    "spatial_attention": Case(SpatialAttention, {}, [(4, 6, 4)], each, (4, 6, 4), 18, 0),
    "spatial_attention_7": Case(SpatialAttention, {"kernel_size": 7}, [(4, 6, 4)], each, (4, 6, 4), 98, 0),
    # 1x1: 6 -> 3, 5 -> 3, then 3 + 3 -> 4; "last" 3x3: 5 -> 4.
    "fusion_all": Case(
        MultiScaleFusion, {"levels": "all", "reduced_filters": 3}, PYRAMID, as_list, (8, 12, 4), 21 + 18 + 28, 0
    ),
    "fusion_last": Case(MultiScaleFusion, {"levels": "last"}, PYRAMID, as_list, (8, 12, 4), 184, 0),
    # 1x1: 8 -> 4, 4 -> 4.
    "channel_attention_1": Case(ChannelAttention, {"kind": 1}, [(4, 6, 4)] * 2, each, (4, 6, 4), 36 + 20, 0),
    "channel_attention_2": Case(ChannelAttention, {"kind": 2}, [(4, 6, 4)] * 2, each, (4, 6, 4), 36 + 20, 0),
    "dual_last": Case(DualAttention, {"cam_levels": "last"}, PYRAMID, as_list, (8, 12, 4), 18 + 184 + 56, 0),
    **{
        f"dual_{name}": Case(
            DualAttention, {"attention": name, "cam_filters": 3}, PYRAMID, as_list, (8, 12, 4), parameters, 0
        )
        for name, parameters in ATTENTION_PARAMETERS.items()
    },
}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


def arguments(case):
    """The call's arguments, random."""
    rng = np.random.default_rng(1)
    return case.arguments(*(tf.constant(rng.normal(size=(BATCH, *s)), "float32") for s in case.inputs))


def shapes(case, batch):
    return case.arguments(*((batch, *shape) for shape in case.inputs))


def trains(layer):
    return "training" in inspect.signature(layer.call).parameters


def make(case, **options):
    """The layer with weights of ordinary size: those that a layer starts with change a result hardly at all."""
    layer = case.layer(**case.options, **options)
    layer(*arguments(case))
    rng = np.random.default_rng(2)
    for variable in layer.trainable_variables:
        variable.assign(0.4 * rng.normal(size=variable.shape))
    for _ in range(8 if trains(layer) else 0):  # singular vectors and statistics of these weights
        layer(*arguments(case), training=True)
    return layer


def copy_weights(source, target, case):
    target(*arguments(case))
    for ours, theirs in zip(target.weights, source.weights, strict=True):
        ours.assign(theirs)


def call(layer, case, training):
    return layer(*arguments(case), training=training) if trains(layer) else layer(*arguments(case))


def size(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_every_public_layer_is_a_case():
    public = [getattr(dagan_tf.layers, name) for name in dagan_tf.layers.__all__]
    layers = {x for x in public if inspect.isclass(x) and issubclass(x, keras.layers.Layer)}
    assert {case.layer for case in CASES.values()} == layers


def test_config_round_trip(case):
    layer = case.layer(**case.options, name="mine", dtype="mixed_bfloat16")
    config = json.loads(json.dumps(layer.get_config()))
    assert {"name": "mine", **case.options}.items() <= {**config, **renamed(config, case)}.items()
    for copy in (
        case.layer.from_config(config),
        keras.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(layer)))),
    ):
        assert type(copy) is case.layer
        assert copy.get_config() == layer.get_config()
        assert copy.compute_dtype == "bfloat16"


def renamed(config, case):
    """Options that a configuration holds in another form than that in which they were given."""
    if case.options.get("kernel_initializer") == "ones":
        assert config["kernel_initializer"]["class_name"] == "Ones"
        return {"kernel_initializer": "ones"}
    return {}


def test_output_shape(case):
    layer = case.layer(**case.options)
    assert layer(*arguments(case)).shape == (BATCH, *case.output)
    assert layer.compute_output_shape(*shapes(case, BATCH)) == (BATCH, *case.output)
    assert layer.compute_output_shape(*shapes(case, None)) == (None, *case.output)
    symbolic = case.layer(**case.options)(*case.arguments(*(keras.Input(shape) for shape in case.inputs)))
    assert symbolic.shape == (None, *case.output)


def test_numbers_of_weights(case):
    layer = case.layer(**case.options)
    layer(*arguments(case))
    assert size(layer.trainable_variables) == case.trainable
    assert size(layer.non_trainable_variables) == case.non_trainable


def test_weights_exist_after_build_and_have_names_of_their_own(case):
    layer = case.layer(**case.options, name="mine")
    built = case.layer(**case.options, name="mine")
    layer(*arguments(case))
    built.build(*shapes(case, None)[: len(inspect.signature(case.layer.build).parameters) - 1])
    paths = [variable.path for variable in layer.variables]
    assert [variable.path for variable in built.variables] == paths
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("mine/") for path in paths)


@pytest.mark.parametrize("training", [False, True])
def test_gradient_reaches_every_weight(case, training):
    layer = make(case)
    weights = [variable.value for variable in layer.trainable_variables]
    target = np.random.default_rng(3).normal(size=(BATCH, *case.output)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call(layer, case, training) * target)
    for variable, gradient in zip(layer.trainable_variables, tape.gradient(loss, weights), strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        # In training, batch statistics take the bias of the convolution before them out again.
        assert training or np.abs(gradient).max() > 1e-6, variable.path


@pytest.mark.parametrize("training", [False, True])
def test_tf_function_equals_eager(case, training):
    layer = make(case)
    graph = case.layer(**case.options)
    copy_weights(layer, graph, case)
    compiled = tf.function(lambda: call(graph, case, training))
    np.testing.assert_allclose(compiled(), call(layer, case, training), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(graph.weights, layer.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=ours.path)


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-6), ("mixed_float16", 0.01), ("mixed_bfloat16", 0.06)]
)
def test_dtype_policies(case, policy, tolerance):
    reference = make(case)
    layer = case.layer(**case.options, dtype=policy)
    copy_weights(reference, layer, case)
    for variable in layer.variables:  # a folded layer's large kernels are stored as they are multiplied
        large = variable.name in ("kernel", "scale_kernel", "shift_kernel")
        folded = case.layer.__name__.startswith("Folded")
        assert variable.dtype == (layer.compute_dtype if large and folded else "float32"), variable.path
    for training in (False, True):
        expected, output = call(reference, case, training), call(layer, case, training)
        assert keras.backend.standardize_dtype(output.dtype) == keras.DTypePolicy(policy).compute_dtype
        scale = np.abs(expected).max()
        np.testing.assert_allclose(tf.cast(output, "float32"), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_spectral_norm_is_float32_inside_half_precision(policy):
    case = CASES["spectral_norm"]
    reference = make(case)
    layer = case.layer(**case.options, dtype=policy)
    copy_weights(reference, layer, case)
    output = call(layer, case, training=True)
    call(reference, case, training=True)
    np.testing.assert_array_equal(layer.u, reference.u)
    np.testing.assert_array_equal(layer.v, reference.v)
    assert keras.backend.standardize_dtype(layer.normalized_kernel().dtype) == "float32"
    # Bit for bit: a sigma or a quotient in half precision would round differently.
    x, kernel, bias = (
        ops.cast(value, layer.compute_dtype) for value in (*arguments(case), reference.normalized_kernel(), layer.bias)
    )
    np.testing.assert_array_equal(output, ops.conv(x, kernel, padding="same") + bias)


LOAD = """
import json, sys
import keras, numpy as np
import dagan_tf.layers

folder = sys.argv[1]
outputs, paths = {}, {}
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{folder}/{name}.keras")
    with np.load(f"{folder}/{name}.npz") as inputs:
        outputs[name] = keras.ops.convert_to_numpy(model([inputs[key] for key in inputs.files]))
    paths[name] = [variable.path for variable in model.variables]
np.savez(f"{folder}/outputs.npz", **outputs)
print(json.dumps(paths))
"""


def saved_model(case, folder, name):
    """A functional model around the layer, saved: `(inputs, output, paths of its weights)`."""
    inputs = [keras.Input(shape) for shape in case.inputs]
    layer = make(case)
    model = keras.Model(inputs, layer(*case.arguments(*inputs)))
    rng = np.random.default_rng(4)
    values = [rng.normal(size=(BATCH, *shape)).astype("float32") for shape in case.inputs]
    model.save(folder / f"{name}.keras")
    np.savez(folder / f"{name}.npz", *values)
    return model(values), [variable.path for variable in model.variables]


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """For every case what its model computed before it was saved and after it was loaded in a fresh process."""
    folder = tmp_path_factory.mktemp("models")
    before = {name: saved_model(case, folder, name) for name, case in CASES.items()}
    paths = json.loads(run_python(LOAD, folder, *CASES).splitlines()[-1])
    with np.load(folder / "outputs.npz") as outputs:
        return {name: (before[name], (outputs[name], paths[name])) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_saved_model_is_the_same_in_a_fresh_process(reloaded, name):
    (expected, expected_paths), (output, paths) = reloaded[name]
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6)
    assert paths == expected_paths
