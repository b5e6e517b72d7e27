"""Folding: the same pictures without u, v, sigma and running statistics, at any size, in half precision."""

import keras
import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.networks.generator import FoldedGenerator, Generator
from dagan_tf.semantics import Semantics
from tests.networks.helpers import SMALL, batch, trained

ATOL = 1e-4
"""Statistics inside kernels change the order of sums."""


@pytest.fixture
def generator():
    return trained()


def test_pictures_stay(generator):
    image = np.asarray(generator(batch()))
    np.testing.assert_allclose(generator.folded()(batch()), image, atol=ATOL)
    assert image.std() > 0.01


def test_kernels_are_divided_by_sigma(generator):
    folded = generator.folded()
    for block, other in zip(generator.backbone.blocks, folded.backbone.blocks, strict=True):
        for name in ("conv_0", "conv_1", "conv_s")[: 2 + block.learned_shortcut]:
            conv, conv_folded = getattr(block, name), getattr(other, name)
            matrix = np.asarray(conv.kernel, "float64").reshape(-1, conv.filters)
            sigma = np.asarray(conv.v, "float64") @ matrix @ np.asarray(conv.u, "float64")
            kernel = np.asarray(conv_folded.kernel).reshape(-1, conv.filters)
            np.testing.assert_allclose(kernel, matrix / sigma, rtol=1e-4)


def test_statistics_are_in_the_kernels(generator):
    folded = generator.folded()
    spade, other = generator.backbone.blocks[-1].norm_s, folded.backbone.blocks[-1].norm_s
    rng = np.random.default_rng(0)
    x, level = rng.normal(size=(1, 8, 8, 4)), Semantics(rng.integers(4, size=(1, 16, 16)), 4).level()
    np.testing.assert_allclose(other(x, level), spade(x, level), atol=1e-4)
    assert np.abs(spade.norm.moving_mean).max() > 0.01
    assert not hasattr(other, "norm")


def test_weights_are_those_of_inference():
    generator = Generator(SMALL)
    training_only = ("u", "v", "moving_mean", "moving_variance")
    gone = sum(int(np.prod(w.shape)) for w in generator.weights if w.name in training_only)
    assert gone > 0
    assert generator.folded().count_params() == generator.count_params() - gone


def test_half_precision_is_exported_as_float32(generator):
    half = Generator(SMALL, dtype="mixed_bfloat16")
    half.set_weights(generator.get_weights())
    folded = half.folded()
    assert folded.compute_dtype == "float32"
    np.testing.assert_allclose(folded(batch()), generator(batch()), atol=ATOL)


@pytest.mark.parametrize("semantics", ["dense", "patch_table"])
def test_bfloat16(generator, semantics):
    half = generator.folded("bfloat16", semantics=semantics)
    image, expected = np.asarray(half(batch())), np.asarray(generator(batch()))
    assert image.dtype == "float32"
    assert 0 < np.abs(image - expected).mean() < 0.02
    large = {w.dtype for w in half.weights if w.name == "kernel" and "conv_img" not in w.path and w.shape[-1] > 1}
    assert "bfloat16" in large
    assert {w.dtype for w in half.weights if w.name in ("scale_kernel", "shift_kernel")} == {"bfloat16"}
    assert {w.dtype for w in half.weights if w.name.endswith("bias")} == {"float32"}


def test_unknown_precision():
    with pytest.raises(UserError, match="precision"):
        Generator(SMALL).folded("float16")


def test_the_generator_is_not_changed(generator):
    before = generator.get_weights()
    generator.folded()
    for old, new in zip(before, generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_size_is_the_same_network(generator):
    larger = generator.folded(image_size=(64, 64))
    other = Generator(SMALL.replace(image_size=(64, 64)))
    other.set_weights(generator.get_weights())
    data = batch(larger.config)
    np.testing.assert_allclose(larger(data), other(data), atol=ATOL)
    with pytest.raises(UserError, match="multiple of 32"):
        generator.folded(image_size=(40, 64))


def test_a_folded_network_does_not_train(generator):
    folded = generator.folded()
    assert isinstance(folded, FoldedGenerator)
    with pytest.raises(TypeError, match="training"):
        folded.features(batch(), training=True)
    names = {weight.path.rsplit("/", 1)[-1] for weight in folded.weights}
    assert not names & {"u", "v", "moving_mean", "moving_variance"}


def test_saved_as_keras(generator, tmp_path):
    folded = generator.folded()
    folded.save(tmp_path / "folded.keras")
    loaded = keras.saving.load_model(tmp_path / "folded.keras")
    np.testing.assert_array_equal(loaded(batch()), folded(batch()))
