"""The patch table against NumPy, which knows nothing of patches, and against the dense level."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.semantics import Semantics, dense, patch_table, patches
from tests.helpers import conv2d
from tests.semantics.helpers import (
    CLASSES,
    HIDDEN,
    OUTPUTS,
    assert_near,
    convolutions,
    label_map,
    numpy_modulation,
    numpy_one_hot,
    tensors,
)

SIZE = 13, 17


def borders():
    """Flat inside, another class along each side."""
    labels = np.zeros(SIZE, "int32")
    labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1] = 1, 2, 3, 4
    return labels


def label_maps():
    """Name to batch of label maps."""
    rng = np.random.default_rng(5)
    rows, columns = np.indices(SIZE, "int32")
    noise, flat, stripes = rng.integers(CLASSES, size=SIZE, dtype="int32"), np.full(SIZE, 2, "int32"), columns % 2
    single = {
        "noise": noise,
        "constant": flat,
        "rows": rows % 2,
        "columns": stripes,
        "diagonals": (rows + columns) % 3,
        "checkerboard": (rows + columns) % 2,
        "borders": borders(),
        "ids outside": rng.integers(-3, CLASSES + 3, size=SIZE, dtype="int64"),
        "bytes": rng.choice(np.array([0, 1, CLASSES - 1, CLASSES, 255], "uint8"), size=SIZE),
        "no class": np.full(SIZE, 255, "uint8"),
        "pixel": noise[:1, :1],
        "row": noise[:1, :7],
        "column": noise[:7, :1],
        "2x2": noise[:2, :2],
        "3x5": noise[:3, :5],
    }
    return {name: labels[None] for name, labels in single.items()} | {"batch": np.stack([flat, noise, stripes, flat])}


MAPS = label_maps()
BOTH = [False, True]
TABLES = ["patch_table", "auto"]
family = pytest.mark.parametrize("name", MAPS)
edges_or_not = pytest.mark.parametrize("with_edges", BOTH, ids=["classes", "edges"])


def blocks(shape, seed=6):
    """An instance map: 4x4 blocks, of which neighbours may be one instance."""
    b, h, w = shape
    ids = np.random.default_rng(seed).integers(2, size=(b, -(-h // 4), -(-w // 4))) * 1000
    return np.kron(ids, np.ones((1, 4, 4), "int64"))[:, :h, :w]


@pytest.fixture(autouse=True)
def sums_of_rows(monkeypatch):
    """`convolve` sums rows here, as it does for more channels, for which NumPy would take longer."""
    monkeypatch.setattr(patch_table, "FEW_CHANNELS", 0)


def level(labels, instances=None, kind="patch_table", classes=CLASSES):
    instances = None if instances is None else tf.convert_to_tensor(instances)
    return Semantics(tf.convert_to_tensor(labels), classes, instances, kind=kind).level()


def case(name, with_edges):
    """Labels, instances, convolutions."""
    labels = MAPS[name]
    return labels, blocks(labels.shape) if with_edges else None, convolutions(CLASSES + with_edges)


def features(shape, seed=7):
    return np.random.default_rng(seed).normal(size=(*shape, OUTPUTS)).astype("float32")


# Numbering of patches


@family
@edges_or_not
@pytest.mark.parametrize("kind", TABLES)
def test_convolve(name, with_edges, kind):
    labels, instances, layers = case(name, with_edges)
    shared = tensors(layers)[0]
    result = level(labels, instances, kind).convolve(*shared)
    assert_near(result, conv2d(numpy_one_hot(labels, instances), *layers[0]))
    assert_near(result, level(labels, instances, "dense").convolve(*shared))


@family
@edges_or_not
@pytest.mark.parametrize("kind", TABLES)
def test_modulate(name, with_edges, kind):
    labels, instances, layers = case(name, with_edges)
    x = features(labels.shape)
    result = level(labels, instances, kind).modulate(tf.constant(x), *tensors(layers))
    scale, shift = numpy_modulation(numpy_one_hot(labels, instances), *layers)
    assert_near(result, x * scale + shift)
    assert_near(result, level(labels, instances, "dense").modulate(tf.constant(x), *tensors(layers)))


def gradients(level, layers, x):
    """Of weighted outputs of `modulate` and squared outputs of `convolve`: by kernels and biases in turn, and x."""
    sources = [*(tensor for pair in layers for tensor in pair), x]
    weights = tf.stop_gradient(x[..., ::-1])
    with tf.GradientTape() as tape:
        tape.watch(sources)
        loss = tf.reduce_sum(level.modulate(x, *layers) * weights) + tf.reduce_sum(level.convolve(*layers[0]) ** 2)
    return tape.gradient(loss, sources)


def assert_equal_gradients(results, expected):
    assert len(results) == len(expected) == 7
    for gradient, other in zip(results, expected, strict=True):
        assert_near(gradient, other, 1e-4)


@family
@edges_or_not
@pytest.mark.parametrize("kind", TABLES)
def test_gradients(name, with_edges, kind):
    labels, instances, layers = case(name, with_edges)
    arguments = tensors(layers), tf.constant(features(labels.shape))
    expected = gradients(level(labels, instances, "dense"), *arguments)
    assert_equal_gradients(gradients(level(labels, instances, kind), *arguments), expected)


@pytest.mark.parametrize("seed", range(30))
def test_any_map(seed):
    rng = np.random.default_rng(seed)
    shape, classes = (rng.integers(1, 4), *rng.integers(1, 10, size=2)), int(rng.integers(1, 5))
    labels = rng.integers(-1, classes + 1, size=shape, dtype="int32")
    instances = rng.integers(2, size=shape) if seed % 2 else None
    layers, x = tensors(convolutions(classes + seed % 2)), tf.constant(features(shape))
    table, dense = (level(labels, instances, kind, classes) for kind in ("patch_table", "dense"))
    assert table.repeats
    assert_near(table.convolve(*layers[0]), dense.convolve(*layers[0]))
    assert_near(table.modulate(x, *layers), dense.modulate(x, *layers))
    assert_equal_gradients(gradients(table, layers, x), gradients(dense, layers, x))


def test_factors_pick_pixels_before_patches():
    labels, instances, layers = label_map(8, 12), blocks((2, 8, 12)), convolutions(CLASSES + 1)
    one_hot = numpy_one_hot(labels, instances)[:, ::2, ::2]
    semantics = Semantics(tf.constant(labels), CLASSES, tf.constant(instances), kind="patch_table")
    assert_near(semantics.level(2).convolve(*tensors(layers)[0]), conv2d(one_hot, *layers[0]))
    assert_near(semantics.level(2).modulate(tf.ones(()), *tensors(layers)), sum(numpy_modulation(one_hot, *layers)))


@pytest.mark.parametrize("label", [2**32 + 1, -(2**32) + 1])
def test_ids_beyond_32_bits_have_no_class(label):
    labels, shared = np.full((1, 3, 3), label), convolutions()[0]
    assert_near(level(labels).convolve(*tensors([shared])[0]), conv2d(numpy_one_hot(labels), *shared))


# What is looked up and what is not


def test_the_table_holds_the_distinct_patches():
    """Of the ids' windows of 3x3 and 5x5: a map of one class has 3 kinds of place along each axis, and 5."""
    flat, noise = level(MAPS["constant"]), level(MAPS["noise"])
    assert flat.patches.count == 3 * 3
    assert flat.wide_patches.count == 5 * 5
    assert noise.patches.count == noise.wide_patches.count == np.prod(SIZE)


def test_an_edge_distinguishes_patches():
    labels, instances = np.zeros((1, 12, 12), "int32"), np.zeros((1, 12, 12), "int32")
    instances[:, 6:] = 1  # the edge is rows 5 and 6
    assert level(labels).patches.count == 3 * 3
    assert level(labels, instances).patches.count == (3 + 4) * 3


@pytest.mark.parametrize(("name", "repeats"), [("constant", True), ("rows", True), ("noise", False), ("pixel", False)])
def test_auto_looks_up_what_repeats(monkeypatch, name, repeats):
    table, x = level(MAPS[name], kind="auto"), tf.constant(features(MAPS[name].shape))
    calls = []
    monkeypatch.setattr(dense, "modulate", lambda one_hot, x, *layers: calls.append(1) or x)
    table.modulate(x, *tensors(convolutions()))
    assert bool(table.repeats) == repeats
    assert len(calls) == (not repeats)


@family
def test_a_table_asked_for_is_looked_up(name):
    assert level(MAPS[name]).repeats


@pytest.mark.parametrize("obstacle", ["ids", "triples", "patches"])
@edges_or_not
@pytest.mark.parametrize("kind", TABLES)
def test_what_does_not_fit_is_computed_densely(monkeypatch, obstacle, with_edges, kind):
    """The limit is too small for the ids, for the triples of ids, for the patches of ids."""
    ids = 2 * (CLASSES + with_edges) + 2
    limit = {"ids": ids - 1, "triples": ids, "patches": np.prod(SIZE)}[obstacle]
    monkeypatch.setattr(patches, "LARGEST_BASE", limit)
    labels, instances, layers = case("noise", with_edges)
    table, one_hot, x = level(labels, instances, kind), numpy_one_hot(labels, instances), features(labels.shape)
    assert bool(table.patches.fits) == (obstacle == "patches")
    assert not table.repeats
    assert_near(table.convolve(*tensors(layers)[0]), conv2d(one_hot, *layers[0]))
    scale, shift = numpy_modulation(one_hot, *layers)
    assert_near(table.modulate(x, *tensors(layers)), x * scale + shift)


@pytest.mark.parametrize("kind", TABLES)
def test_no_maps(kind):
    """The dense level cannot: TensorFlow's convolution on oneDNN gives 0 maps the channels of its input."""
    layers, table = tensors(convolutions()), level(np.zeros((0, 3, 4), "int32"), kind=kind)
    assert table.modulate(tf.zeros((0, 3, 4, OUTPUTS)), *layers).shape == (0, 3, 4, OUTPUTS)


def test_few_channels_are_convolved(monkeypatch):
    monkeypatch.undo()
    kernel, bias = convolutions()[0]
    assert kernel.shape[2] < patch_table.FEW_CHANNELS
    expected = conv2d(numpy_one_hot(MAPS["noise"]), kernel, bias)
    assert_near(level(MAPS["noise"]).convolve(*tensors([(kernel, bias)])[0]), expected)


@pytest.mark.parametrize("kind", [*TABLES, "dense"])
@pytest.mark.parametrize(("size", "strides", "padding"), [(4, 2, 2), (3, 2, 1), (2, 1, 0), (5, 3, 2)])
def test_strides_and_padding(kind, size, strides, padding):
    labels = MAPS["batch"]
    instances, rng = blocks(labels.shape), np.random.default_rng(0)
    kernel, bias = rng.normal(size=(size, size, CLASSES + 1, 3)), rng.normal(size=3)
    expected = conv2d(numpy_one_hot(labels, instances), kernel, bias, strides=strides, padding=padding)
    convolution = tensors([(kernel, bias)])[0]
    assert_near(level(labels, instances, kind).convolve(*convolution, strides=strides, padding=padding), expected)


# In a function


@pytest.mark.parametrize("kind", TABLES)
def test_one_trace_serves_any_batch(kind):
    """Of any size and content: those that are looked up and those that are not."""
    layers = tensors(convolutions())

    @tf.function(input_signature=[tf.TensorSpec((None, *SIZE), "int32"), tf.TensorSpec((None, *SIZE, OUTPUTS))])
    def outputs(labels, x):
        table = level(labels, kind=kind)
        return table.convolve(*layers[0]), table.modulate(x, *layers), table.repeats

    for name in ("noise", "constant", "batch", "columns"):
        x = features(MAPS[name].shape)
        convolved, modulated, repeats = outputs(MAPS[name], x)
        one_hot = numpy_one_hot(MAPS[name])
        scale, shift = numpy_modulation(one_hot, *convolutions())
        assert_near(convolved, conv2d(one_hot, *convolutions()[0]))
        assert_near(modulated, x * scale + shift)
        assert bool(repeats) == (kind == "patch_table" or name != "noise")
    assert outputs.experimental_get_tracing_count() == 1
    assert outputs.get_concrete_function().output_shapes[1] == (None, *SIZE, OUTPUTS)


def test_gradients_in_a_function():
    """Of either way, through one trace."""
    layers = tensors(convolutions(CLASSES + 1))
    maps = tf.TensorSpec((None, *SIZE), "int32")

    @tf.function(input_signature=[maps, maps, tf.TensorSpec((None, *SIZE, OUTPUTS))])
    def traced(labels, instances, x):
        return gradients(level(labels, instances, "auto"), layers, x)

    for name in ("noise", "constant", "batch"):
        labels, x = MAPS[name], tf.constant(features(MAPS[name].shape))
        instances = blocks(labels.shape).astype("int32")
        expected = gradients(level(labels, instances, "dense"), layers, x)
        assert_equal_gradients(traced(labels, instances, x), expected)
    assert traced.experimental_get_tracing_count() == 1


# Half precision


HALVES = [("bfloat16", 2**-6), ("float16", 2**-9)]  # with four roundings
halves = pytest.mark.parametrize(("dtype", "tolerance"), HALVES, ids=["bfloat16", "float16"])
any_kind = pytest.mark.parametrize("kind", [*TABLES, "dense"])
few = pytest.mark.parametrize("name", ["constant", "noise", "batch"])


@few
@any_kind
@halves
def test_half_precision(name, kind, dtype, tolerance):
    """All kernels and biases in a half give that half, near what float32 gives."""
    labels, instances, layers = case(name, True)
    x, table = tf.constant(features(labels.shape)), level(labels, instances, kind)
    convolved = table.convolve(*tensors(layers, dtype)[0])
    modulated = table.modulate(tf.cast(x, dtype), *tensors(layers, dtype))
    assert convolved.dtype == modulated.dtype == dtype
    assert_near(convolved, table.convolve(*tensors(layers)[0]), tolerance)
    assert_near(modulated, table.modulate(x, *tensors(layers)), tolerance)


@few
@any_kind
@halves
def test_products_in_half_precision_with_sums_in_float32(name, kind, dtype, tolerance):
    labels, instances, layers = case(name, True)
    x, table, exact = tf.constant(features(labels.shape)), level(labels, instances, kind), tensors(layers)
    mixed = [exact[0], *((tf.cast(kernel, dtype), bias) for kernel, bias in exact[1:])]
    modulated = table.modulate(tf.cast(x, dtype), *mixed)
    assert modulated.dtype == dtype
    assert_near(modulated, table.modulate(x, *exact), tolerance)


@few
@halves
def test_gradients_in_half_precision(name, dtype, tolerance):
    labels, instances, layers = case(name, True)
    x, table = tf.constant(features(labels.shape)), level(labels, instances)
    results = gradients(table, tensors(layers, dtype), tf.cast(x, dtype))
    assert [gradient.dtype for gradient in results] == [dtype] * 7
    for gradient, expected in zip(results, gradients(table, tensors(layers), x), strict=True):
        assert_near(gradient, expected, 4 * tolerance)


@halves
def test_gradients_in_half_precision_of_a_large_flat_map(dtype, tolerance):
    labels, layers = np.full((1, 64, 64), 2), [(kernel / 8, bias / 8) for kernel, bias in convolutions()]
    x, table = tf.constant(np.abs(features(labels.shape))), level(labels)
    results = gradients(table, tensors(layers, dtype), tf.cast(x, dtype))
    for gradient, expected in zip(results, gradients(table, tensors(layers), x), strict=True):
        assert_near(gradient, expected, 4 * tolerance)


def test_shapes_are_known_while_tracing():
    """But for the batch: upsampling needs them."""
    shared, *factors = tensors(convolutions())

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 12), "int32")])
    def shapes(labels):
        table = level(labels)
        assert table.convolve(*shared).shape == (None, 8, 12, HIDDEN)
        assert table.convolve(*shared, strides=2, padding=2).shape == (None, 5, 7, HIDDEN)
        assert table.modulate(tf.zeros((1, 8, 12, OUTPUTS)), shared, *factors).shape[1:] == (8, 12, OUTPUTS)
        return tf.shape(labels)

    shapes.get_concrete_function()


# Sums and looking up
