"""Label maps to levels: one-hot maps and edges against loops over pixels, and which kind of level a map gets."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.semantics import DenseLevel, Semantics, instance_edges
from dagan_tf.semantics.patch_table import PatchTableLevel
from tests.semantics.helpers import CLASSES, instance_map, label_map, loop_edges, numpy_one_hot


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_one_hot_picks_every_factor_th_pixel(factor, dtype):
    labels = label_map().astype(dtype)
    one_hot = Semantics(tf.constant(labels), CLASSES).one_hot(factor)
    expected = np.zeros((2, 8 // factor, 12 // factor, CLASSES), "float32")
    for b, i, j in np.ndindex(expected.shape[:3]):
        expected[b, i, j, labels[b, i * factor, j * factor]] = 1
    np.testing.assert_array_equal(one_hot, expected)
    assert one_hot.dtype == "float32"


def test_one_hot_has_the_dtype_asked_for():
    assert Semantics(tf.constant(label_map()), CLASSES, dtype="bfloat16").one_hot().dtype == "bfloat16"


def test_an_id_outside_is_a_pixel_without_a_class():
    one_hot = Semantics(tf.fill((1, 2, 2), CLASSES), CLASSES).one_hot()
    np.testing.assert_array_equal(one_hot, np.zeros((1, 2, 2, CLASSES)))


def test_edges():
    ids = instance_map()
    edges = instance_edges(tf.constant(ids))
    assert edges.dtype == "bool"
    np.testing.assert_array_equal(edges, loop_edges(ids))


def test_edges_of_random_ids_and_of_one_instance():
    ids = label_map().astype("int32")
    np.testing.assert_array_equal(instance_edges(tf.constant(ids)), loop_edges(ids))
    assert not np.any(instance_edges(tf.ones((1, 3, 4), "int32")))


@pytest.mark.parametrize("factor", [1, 2])
def test_edges_are_the_last_channel_and_found_before_downsampling(factor):
    labels, ids = label_map(), instance_map()
    semantics = Semantics(tf.constant(labels), CLASSES, tf.constant(ids), dtype="float16")
    one_hot = semantics.one_hot(factor)
    assert one_hot.shape[-1] == CLASSES + 1
    assert one_hot.dtype == "float16"
    np.testing.assert_array_equal(one_hot[..., -1], loop_edges(ids)[:, ::factor, ::factor])
    np.testing.assert_array_equal(one_hot[..., :-1], Semantics(tf.constant(labels), CLASSES).one_hot(factor))


def config(**options):
    return ModelConfig(num_classes=CLASSES, image_size=(32, 64), **options)


def test_from_inputs():
    labels, ids = label_map(32, 64), instance_map(32, 64)
    inputs = {"label": tf.constant(labels), "instance": tf.constant(ids)}
    with_edges = Semantics.from_inputs(inputs, config(use_instance_edges=True), "float16")
    np.testing.assert_array_equal(
        with_edges.one_hot(), Semantics(inputs["label"], CLASSES, inputs["instance"]).one_hot()
    )
    assert with_edges.one_hot().dtype == "float16"
    without = Semantics.from_inputs(inputs, config())  # an instance map that is not wanted changes nothing
    assert without.one_hot().shape == (2, 32, 64, CLASSES)


@pytest.mark.parametrize("shape", [(32, 64), (1, 32, 64, 2), (1, 64, 32), (1, 32, 32)])
def test_label_map_of_another_shape(shape):
    with pytest.raises(UserError, match=r"\(B, 32, 64\).*Received: shape " + str(shape).replace("(", r"\(")[:-1]):
        Semantics.from_inputs({"label": tf.zeros(shape, "int32")}, config())


@pytest.mark.parametrize("inputs", [{}, {"instance": None}])
def test_missing_instance_map(inputs):
    with pytest.raises(UserError, match="give a dictionary with 'label' and 'instance'"):
        Semantics.from_inputs({"label": tf.zeros((1, 32, 64), "int32"), **inputs}, config(use_instance_edges=True))


KINDS = [("auto", PatchTableLevel), ("patch_table", PatchTableLevel), ("dense", DenseLevel)]
NO_PATCH_TABLE = r"`semantics` patch_table needs TensorFlow without XLA\. Received: {}\. Give auto or dense\."


def level(kind, labels=None, factor=1):
    return Semantics(tf.constant(label_map()) if labels is None else labels, CLASSES, kind=kind).level(factor)


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_the_kinds_of_level(kind, cls):
    assert isinstance(level(kind), cls)


def test_the_kind_is_auto_unless_asked_for():
    assert isinstance(Semantics(tf.constant(label_map()), CLASSES).level(), PatchTableLevel)


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_a_network_chooses_the_kind(kind, cls):
    inputs = {"label": tf.constant(label_map(32, 64))}
    assert isinstance(Semantics.from_inputs(inputs, config(), kind=kind).level(), cls)


def test_unknown_kind():
    with pytest.raises(UserError, match=r"`semantics` must be one of 'auto', 'dense', 'patch_table'.*'table'"):
        Semantics(tf.constant(label_map()), CLASSES, kind="table")


def test_a_dense_level_holds_the_one_hot_map():
    np.testing.assert_array_equal(level("dense", factor=2).one_hot, numpy_one_hot(label_map()[:, ::2, ::2]))


def trace(kind, **options):
    """The class of the level while a function is traced; nothing is compiled."""
    classes = []

    @tf.function(autograph=False, **options)
    def function(labels):
        classes.append(type(level(kind, labels)))
        return labels

    function.get_concrete_function(tf.TensorSpec((None, 8, 12), "int32"))
    return classes


@pytest.mark.parametrize(("kind", "cls"), KINDS)
def test_kinds_in_a_function(kind, cls):
    assert trace(kind) == [cls]


@pytest.mark.parametrize("kind", ["auto", "dense"])
def test_xla_gets_a_dense_level(kind):
    assert trace(kind, jit_compile=True) == [DenseLevel]


def test_xla_cannot_have_a_table():
    with pytest.raises(UserError, match=NO_PATCH_TABLE.format("XLA")):
        trace("patch_table", jit_compile=True)


def test_a_function_inside_one_for_xla_gets_a_dense_level():
    classes = []

    @tf.function(autograph=False)
    def inner(labels):
        classes.append(type(level("auto", labels)))
        return labels

    outer = tf.function(lambda labels: inner(labels), autograph=False, jit_compile=True)
    outer.get_concrete_function(tf.TensorSpec((2, 8, 12), "int32"))
    assert classes == [DenseLevel]


@pytest.fixture(params=["in the program", "in the environment"])
def clusters_for_xla(request, monkeypatch):
    if request.param == "in the environment":
        monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit")
        yield
        return
    before = tf.config.optimizer.get_jit()
    tf.config.optimizer.set_jit("autoclustering")
    yield
    tf.config.optimizer.set_jit(before)


@pytest.mark.usefixtures("clusters_for_xla")
def test_clusters_for_xla_get_a_dense_level():
    assert trace("auto") == [DenseLevel]
    with pytest.raises(UserError, match=NO_PATCH_TABLE.format("XLA")):
        trace("patch_table")


def test_a_symbolic_map_gets_a_dense_level():
    symbolic = keras.Input((8, 12), dtype="int32")
    result = level("auto", symbolic, factor=2)
    assert isinstance(result, DenseLevel)
    assert result.one_hot.shape == (None, 4, 6, CLASSES)
    with pytest.raises(UserError, match=NO_PATCH_TABLE.format("a symbolic Keras tensor")):
        level("patch_table", symbolic)


def test_another_backend_gets_a_dense_level(monkeypatch):
    """It is asked for its name before anything of the patch table is imported."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert isinstance(level("auto"), DenseLevel)
    with pytest.raises(UserError, match=NO_PATCH_TABLE.format("the backend jax")):
        level("patch_table")


def test_levels_of_a_graph_stay_in_it():
    semantics = Semantics(tf.constant(label_map()), CLASSES)
    counted = tf.function(lambda: semantics.level(2).patches.count + semantics.level(2).patches.count)
    assert int(counted()) == 2 * int(semantics.level(2).patches.count)
    assert semantics.level(2) is semantics.level(2)


def test_a_label_map_of_numpy_in_a_graph():
    labels = label_map()
    counted = tf.function(lambda: Semantics(labels, CLASSES).level().patches.count)
    assert counted() == level("patch_table").patches.count
