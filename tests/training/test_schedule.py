"""The schedule against its closed form, and Adam's settings of the paper."""

import numpy as np
import pytest

from dagan_tf.config import TrainConfig
from dagan_tf.training.schedule import ConstantThenLinearDecay, make_optimizers


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 2e-4), (99, 2e-4), (100, 2e-4), (125, 1e-4), (149, 4e-6), (150, 0.0), (1000, 0.0)]
)
def test_constant_then_linear(step, expected):
    schedule = ConstantThenLinearDecay(2e-4, constant_steps=100, decay_steps=50)
    assert float(schedule(step)) == pytest.approx(expected, rel=1e-5, abs=1e-12)
    copy = ConstantThenLinearDecay.from_config(schedule.get_config())
    assert float(copy(step)) == float(schedule(step))


def test_without_decay_rates_are_numbers_that_can_be_set():
    generator, discriminator = make_optimizers(TrainConfig(epochs=2, decay_epochs=0), steps_per_epoch=10)
    assert (float(generator.learning_rate), float(discriminator.learning_rate)) == pytest.approx((1e-4, 4e-4))
    generator.learning_rate = 0.5
    assert float(generator.learning_rate) == 0.5


def test_two_time_scales():
    generator, discriminator = make_optimizers(TrainConfig(epochs=2, decay_epochs=2), steps_per_epoch=10)
    for optimizer, rate in ((generator, 1e-4), (discriminator, 4e-4)):
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.999)
        rates = [float(optimizer._learning_rate(step)) for step in (0, 20, 30, 40)]
        np.testing.assert_allclose(rates, [rate, rate, rate / 2, 0], rtol=1e-5)
