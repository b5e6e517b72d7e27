"""The discriminator against Table 3 of the paper, recorded shapes of the authors' network, and NumPy."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.layers import SpectralNormConv2D
from dagan_tf.networks import Discriminator
from dagan_tf.networks.discriminators.multiscale import PatchDiscriminator, downsample, instance_norm
from dagan_tf.presets import PRESETS
from dagan_tf.semantics import DenseLevel
from tests import golden
from tests.helpers import conv2d

RELEASE = {"facades": 5_554_306, "cityscapes": 5_601_410, "ade20k": 5_836_930, "celebamask_hq": 5_566_594}


@pytest.mark.parametrize("dataset", RELEASE)
def test_parameters(dataset):
    model = PRESETS[dataset].model
    smallest = 2**model.upsamplings
    network = Discriminator(model.replace(image_size=(smallest, smallest)), name="discriminator")
    assert sum(math.prod(variable.shape) for variable in network.trainable_variables) == RELEASE[dataset]


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (8, 5), (2, 1)])
def test_downsample_does_not_count_padded_cells(size):
    x = random(2, *size, 3)
    height, width = (math.ceil(length / 2) for length in size)
    expected = np.zeros((2, height, width, 3))
    for i in range(height):
        for j in range(width):
            window = x[:, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
            expected[:, i, j] = window.mean(axis=(1, 2))
    np.testing.assert_allclose(downsample(tf.constant(x)), expected, rtol=1e-5, atol=1e-6)


def test_downsample_keeps_a_constant_and_the_dtype():
    x = tf.ones((1, 6, 7, 2), "float16")
    result = downsample(x)
    assert result.dtype == "float16"
    np.testing.assert_allclose(result, np.ones((1, 3, 4, 2)), rtol=1e-3)


def test_instance_norm():
    x = 3 + 2 * random(3, 5, 4, 2)
    mean, variance = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        instance_norm(tf.constant(x)), (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-4, atol=1e-4
    )
    half = instance_norm(tf.constant(x, "float16"))
    assert half.dtype == "float16"
    np.testing.assert_allclose(half, (x - mean) / np.sqrt(variance + 1e-5), atol=0.02)


def config(**options):
    return ModelConfig(**{"num_classes": 13, "image_size": (64, 64), "discriminator_filters": 8, **options})


def inputs(config, batch=1):
    rng = np.random.default_rng(1)
    shape = (batch, *config.image_size)
    return {
        "label": tf.constant(rng.integers(config.num_classes, size=shape), "int32"),
        "instance": tf.constant(rng.integers(3, size=shape), "int32"),
        "image": tf.constant(rng.uniform(-1, 1, size=(*shape, 3)), "float32"),
    }


def test_feature_shapes_are_the_authors():
    recorded = golden.values()
    features = Discriminator(config(), name="discriminator")(inputs(config()))
    expected = [[recorded[f"disc_eval_{s}_{layer}"].shape for layer in range(5)] for s in range(2)]
    assert [[tuple(feature.shape) for feature in scale] for scale in features] == expected


def test_number_of_scales_and_oblong_images():
    three = config(num_discriminators=3, image_size=(32, 96))
    features = Discriminator(three, name="discriminator")(inputs(three))
    assert [tuple(scale[0].shape) for scale in features] == [(1, 17, 49, 8), (1, 9, 25, 8), (1, 5, 13, 8)]


@pytest.mark.parametrize(("filters", "widths"), [(64, [64, 128, 256, 512, 1]), (256, [256, 512, 512, 512, 1])])
def test_widths_double_up_to_512(filters, widths):
    network = PatchDiscriminator(filters, 1, name="scale")
    network.build((None, 8, 8, 3))
    kernels = [tuple(conv.kernel.shape) for conv in network.convs]
    assert kernels == [(4, 4, i, o) for i, o in zip([4, *widths], widths, strict=False)]


def test_layers_against_numpy():
    network = PatchDiscriminator(4, 2, name="scale")
    x = random(2, 16, 12, 5)
    inputs = x[..., 2:], DenseLevel(x[..., :2])
    network.build(x.shape)
    rng = np.random.default_rng(2)
    for variable in network.trainable_variables:
        variable.assign(0.3 * rng.normal(size=variable.shape))
    for _ in range(5):
        network(*inputs, training=True)
    expected = []
    for i, conv in enumerate(network.convs):
        spectral = i in (1, 2, 3)
        assert isinstance(conv, SpectralNormConv2D) == spectral
        assert (conv.bias is None) == spectral
        kernel, bias = (conv.normalized_kernel(), 0.0) if spectral else (conv.kernel, conv.bias)
        x = conv2d(x, kernel, bias, strides=2 if i < 3 else 1, padding=2)
        if spectral:
            x = (x - x.mean(axis=(1, 2), keepdims=True)) / np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5)
        x = np.where(x > 0, x, 0.2 * x) if i < 4 else x
        expected.append(x)
    for actual, wanted in zip(network(*inputs), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-3, atol=1e-3)


def test_reads_label_edges_and_image():
    with_edges = config(use_instance_edges=True)
    network = Discriminator(with_edges, name="discriminator")
    assert network.scales[0].convs[0].kernel.shape[2] == 13 + 1 + 3
    given = inputs(with_edges)
    scores = network(given)[0][-1]
    others = {"label": given["label"] * 0, "instance": given["instance"] * 0, "image": -given["image"]}
    for name, other in others.items():
        assert np.abs(network({**given, name: other})[0][-1] - scores).max() > 1e-6, name
    with pytest.raises(UserError, match="give a dictionary with 'label' and 'instance'"):
        network({"label": given["label"], "image": given["image"]})


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    network = Discriminator(config(), name="discriminator", dtype=policy)
    reference = Discriminator(config(), name="discriminator")
    network.set_weights(reference.get_weights())
    assert {variable.dtype for variable in network.variables} == {"float32"}
    for ours, theirs in zip(network(inputs(config())), reference(inputs(config())), strict=True):
        for feature, expected in zip(ours, theirs, strict=True):
            assert feature.dtype == network.compute_dtype
            scale = np.abs(expected).max()
            np.testing.assert_allclose(tf.cast(feature, "float32"), expected, atol=0.1 * scale)


def test_save_and_load(tmp_path):
    network = Discriminator(config(), name="discriminator")
    network.save(tmp_path / "discriminator.keras")
    loaded = keras.models.load_model(tmp_path / "discriminator.keras")
    assert loaded.config == config()
    np.testing.assert_allclose(loaded(inputs(config()))[1][-1], network(inputs(config()))[1][-1], atol=1e-6)


@pytest.mark.parametrize("semantics", ["dense", "patch_table"])
@pytest.mark.parametrize("classes", [3, 40], ids=["few classes", "many classes"])
def test_several_batches_of_images_of_the_same_maps(classes, semantics):
    """Reads each map once for all its images, as if the maps were repeated."""
    network = Discriminator(config(num_classes=classes, use_instance_edges=True), semantics, name="d")
    rng = np.random.default_rng(0)
    for variable in network.trainable_variables:
        variable.assign(0.3 * rng.normal(size=variable.shape))
    size = network.config.image_size
    maps = {"label": rng.integers(classes, size=(2, *size)), "instance": rng.integers(3, size=(2, *size))}
    image = random(4, *size, 3).astype("float32")
    repeated = {name: np.concatenate([array, array]) for name, array in maps.items()}
    dense = Discriminator(network.config, "dense", name="dense")
    dense.set_weights(network.get_weights())
    expected = keras.tree.flatten(dense({**repeated, "image": image}))
    for actual, wanted in zip(keras.tree.flatten(network({**maps, "image": image})), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-5 * np.abs(wanted).max())
