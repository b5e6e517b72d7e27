"""The losses against numbers computed by hand. Scales differ in size, so that a mean over all positions would differ
from the mean over scales that is wanted."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf import losses


def score(*values):
    """A (1, 1, n, 1) map of scores."""
    return tf.reshape(tf.constant(values, "float32"), (1, 1, -1, 1))


FAKE = [score(1.0, -3.0, 0.5, 3.5), score(-2.0, 0.5)]
REAL = [score(2.0, 0.5, -1.0, 1.0), score(0.0, 3.0)]


def test_hinge_generator():
    # means 0.5 and -0.75
    assert float(losses.hinge_generator(FAKE)) == pytest.approx(-(0.5 - 0.75) / 2)


def test_hinge_discriminator():
    fake, real = losses.hinge_discriminator(FAKE, REAL)
    # max(0, 1 + s): 2, 0, 1.5, 4.5 -> 2; 0, 1.5 -> 0.75
    assert float(fake) == pytest.approx((2 + 0.75) / 2)
    # max(0, 1 - s): 0, 0.5, 2, 0 -> 0.625; 1, 0 -> 0.5
    assert float(real) == pytest.approx((0.625 + 0.5) / 2)


def test_hinge_has_no_gradient_beyond_the_margin():
    scores = score(-3.0, 0.5, 3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        fake, _ = losses.hinge_discriminator([scores], [scores])
        _, real = losses.hinge_discriminator([scores], [scores])
        generator = losses.hinge_generator([scores])
    third = 1 / 3
    for loss, expected in ((fake, [0, third, third]), (real, [-third, -third, 0]), (generator, [-third] * 3)):
        np.testing.assert_allclose(tf.reshape(tape.gradient(loss, scores), -1), expected, rtol=1e-6)


def features(first, second, last):
    return [score(*first), score(*second), score(*last)]


FAKE_FEATURES = [features((1.0, 2.0), (0.0, 4.0, 2.0), (100.0,)), features((1.0,), (5.0, 1.0), (100.0,))]
REAL_FEATURES = [features((2.0, 2.0), (3.0, 4.0, -1.0), (-100.0,)), features((-1.0,), (5.0, 0.0), (-100.0,))]


def test_feature_matching():
    # Scale 0: 0.5 + 2; scale 1: 2 + 0.5; the last layer, the score, does not count.
    assert float(losses.feature_matching(FAKE_FEATURES, REAL_FEATURES)) == pytest.approx((2.5 + 2.5) / 2)


def test_perceptual():
    taps = [score(1.0, 2.0), score(4.0)], [score(2.0, 4.0), score(1.0)]
    assert float(losses.perceptual(*taps, weights=(0.25, 2.0))) == pytest.approx(0.25 * 1.5 + 2 * 3)


def test_l1():
    assert float(losses.l1(score(1.0, -2.0), score(3.0, 1.0))) == pytest.approx(2.5)


def l1(a, b):
    return losses.l1(a[0][0], b[0][0])


def perceptual(a, b):
    return losses.perceptual(a[0], b[0], (1.0, 0.5, 0.5))


@pytest.mark.parametrize("loss", [l1, losses.feature_matching, perceptual])
def test_no_gradient_into_the_targets(loss):
    with tf.GradientTape() as tape:
        tape.watch([FAKE_FEATURES, REAL_FEATURES])
        value = loss(FAKE_FEATURES, REAL_FEATURES)
    fake, real = tape.gradient(value, [FAKE_FEATURES, REAL_FEATURES])
    assert all(gradient is None or not np.any(gradient) for gradient in tf.nest.flatten(real))
    assert np.any(fake[0][0])


def test_feature_matching_has_no_gradient_into_the_score():
    with tf.GradientTape() as tape:
        tape.watch(FAKE_FEATURES)
        value = losses.feature_matching(FAKE_FEATURES, REAL_FEATURES)
    for gradients in tape.gradient(value, FAKE_FEATURES):
        assert gradients[-1] is None
        assert all(np.any(gradient) for gradient in gradients[:-1])


VALUE = 1 + 2**-10  # exact in float16


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda x: losses.hinge_generator([x]), -VALUE),
        (lambda x: losses.hinge_discriminator([x], [x])[0], 1 + VALUE),
        (lambda x: losses.hinge_discriminator([x], [-x])[1], 1 + VALUE),
        (lambda x: losses.l1(x, 0 * x), VALUE),
        (lambda x: losses.feature_matching([[x, x]], [[0 * x, x]]), VALUE),
        (lambda x: losses.perceptual([x], [0 * x], [1.0]), VALUE),
    ],
)
def test_half_precision_is_computed_in_float32(loss, expected):
    """100 000 values around 1: their sum overflows float16, and 1 + VALUE is no float16 number."""
    value = loss(tf.fill((1, 1, 100_000, 1), tf.constant(VALUE, "float16")))
    assert value.dtype == "float32"
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_different_numbers_of_layers_are_refused():
    with pytest.raises(ValueError, match="zip"):
        losses.feature_matching(FAKE_FEATURES, [scale[:-1] for scale in REAL_FEATURES])
    with pytest.raises(ValueError, match="zip"):
        losses.perceptual(FAKE_FEATURES[0], REAL_FEATURES[0], (1.0,))
