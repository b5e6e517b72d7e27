"""Equations 2-9 of the paper against NumPy that follows them naively: resize to full size, concatenate, convolve.

The dual attention is then put into a decoder that knows nothing of this package.
"""

import keras
import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.layers import ChannelAttention, DualAttention, MultiScaleFusion, SpatialAttention
from tests.helpers import conv2d

NESTED = [(2, 3, 6), (4, 6, 5), (4, 6, 3), (8, 12, 4)]
NOT_NESTED = [(5, 4, 6), (3, 7, 5), (8, 12, 4)]
GROWING = [(3, 4, 6), (5, 7, 5), (8, 12, 4)]  # step by step would pick other pixels than all at once
LARGER_FIRST = [(16, 24, 3), (8, 12, 4)]
SIZES = pytest.mark.parametrize(
    "shapes", [NESTED, NOT_NESTED, GROWING, LARGER_FIRST], ids=["nested", "not nested", "growing", "shrinking"]
)


def maps(shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, *shape)).astype("float32") for shape in shapes]


def randomized(layer, *inputs):
    layer(*inputs)
    rng = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(0.4 * rng.normal(size=variable.shape))
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def resize(x, size):
    rows = np.arange(size[0]) * x.shape[1] // size[0]
    columns = np.arange(size[1]) * x.shape[2] // size[1]
    return x[:, rows][:, :, columns]


def numpy_spatial(layer, x):
    statistics = np.concatenate([x.mean(axis=-1, keepdims=True), x.max(axis=-1, keepdims=True)], axis=-1)  # Eq. 2
    gate = sigmoid(conv2d(statistics, layer.conv.kernel))  # Eq. 3
    return x * gate  # Eq. 4


def numpy_fusion(layer, features):  # Eq. 5
    *earlier, last = features
    size = last.shape[1:3]
    if layer.levels == "last":
        return conv2d(resize(earlier[-1], size), layer.fuse.kernel, layer.fuse.bias)
    reduced = [
        conv2d(resize(x, size), reduce.kernel, reduce.bias) for x, reduce in zip(earlier, layer.reduce, strict=True)
    ]
    return conv2d(np.concatenate(reduced, axis=-1), layer.kernel, layer.bias)


def numpy_gate(layer, fused, last):
    means = np.concatenate([fused, last], axis=-1).mean(axis=(1, 2), keepdims=True)  # Eq. 6
    hidden = np.maximum(conv2d(means, layer.squeeze.kernel, layer.squeeze.bias), 0)
    return sigmoid(conv2d(hidden, layer.excite.kernel, layer.excite.bias))  # Eq. 7


def numpy_channel(layer, fused, last):
    gate = numpy_gate(layer, fused, last)
    if layer.kind == 1:
        return gate * fused + last  # Eq. 8
    return fused + gate * last  # Eq. 9


def numpy_dual(layer, features):
    last = features[-1]
    terms = []
    if "sam" in layer.attention:
        terms.append(numpy_spatial(layer.sam, last))
    if "cam" in layer.attention:
        terms.append(numpy_channel(layer.cam, numpy_fusion(layer.fusion, features), last))
    return sum(terms) if terms else last


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel_size", [3, 7])
def test_spatial_attention(kernel_size):
    (x,) = maps([(6, 5, 4)])
    layer = randomized(SpatialAttention(kernel_size), x)
    assert_close(layer(x), numpy_spatial(layer, x))
    assert_close(layer.attention_map(x), (numpy_spatial(layer, x) / x)[..., :1])


@pytest.mark.parametrize("levels", ["all", "last"])
@SIZES
def test_fusion(levels, shapes):
    features = maps(shapes)
    layer = randomized(MultiScaleFusion(levels, reduced_filters=3), features)
    assert_close(layer(features), numpy_fusion(layer, features))


def test_fusion_reads_every_level_or_the_last_one():
    features = maps(NESTED)
    for levels, read in (("all", [True, True, True]), ("last", [False, False, True])):
        layer = randomized(MultiScaleFusion(levels), features)
        for i, expected in enumerate(read):
            changed = [x + 1 if i == j else x for j, x in enumerate(features)]
            assert bool(np.abs(layer(changed) - layer(features)).max() > 1e-3) == expected, (levels, i)


@pytest.mark.parametrize("kind", [1, 2])
def test_channel_attention(kind):
    fused, last = maps([(6, 5, 4), (6, 5, 4)])
    layer = randomized(ChannelAttention(kind), fused, last)
    assert_close(layer.channel_weights(fused, last), numpy_gate(layer, fused, last))
    assert_close(layer(fused, last), numpy_channel(layer, fused, last))


@pytest.mark.parametrize("attention", ["none", "sam", "cam1", "cam2", "sam+cam1", "sam+cam2"])
@pytest.mark.parametrize("levels", ["all", "last"])
@SIZES
def test_dual_attention(attention, levels, shapes):
    features = maps(shapes)
    layer = randomized(DualAttention(attention, levels, cam_filters=3), features)
    assert_close(layer(features), numpy_dual(layer, features))


def test_the_default_is_the_papers_final_model():
    layer = DualAttention()
    assert (layer.attention, layer.cam_levels, layer.cam_filters) == ("sam+cam2", "all", 16)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DualAttention("sam+cam3"), r"one of .*'sam\+cam2'.* Received: 'sam\+cam3'"),
        (lambda: DualAttention(cam_levels="first"), r"'all', 'last'.* Received: 'first'"),
        (lambda: MultiScaleFusion("both"), r"'all', 'last'.* Received: 'both'"),
        (lambda: ChannelAttention(3), r"`kind` must be one of 1, 2\. Received: 3"),
        (lambda: MultiScaleFusion().build([(None, 4, 4, 3)]), r"at least two feature maps. Received: 1"),
        (lambda: DualAttention().build([(None, 4, 4, 3)]), r"at least two feature maps. Received: 1"),
    ],
)
def test_errors(make, message):
    with pytest.raises(UserError, match=message):
        make()


def unet():
    """Somebody else's generator; the two lines that put the attention into it are marked."""
    inputs = keras.Input((16, 24, 2))
    fine = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    middle = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(fine)
    coarse = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(middle)
    up = keras.layers.UpSampling2D(2)
    decoded_1 = keras.layers.Conv2D(6, 3, padding="same")(keras.layers.Concatenate()([up(coarse), middle]))
    decoded_2 = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Concatenate()([up(decoded_1), fine]))
    attention = DualAttention()  # <- one
    decoded_2 = attention([coarse, decoded_1, decoded_2])  # <- two
    outputs = keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(decoded_2)
    return keras.Model(inputs, outputs), attention


def test_in_somebody_elses_generator(tmp_path):
    keras.utils.set_random_seed(0)
    model, attention = unet()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 16, 24, 2)).astype("float32")
    y = rng.uniform(-1, 1, size=(4, 16, 24, 3)).astype("float32")
    before = attention.get_weights()
    assert len(before) == 11  # SAM 1; two levels and their fusion, with biases, 6; two convolutions of the CAM 4

    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    model.fit(x, y, batch_size=2, epochs=1, verbose=0)
    assert int(model.optimizer.iterations) == 2
    for variable, old in zip(attention.trainable_variables, before, strict=True):
        assert np.isfinite(variable).all(), variable.path
        assert np.abs(variable - old).max() > 0, variable.path

    model.save(tmp_path / "unet.keras")
    loaded = keras.models.load_model(tmp_path / "unet.keras")
    np.testing.assert_allclose(loaded(x), model(x), rtol=1e-6, atol=1e-6)
