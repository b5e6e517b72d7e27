"""The networks against values recorded from the authors' PyTorch networks, weights converted by `networks.pytorch`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import ModelConfig
from dagan_tf.networks.pytorch.names import load_pytorch_weights, pytorch_entries
from dagan_tf.training import step
from dagan_tf.training.dagan import DAGAN
from tests import golden

CONFIG = ModelConfig(
    num_classes=13,
    image_size=(64, 64),
    base_filters=8,
    discriminator_filters=8,
    cam_levels="last",
    attention="sam+cam2",
)
FOLDERS = [golden.FOLDER, golden.SHARED]


@pytest.fixture(params=FOLDERS, ids=["copy", "shared"])
def values(request):
    if not (request.param / "rectangles_ngf8.npz").is_file():
        pytest.skip("the full recording is not beside this checkout (../shared/reference)")
    return golden.values(request.param)


@pytest.fixture
def model():
    """A compiled `DAGAN` with the recorded weights."""
    result = DAGAN(CONFIG)
    result.compile()
    load_pytorch_weights(result.generator, golden.reference_weights("generator"))
    load_pytorch_weights(result.discriminator, golden.reference_weights("discriminator"))
    return result


@pytest.fixture(scope="module")
def gradient_norms():
    description = golden.description()
    return {part: description[f"{part}_grad_norms"] for part in ("generator", "discriminator")}


def difference(actual, expected):
    """Largest difference; the copy holds some features of the first example alone."""
    return np.abs(np.asarray(keras.ops.convert_to_tensor(actual))[: len(expected)] - expected).max()


def test_picture_in_inference(model, values):
    assert difference(model.generator({"label": values["label"]}), values["image_eval"]) < 1e-4
    assert difference(model.predict({"label": values["label"]}, verbose=0), values["image_eval"]) < 1e-4


def test_intermediate_features(model, values):
    features = model.generator.features({"label": values["label"]})
    attention = model.generator.attention
    fused = attention.fusion(features)
    actual = {
        "eval_head_0": features[0],
        "eval_up_3": features[-1],
        "eval_conv_64": fused,
        "eval_cab": attention.cam(fused, features[-1]),
        "eval_spatialAtt": attention.sam(features[-1]),
    }
    assert {name: difference(value, values[name]) < 1e-4 for name, value in actual.items()} == dict.fromkeys(
        actual, True
    )


def test_discriminator_features(model, values):
    features = model.discriminator({"label": values["label"], "image": values["real"]})
    for s, scale in enumerate(features):
        assert len(scale) == 5
        for layer, feature in enumerate(scale):
            assert difference(feature, values[f"disc_eval_{s}_{layer}"]) < 1e-4


def test_picture_and_state_of_a_training_pass(model, values):
    image = model.generator({"label": values["label"]}, training=True)
    assert difference(image, values["image_train"]) < 1e-4
    head = model.generator.backbone.blocks[0]
    assert difference(head.conv_0.u, values["u_after_head_0_conv_0"]) < 1e-5
    assert difference(head.norm_0.norm.moving_mean, values["running_mean_after_head_0_norm_0"]) < 1e-5
    pixels = 2 * 2 * 2  # Keras keeps the biased variance, PyTorch the unbiased one of n/(n-1) times
    old = golden.reference_weights("generator")["head_0.norm_0.param_free_norm.running_var"]
    expected = 0.9 * old + (values["running_var_after_head_0_norm_0"] - 0.9 * old) * (pixels - 1) / pixels
    assert difference(head.norm_0.norm.moving_variance, expected) < 1e-5


def generator_step(model, values):
    """The losses of one generator step and their gradient by the parameters' names in PyTorch."""
    batch = {"label": tf.constant(values["label"]), "image": tf.constant(values["real"])}
    with tf.GradientTape() as tape:
        fake = model.generator({"label": batch["label"]}, training=True)
        losses = model.generator_losses(model.drawn(batch, fake), training=True)
        total = sum(losses.values())
    return losses, gradients_by_name(tape, total, model.generator)


def discriminator_step(model, values):
    batch = {"label": tf.constant(values["label"]), "image": tf.constant(values["real"])}
    fake = tf.stop_gradient(model.generator({"label": batch["label"]}, training=True))
    with tf.GradientTape() as tape:
        losses = model.discriminator_losses(model.drawn(batch, fake), training=True)
        total = sum(losses)
    return losses, gradients_by_name(tape, total, model.discriminator)


def gradients_by_name(tape, total, network):
    entries = {name: e.variable for name, e in pytorch_entries(network).items() if e.variable.trainable}
    gradients = tape.gradient(total, [variable.value for variable in entries.values()])
    return dict(zip(entries, gradients, strict=True))


def assert_norms(gradients, expected):
    actual = {name: float(tf.norm(gradient)) for name, gradient in gradients.items()}
    assert actual.keys() == expected.keys()
    large = {name: norm for name, norm in expected.items() if norm > 1e-4}
    assert len(large) > 0.8 * len(expected)
    for name, norm in large.items():
        assert actual[name] == pytest.approx(norm, rel=1e-3), name
    for name in expected.keys() - large.keys():
        assert actual[name] < 2e-4, name


def test_generator_losses_and_gradients(model, values, gradient_norms):
    losses, gradients = generator_step(model, values)
    assert float(losses["g_hinge"]) == pytest.approx(float(values["g_loss_gan"]), rel=1e-4)
    assert float(losses["g_feature"]) == pytest.approx(float(values["g_loss_feat"]), rel=1e-4)
    assert_norms(gradients, gradient_norms["generator"])


def test_discriminator_losses_and_gradients(model, values, gradient_norms):
    (fake, real), gradients = discriminator_step(model, values)
    assert float(fake) == pytest.approx(float(values["d_loss_fake"]), rel=1e-4)
    assert float(real) == pytest.approx(float(values["d_loss_real"]), rel=1e-4)
    assert_norms(gradients, gradient_norms["discriminator"])


def test_the_split_chain_rule_is_the_whole_gradient(model, values):
    """`train_step` goes through the picture's gradient; the recorded norms come from one tape."""
    whole = generator_step(model, values)[1]
    load_pytorch_weights(model.generator, golden.reference_weights("generator"))
    load_pytorch_weights(model.discriminator, golden.reference_weights("discriminator"))
    batch = {"label": tf.constant(values["label"]), "image": tf.constant(values["real"])}
    with tf.GradientTape() as outer:
        fake = model.generator({"label": batch["label"]}, training=True)
    paths = [v.path for v in model.generator.trainable_variables]
    gradients = step.generator_gradients(model, model.drawn(batch, fake)._replace(tape=outer))[1]
    applied = dict(zip(paths, gradients, strict=True))
    for name, entry in pytorch_entries(model.generator).items():
        if entry.variable.trainable:
            np.testing.assert_allclose(applied[entry.variable.path], whole[name], rtol=2e-3, atol=1e-5)
