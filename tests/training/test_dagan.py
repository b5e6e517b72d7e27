"""The Keras model: its step against the same step written out, its averages, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf import losses
from dagan_tf.errors import UserError
from dagan_tf.training.dagan import DAGAN

SIZE = {"image_size": (32, 64), "base_filters": 4, "discriminator_filters": 4, "spade_filters": 8}


def make_model(**overrides):
    keras.utils.set_random_seed(3)
    options = {"ema": overrides.pop("ema", 0.0), "dtype": overrides.pop("dtype", "float32")}
    options["semantics"] = overrides.pop("semantics", "auto")
    return DAGAN.from_preset("facades", **options, **{**SIZE, **overrides})


def make_batch(size=2, seed=0, instances=False):
    rng = np.random.default_rng(seed)
    label = np.kron(rng.integers(0, 13, (size, 4, 8)), np.ones((8, 8), int)).astype("uint8")
    batch = {"label": label, "image": rng.uniform(-1, 1, (size, 32, 64, 3)).astype("float32")}
    return {**batch, "instance": label.astype("int32")} if instances else batch


def dataset(*batches):
    return tf.data.Dataset.from_tensor_slices({k: np.stack([b[k] for b in batches]) for k in batches[0]})


@pytest.fixture(scope="module")
def trained():
    """A model after two epochs of plain `fit`, with the history."""
    model = make_model(ema=0.9)
    model.compile()
    data = dataset(make_batch(seed=1), make_batch(seed=2))
    history = model.fit(data, epochs=2, verbose=0, shuffle=False)
    return model, history


def test_weights_exist_on_return():
    model = make_model()
    assert model.built
    assert len(model.generator.weights) > 200
    assert len(model.discriminator.weights) == 26  # as many as the authors' PyTorch network has


def test_fit_moves_every_trainable_weight(trained):
    model, history = trained
    assert int(model.step) == 4
    assert set(history.history) == {"g_hinge", "g_feature", "d_fake", "d_real"}
    assert np.isfinite([v for values in history.history.values() for v in values]).all()
    fresh = make_model(ema=0.9)
    for network in ("generator", "discriminator"):
        new, old = getattr(model, network), getattr(fresh, network)
        for a, b in zip(new.trainable_variables, old.trainable_variables, strict=True):
            assert not np.array_equal(a.value, b.value), a.path


def test_one_step_is_the_alternating_update_written_out():
    # Plain gradient descent: Adam's first step has the size of its rate even where the gradient is rounding noise.
    model, twin, batch = make_model(), make_model(), make_batch()
    for each in (model, twin):
        each.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), run_eagerly=True)
    model.train_on_batch(batch)

    label, real = {"label": batch["label"]}, tf.constant(batch["image"])
    with tf.GradientTape() as tape:
        fake = twin.generator(label, training=True)
        detached = tf.stop_gradient(fake)
        with tf.GradientTape() as inner:
            both = {"label": np.concatenate([batch["label"]] * 2), "image": tf.concat([detached, real], 0)}
            scores = [scale[-1] for scale in twin.discriminator(both, training=True)]
            d_loss = sum(losses.hinge_discriminator([s[:2] for s in scores], [s[2:] for s in scores]))
        variables = twin.discriminator.trainable_variables
        twin.discriminator_optimizer.apply(inner.gradient(d_loss, variables), variables)
        both["image"] = tf.concat([fake, real], 0)  # one batch, fake first, as the authors' code does it
        features = twin.discriminator(both, training=True)
        g_loss = losses.hinge_generator([scale[-1][:2] for scale in features])
        g_loss += 10 * losses.feature_matching(
            [[f[:2] for f in scale] for scale in features], [[f[2:] for f in scale] for scale in features]
        )
    variables = twin.generator.trainable_variables
    twin.generator_optimizer.apply(tape.gradient(g_loss, variables), variables)

    for network in ("generator", "discriminator"):
        pairs = zip(getattr(model, network).variables, getattr(twin, network).variables, strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a.value, b.value, rtol=1e-4, atol=2e-6, err_msg=a.path)


def test_average_follows_the_generator_with_its_batch_statistics():
    model = make_model(ema=0.5)
    model.compile(run_eagerly=True)
    before = {v.path: np.array(v.value) for v in model.generator.variables}
    model.train_on_batch(make_batch())
    decay = min(0.5, (1 + 1) / (10 + 1))
    for average, variable in zip(model.ema_generator.variables, model.generator.variables, strict=True):
        new = np.asarray(variable.value)
        expected = new if average.name in ("u", "v") else decay * before[variable.path] + (1 - decay) * new
        np.testing.assert_allclose(average.value, expected, rtol=1e-5, atol=1e-7)
    names = {v.name for v in model.ema_generator.variables}
    assert {"moving_mean", "moving_variance", "u", "v"} <= names


def test_predict_and_generate_use_the_average(trained):
    model = trained[0]
    batch = make_batch(3)
    images = model.predict({"label": batch["label"]}, verbose=0)
    assert images.dtype == np.float32
    assert images.shape == (3, 32, 64, 3)
    assert np.abs(images).max() <= 1
    expected = model.ema_generator({"label": batch["label"]})
    np.testing.assert_allclose(images, expected, atol=1e-5)
    assert np.abs(images - np.asarray(model.generator({"label": batch["label"]}))).max() > 1e-4
    pixels = model.generate(batch["label"].astype("int64"), batch_size=2)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels - (images + 1) * 127.5).max() <= 0.5 + 1e-3
    np.testing.assert_array_equal(model.generate(batch["label"][1]), pixels[1])


def test_evaluate_reports_the_losses_and_changes_nothing(trained):
    model = trained[0]
    before = [w.copy() for w in model.get_weights()]
    batch = make_batch(seed=5)
    results = model.evaluate(dataset(batch), verbose=0, return_dict=True)
    fake = model.predict({"label": batch["label"]}, verbose=0)
    d_fake, d_real = model.discriminator_losses(model.drawn(batch, fake))
    assert results["d_fake"] == pytest.approx(float(d_fake), rel=1e-4)
    assert results["d_real"] == pytest.approx(float(d_real), rel=1e-4)
    assert results["g_feature"] == pytest.approx(
        float(model.generator_losses(model.drawn(batch, fake))["g_feature"]), rel=1e-4
    )
    trackers = sum(len(t.variables) for t in model.loss_trackers)
    for old, new, variable in zip(before, model.get_weights(), model.weights, strict=True):
        assert np.array_equal(old, new), variable.path
    assert trackers == 10


def test_instance_edges_reach_both_networks():
    model = make_model(use_instance_edges=True)
    model.compile(run_eagerly=True)
    batch = make_batch(instances=True)
    logs = model.train_on_batch(batch, return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    maps = {"label": batch["label"], "instance": batch["instance"]}
    other = {**maps, "instance": np.zeros_like(maps["instance"])}
    assert np.abs(model.predict(maps, verbose=0) - model.predict(other, verbose=0)).max() > 0
    with pytest.raises(UserError, match="instance"):
        model.generator({"label": batch["label"]})


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_ids_outside_the_classes_stop_everything_and_change_nothing(method):
    model = make_model()
    model.compile()
    before = [w.copy() for w in model.get_weights()]
    batch = make_batch()
    batch["label"][0, 3, 5] = 13
    options = {"shuffle": False} if method == "fit" else {}
    with pytest.raises(UserError, match=r"Label ids must lie in 0\.\.12\. Received: ids from 0 to 13\."):
        getattr(model, method)(dataset(batch), verbose=0, **options)
    for old, new, variable in zip(before, model.get_weights(), model.weights, strict=True):
        assert np.array_equal(old, new), variable.path
    with pytest.raises(UserError, match=r"0\.\.12.*Received: 13\."):
        model.generate(batch["label"])


def test_generate_refuses_other_shapes_and_dtypes():
    model = make_model()
    shapes = [((32, 32), "uint8"), ((1, 1, 32, 64), "uint8"), ((32, 64), "complex64")]
    for shape, dtype in shapes:
        with pytest.raises(UserError, match='"label" must be'):
            model.generate(np.zeros(shape, dtype))
    with pytest.raises(UserError, match="one or more examples"):
        model.generate(np.zeros((0, 32, 64), "uint8"))
    with pytest.raises(UserError, match="2 of 'label', 1 of 'instance'"):
        model.generate(np.zeros((2, 32, 64), "uint8"), instance=np.zeros((32, 64), "uint8"))


@pytest.mark.parametrize("overrides", [{"base_width": 3}, {"depth": "deep"}, {"image_size": (48, 64)}])
def test_from_preset_refuses_what_does_not_fit(overrides):
    with pytest.raises(UserError):
        DAGAN.from_preset("facades", **overrides)
    with pytest.raises(UserError, match="cityscapes"):
        DAGAN.from_preset("facade")


def test_keras_file_round_trip(trained, tmp_path):
    model = trained[0]
    model.save(tmp_path / "dagan.keras")
    loaded = keras.saving.load_model(tmp_path / "dagan.keras")
    assert (loaded.config, loaded.ema, int(loaded.step)) == (model.config, model.ema, int(model.step))
    label = make_batch()["label"]
    np.testing.assert_array_equal(loaded.generate(label), model.generate(label))
    features = [m.discriminator(make_batch())[1][4] for m in (loaded, model)]
    np.testing.assert_allclose(*features, atol=1e-6)


def test_the_step_compiles_with_xla():
    model, twin, batch = make_model(attention="sam"), make_model(attention="sam"), make_batch()
    model.compile("sgd", "sgd", jit_compile=True)
    twin.compile("sgd", "sgd", run_eagerly=True)
    compiled, eager = (m.train_on_batch(batch, return_dict=True) for m in (model, twin))
    for name, value in eager.items():
        assert compiled[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


class DrawnFeatures:
    """A stand-in with VGG19Features' interface and a known answer."""

    tap_weights = (0.25, 2.0)

    def __call__(self, image):
        return [image, image**2]


def test_perceptual_loss_enters_with_its_weight():
    model, batch = make_model(), make_batch()
    model.compile(perceptual_features=DrawnFeatures(), perceptual_weight=3.0)
    fake = make_batch(seed=9)["image"]
    value = model.generator_losses(model.drawn(batch, tf.constant(fake)))["g_perceptual"]
    real = batch["image"]
    expected = 3 * (0.25 * np.abs(fake - real).mean() + 2 * np.abs(fake**2 - real**2).mean())
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_a_replica_without_examples_says_so():
    model, batch = make_model(), make_batch(0)
    model.compile()
    for step in (model.train_step, model.test_step):
        with pytest.raises(UserError, match="drop_remainder"):
            step(batch)
    assert model.steps_done == 0
