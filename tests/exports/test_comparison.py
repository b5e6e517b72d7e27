"""The comparison of an exported model with Keras: what passes, what is found, and what is timed."""

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.config import LabelSpec
from dagan_tf.errors import UserError
from dagan_tf.exports import comparison, version
from dagan_tf.images import to_uint8
from dagan_tf.networks.generator import Generator
from tests.exports.helpers import CARD
from tests.networks.helpers import batch, trained


@pytest.fixture(scope="module")
def original():
    return trained()


def test_check_passes(written, original):
    """Against the generator that was not folded."""
    largest, mean = comparison.check(written, original, batch())
    assert largest <= 1
    assert mean < 0.01


def changed(original):
    other = Generator(original.config)
    other.set_weights(original.get_weights())
    return other


def test_check_finds_wrong_weights(written, original):
    other = changed(original)
    other.conv_img.bias.assign(np.asarray(other.conv_img.bias) + 0.1)
    with pytest.raises(UserError, match=r"must draw what Keras draws.*Nothing was exported"):
        comparison.check(written, other, batch())


@pytest.fixture(scope="module")
def half(original, tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    version.write(original.folded("bfloat16"), LabelSpec(3), folder, CARD)
    return folder


def test_check_of_half_precision(half, original):
    signature = tf.saved_model.load(str(half)).signatures["serving_default"]
    maps = {"label_map": tf.constant(batch()["label"].astype("uint8"))}
    maps["instance_map"] = tf.constant(batch()["instance"].astype("int32"))
    image = signature(**maps)["image"].numpy().astype(float)
    error = np.mean((image - to_uint8(original(batch())).astype(float)) ** 2)
    assert comparison.check_half(half, original, batch()) == pytest.approx(10 * np.log10(255**2 / error))


def test_check_of_half_precision_finds_wrong_weights(half, original):
    other = changed(original)
    other.conv_img.bias.assign(np.asarray(other.conv_img.bias) + 1)
    with pytest.raises(UserError, match=r"a PSNR of 30 dB.*Nothing was exported: export with `precision` float32"):
        comparison.check_half(half, other, batch())


def test_check_finds_pictures_that_are_not_finite(written, original):
    other = changed(original)
    other.conv_img.bias.assign([np.nan, 0, 0])
    with pytest.raises(UserError, match="not finite"):
        comparison.check(written, other, batch())


def test_the_reference_is_dense_and_has_the_exports_size(original):
    config = original.config.replace(image_size=(64, 64))
    reference = comparison.reference_of(original, config)
    assert (reference.semantics, reference.config) == ("dense", config)
    for mine, theirs in zip(reference.get_weights(), original.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_both_precisions_are_timed_in_turns_after_a_warm_up(monkeypatch):
    """With a clock in place of the machine's: 2, 4, ... ms in float32, 1, 2, ... ms in half precision."""
    drawn, now = [], [0.0]

    def traced(name):
        def draw(single):
            assert len(single["label"]) == 1
            drawn.append((name, int(single["label"][0])))
            now[0] += {"full": 0.002, "half": 0.001}[name] * (1000 if len(drawn) <= 2 else single["label"][0])
            return tf.zeros(())

        return draw

    monkeypatch.setattr(comparison, "traced", traced)
    monkeypatch.setattr(comparison.time, "perf_counter", lambda: now[0])
    speed = comparison.measure_speed("full", "half", {"label": np.array([1, 2, 6])})
    assert drawn == [(name, i) for i in (1, 1, 2, 6) for name in ("full", "half")]
    assert speed == pytest.approx((4.0, 2.0))
    assert speed.ratio == pytest.approx(0.5)


def test_real_generators_are_timed(original):
    speed = comparison.measure_speed(original.folded(), original.folded("bfloat16"), batch())
    assert min(speed) > 0
