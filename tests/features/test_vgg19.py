"""VGG19 features: against convolutions written out, with drawn weights and, where present, the real ones."""

import logging
import pathlib

import keras
import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.features.vgg19 import VGG19Features
from tests.helpers import conv2d

REAL = pathlib.Path(__file__).resolve().parents[2].parent / "shared/weights/vgg19_imagenet_keras_block1-3.npz"
SHAPES = {"block1_conv1": (3, 64), "block1_conv2": (64, 64), "block2_conv1": (64, 128)}
FEATURE_SCALE = 127.5  # pixels of 0..255 against pictures in [-1, 1]
BGR_MEANS = np.array([103.939, 116.779, 123.68])  # of ImageNet, as the Caffe weights were trained with


def drawn_weights(layers):
    rng = np.random.default_rng(0)
    arrays = {}
    for name in layers:
        arrays[f"{name}/kernel"] = rng.normal(0, 0.05, (3, 3, *SHAPES[name])).astype("float32")
        arrays[f"{name}/bias"] = rng.normal(0, 1, SHAPES[name][1:]).astype("float32")
    return arrays


def written_out(arrays, image):
    """relu1_1 and relu2_1 of the network in NumPy."""
    pixels = ((image + 1) * 127.5)[..., ::-1] - BGR_MEANS
    layers = {name: (arrays[f"{name}/kernel"], arrays[f"{name}/bias"]) for name in SHAPES}
    first = np.maximum(conv2d(pixels, *layers["block1_conv1"]), 0)
    x = np.maximum(conv2d(first, *layers["block1_conv2"]), 0)
    batch, height, width, channels = x.shape
    pooled = x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
    second = np.maximum(conv2d(pooled, *layers["block2_conv1"]), 0)
    return [first / FEATURE_SCALE, second / FEATURE_SCALE]


@pytest.fixture
def image():
    return np.random.default_rng(1).uniform(-1, 1, (2, 8, 8, 3)).astype("float32")


def test_drawn_weights_and_partial_file(tmp_path, image, caplog):
    arrays = drawn_weights(SHAPES)
    np.savez(tmp_path / "vgg.npz", **arrays)
    with caplog.at_level(logging.WARNING, "dagan_tf"):
        features = VGG19Features(tmp_path / "vgg.npz")
    assert "2 of the 5 taps (block1_conv1, block2_conv1)" in caplog.text
    assert features.tap_weights == (1 / 32, 1 / 16)
    for actual, expected in zip(features(image), written_out(arrays, image), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_real_weights(image):
    if not REAL.is_file():
        pytest.skip("VGG19 weights are not beside this checkout (../shared/weights)")
    features = VGG19Features(REAL)
    assert features.taps == ("block1_conv1", "block2_conv1", "block3_conv1")
    with np.load(REAL) as arrays:
        expected = written_out(arrays, image)
    for actual, wanted in zip(features(image), expected, strict=False):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-4 * wanted.max())


def test_keras_file(tmp_path):
    image = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    network = keras.applications.VGG19(include_top=False, weights=None)
    network.save_weights(tmp_path / "vgg.weights.h5")
    features = VGG19Features(tmp_path / "vgg.weights.h5")
    assert len(features.taps) == 5
    assert features.tap_weights == (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    kernel, bias = network.get_layer("block1_conv1").get_weights()
    pixels = ((image + 1) * 127.5)[..., ::-1] - BGR_MEANS
    expected = np.maximum(conv2d(pixels, kernel, bias), 0) / FEATURE_SCALE
    np.testing.assert_allclose(features(keras.ops.convert_to_tensor(image))[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": np.zeros(3)}, "holds no VGG19 layer"),
        ({"block1_conv1/kernel": np.zeros((3, 3, 4, 64)), "block1_conv1/bias": np.zeros(64)}, "VGG19's shape"),
    ],
)
def test_other_npz_files(tmp_path, arrays, message):
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(UserError, match=message):
        VGG19Features(tmp_path / "other.npz")


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(UserError, match="which is not there"):
        VGG19Features(tmp_path / "none.npz")
    for name in ("bad.npz", "bad.h5"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(UserError, match="could not be read"):
            VGG19Features(tmp_path / name)


def test_failed_fetch_names_the_ways_out(monkeypatch):
    def unreachable(**options):
        raise Exception("URL fetch failure on https://example.invalid: None -- no network")

    monkeypatch.setattr(keras.applications, "VGG19", unreachable)
    with pytest.raises(UserError, match="`perceptual` off"):
        VGG19Features("imagenet")
