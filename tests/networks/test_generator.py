"""The generator against Table 3 of the paper, the authors' layout and initialisation.

Table 3 gives parameters in millions; the exact counts are those of the authors' networks, which it rounds. They do
not depend on the image size, so the networks of full width are built at the smallest size that their depth permits.
"""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import ATTENTIONS, SEMANTICS, ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.networks import Generator
from dagan_tf.presets import PRESETS

RELEASE = {"facades": 92_445_333, "cityscapes": 93_134_229, "ade20k": 96_578_709, "celebamask_hq": 92_625_045}
GAUGAN = {"facades": 92_359_107, "cityscapes": 93_048_003, "ade20k": 96_492_483, "celebamask_hq": 92_538_819}
# Per level of channels c: c * 16 + 16; their fusion: 96 * 64 + 64. The 3x3 convolution of the authors' code: 128 -> 64.
FUSION_ALL = (1024 + 1024 + 1024 + 512 + 256 + 128) * 16 + 6 * 16 + 96 * 64 + 64
FUSION_LAST = 9 * 128 * 64 + 64


def parameters(variables):
    return sum(math.prod(variable.shape) for variable in variables)


@functools.cache
def counts(dataset, attention="sam+cam2", cam_levels="last"):
    """Trainable parameters of the full-width generator: in all, and in its attention."""
    model = PRESETS[dataset].model
    smallest = 2**model.upsamplings
    network = Generator(
        model.replace(image_size=(smallest, smallest), attention=attention, cam_levels=cam_levels), name="generator"
    )
    return parameters(network.trainable_variables), parameters(network.attention.trainable_variables)


@pytest.mark.parametrize("dataset", RELEASE)
def test_parameters_of_the_authors_code(dataset):
    assert counts(dataset)[0] == RELEASE[dataset]


@pytest.mark.parametrize("dataset", GAUGAN)
def test_parameters_without_attention(dataset):
    total, attention = counts(dataset)
    assert total - attention == GAUGAN[dataset]


def test_parameters_of_a_network_built_without_attention():
    assert counts("facades", attention="none") == (GAUGAN["facades"], 0)


def test_parameters_with_every_level_fused():
    """The paper's Eq. 5 with 16 channels a level is 4000 parameters smaller than the authors' one level.

    In millions that is the same number with one decimal for all four datasets; with two decimals it is the same for
    Cityscapes only.
    """
    assert counts("facades", cam_levels="all")[0] == RELEASE["facades"] - 4000 == 92_441_333
    assert FUSION_ALL - FUSION_LAST == -4000
    same = {
        digits: {name for name, n in RELEASE.items() if round(n / 1e6, digits) == round((n - 4000) / 1e6, digits)}
        for digits in (1, 2)
    }
    assert same == {1: set(RELEASE), 2: {"cityscapes"}}


def small(**options):
    defaults = {"num_classes": 4, "image_size": (32, 32), "base_filters": 4, "spade_filters": 6, "cam_filters": 3}
    return ModelConfig(**{**defaults, **options})


def inputs(config, batch=2):
    rng = np.random.default_rng(0)
    shape = (batch, *config.image_size)
    return {
        "label": tf.constant(rng.integers(config.num_classes, size=shape), "int32"),
        "instance": tf.constant(rng.integers(3, size=shape), "int32"),
    }


def enlarge(network, scale=30.0):
    """Kernels of ordinary size: with those that a network starts with, every image is grey."""
    for variable in network.trainable_variables:
        if variable.path.endswith("kernel"):
            variable.assign(scale * variable)
    return network


@functools.cache
def shared():
    """One network for the tests that leave its weights as they are."""
    return enlarge(Generator(small(), name="generator"), 10.0)


LAYOUTS = {
    # Size over output size and filters over base filters, block by block, as in the authors' code.
    "normal": [(32, 16), (16, 16), (16, 16), (8, 8), (4, 4), (2, 2), (1, 1)],
    "more": [(64, 16), (32, 16), (16, 16), (8, 8), (4, 4), (2, 2), (1, 1)],
    "most": [(128, 16), (64, 16), (32, 16), (16, 8), (8, 4), (4, 2), (2, 1), (1, 0.5)],
}


@pytest.mark.parametrize("depth", LAYOUTS)
def test_layout(depth):
    factor = LAYOUTS[depth][0][0]
    config = small(depth=depth, image_size=(factor, 2 * factor))
    network = Generator(config, name="generator")
    features = network.features(inputs(config, batch=1))
    expected = [(1, factor // f, 2 * factor // f, int(4 * width)) for f, width in LAYOUTS[depth]]
    assert [tuple(feature.shape) for feature in features] == expected
    names = ["head_0", "middle_0", "middle_1", "up_0", "up_1", "up_2", "up_3", "up_4"]
    assert [block.name for block in network.backbone.blocks] == names[: len(expected)]
    assert network.to_image(features).shape == (1, factor, 2 * factor, 3)


def assert_image(image, config, batch=2):
    assert image.shape == (batch, *config.image_size, 3)
    assert image.dtype == "float32"
    assert np.isfinite(image).all()
    assert -1 <= np.min(image) < np.max(image) <= 1


@pytest.mark.parametrize(
    ("attention", "cam_levels"), [*((attention, "all") for attention in ATTENTIONS), ("sam+cam2", "last")]
)
def test_image_of_every_attention_variant(attention, cam_levels):
    config = small(attention=attention, cam_levels=cam_levels, image_size=(64, 32))
    network = enlarge(Generator(config, name="generator"))
    image = network(inputs(config))
    assert_image(image, config)
    assert np.std(image) > 0.01


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    reference = shared()
    config = reference.config
    network = Generator(config, name="generator", dtype=policy)
    network.set_weights(reference.get_weights())
    assert {variable.dtype for variable in network.variables} == {"float32"}
    assert {feature.dtype.name for feature in network.features(inputs(config))} == {network.compute_dtype}
    image = network(inputs(config))
    assert_image(image, config)
    np.testing.assert_allclose(image, reference(inputs(config)), atol=0.05)
    assert_image(network(inputs(config), training=True), config)


def test_base_filters_need_not_be_even():
    config = small(base_filters=3)
    assert_image(Generator(config, name="generator")(inputs(config)), config)


def test_instance_edges():
    config = small(use_instance_edges=True)
    network = enlarge(Generator(config, name="generator"))
    assert tuple(network.backbone.fc.kernel.shape) == (3, 3, 5, 64)
    given = inputs(config)
    image = network(given)
    assert_image(image, config)
    one_instance = {**given, "instance": tf.zeros_like(given["instance"])}
    assert np.abs(network(one_instance) - image).max() > 1e-3
    renamed = {**given, "instance": given["instance"] * 1000 + 7}  # other ids, the same borders
    np.testing.assert_array_equal(network(renamed), image)
    with pytest.raises(UserError, match="give a dictionary with 'label' and 'instance'"):
        network({"label": given["label"]})


def gradients(network, given, cotangent):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(given, training=True) * cotangent)
    return [gradient.numpy() for gradient in tape.gradient(loss, network.trainable_variables)]


@pytest.mark.parametrize("side", [8, 1])
def test_the_patch_table_makes_the_dense_pictures_and_gradients(side):
    """All levels together, with instance edges, for maps of blocks of 8x8 pixels and for noise."""
    config = small(num_classes=40, use_instance_edges=True, image_size=(64, 32))
    keras.utils.set_random_seed(0)
    networks = {kind: Generator(config, kind, name="generator") for kind in SEMANTICS}
    weights = enlarge(networks["dense"]).get_weights()
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, size=(2, 64 // side, 32 // side)).astype("int32")
    label = np.kron(coarse, np.ones((1, side, side), "int32"))
    given = {"label": tf.constant(label), "instance": tf.constant(label // 3)}
    cotangent = tf.constant(rng.normal(size=(2, 64, 32, 3)), "float32")
    pictures, slopes = {}, {}
    for kind, network in networks.items():
        network.set_weights(weights)
        pictures[kind] = network(given).numpy()
        slopes[kind] = gradients(network, given, cotangent)
    assert_image(pictures["dense"], config)
    assert pictures["dense"].std() > 0.01
    largest = max(np.abs(slope).max() for slope in slopes["dense"])
    for kind in ("patch_table", "auto"):
        assert np.abs(pictures[kind] - pictures["dense"]).max() < 1e-5 * np.abs(pictures["dense"]).max()
        for slope, expected in zip(slopes[kind], slopes["dense"], strict=True):
            # Sums that cancel, as of a bias before a normalisation, have the rounding errors of their terms.
            assert np.abs(slope - expected).max() < 1e-4 * np.abs(expected).max() + 1e-5 * largest


def test_label_map_of_another_size():
    with pytest.raises(UserError, match=r"\(B, 32, 32\).*\(2, 64, 64\)"):
        shared()({"label": tf.zeros((2, 64, 64), "int32")})


@pytest.mark.parametrize("training", [False, True])
def test_label_map_of_unknown_size(training):
    traced = tf.function(lambda label: shared()({"label": label}, training=training))
    with pytest.raises(Exception, match="known height and width"):
        traced.get_concrete_function(tf.TensorSpec((None, None, None), "int32"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": (33, 64)}, "multiple of 32.*33x64.*nearest that fits is 32x64"),
        ({"image_size": (256, 300)}, "multiple of 32.*256x300.*nearest that fits is 256x288"),
        (
            {"image_size": 100, "depth": "more"},
            "multiple of 64.*100x100 .height x width.; the nearest that fits is 128x128",
        ),
        (
            {"image_size": (8, 128), "depth": "most"},
            "multiple of 128.*8x128 .height x width.; the nearest that fits is 128x128",
        ),
        ({"image_size": (32,)}, r"\(height, width\).*\(32,\)"),
        ({"image_size": (32, 0)}, r"above 0.*\(32, 0\)"),
        ({"depth": "deep"}, "`depth` must be one of 'normal', 'more', 'most'. Received: 'deep'"),
        ({"attention": "cam"}, "`attention` must be one of .*'cam2'.* Received: 'cam'"),
        ({"cam_levels": "first"}, "`cam_levels` must be one of 'all', 'last'. Received: 'first'"),
        ({"num_classes": 0}, "`num_classes` must be a whole number of at least 1. Received: 0"),
        ({"base_filters": 2.5}, "`base_filters` must be a whole number of at least 1. Received: 2.5"),
    ],
)
def test_configuration_errors(options, message):
    with pytest.raises(UserError, match=message):
        small(**options)


def test_save_and_load(tmp_path):
    config = small(use_instance_edges=True, image_size=(32, 64), attention="cam1")
    network = enlarge(Generator(config, name="generator"))
    network.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    assert loaded.config == config
    np.testing.assert_allclose(loaded(inputs(config)), network(inputs(config)), atol=1e-6)


@functools.cache
def untouched():
    """A network as it is made, wide enough for statistics of its kernels."""
    keras.utils.set_random_seed(0)
    return Generator(small(base_filters=8, spade_filters=64, num_classes=13), name="generator")


def test_initialisation():
    """Xavier normal with gain 0.02: a deviation of 0.02 * sqrt(2 / (fan in + fan out)) for each kernel by itself."""
    network = untouched()
    block, attention = network.backbone.blocks[3], network.attention  # up_0: 128 -> 64
    kernels = [  # size, inputs, outputs
        (network.backbone.fc.kernel, (3, 13, 128)),
        (block.conv_0.kernel, (3, 128, 64)),
        (block.conv_s.kernel, (1, 128, 64)),
        (block.norm_0.shared_kernel, (3, 13, 64)),
        (block.norm_0.gamma_kernel, (3, 64, 128)),
        (block.norm_0.beta_kernel, (3, 64, 128)),
        (network.conv_img.kernel, (3, 8, 3)),
        (attention.fusion.reduce[0].kernel, (1, 128, 3)),
        (attention.cam.squeeze.kernel, (1, 16, 8)),
    ]
    for kernel, (size, fan_in, fan_out) in kernels:
        assert tuple(kernel.shape) == (size, size, fan_in, fan_out)
        expected = 0.02 * math.sqrt(2 / (size * size * (fan_in + fan_out)))
        values = kernel.numpy()
        # Four standard errors of a deviation (and of a mean) estimated from that many values.
        assert np.std(values) == pytest.approx(expected, rel=4 / math.sqrt(2 * values.size)), kernel.path
        assert abs(np.mean(values)) < 4 * expected / math.sqrt(values.size), kernel.path
        if values.size > 10_000:  # not truncated: a few values lie beyond three deviations
            assert 0.001 < np.mean(np.abs(values) > 3 * expected) < 0.005, kernel.path


def test_biases_start_at_zero_and_running_statistics_at_the_standard_normal():
    network = untouched()
    biases = [variable for variable in network.variables if variable.path.endswith("bias")]
    assert len(biases) > 50
    assert not any(np.any(variable.numpy()) for variable in biases)
    for variable in network.non_trainable_variables:
        if variable.name in ("moving_mean", "moving_variance"):
            np.testing.assert_array_equal(variable, np.full(variable.shape, variable.name == "moving_variance"))
