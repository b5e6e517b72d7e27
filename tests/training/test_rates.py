"""Keras' callbacks that set a learning rate, on two optimizers."""

import keras
import pytest

from dagan_tf.errors import UserError
from tests.training.helpers import examples, make_model


def test_a_scheduler_sets_both():
    model = make_model()
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model.fit(*examples(), epochs=2, callbacks=[scheduler], verbose=0)
    rates = [float(optimizer.learning_rate) for optimizer in model.optimizers]
    assert rates == pytest.approx([1e-4 / 4, 4e-4 / 4])
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4 / 4)


def test_a_plateau_lowers_both():
    model = make_model()
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="d_real", mode="min", factor=0.1, patience=0, min_delta=1e9)
    model.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.03), run_eagerly=True)
    model.fit(*examples(), epochs=3, callbacks=[plateau], verbose=0)
    rates = [float(optimizer.learning_rate) for optimizer in model.optimizers]
    assert rates == pytest.approx([1e-4, 3e-4])


def test_a_schedule_cannot_be_set():
    model = make_model()
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)), run_eagerly=True)
    with pytest.raises(UserError, match=r"follows a schedule of its own. Compile with optimizers"):
        model.fit(*examples(), callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)], verbose=0)


def test_the_ratio_is_that_of_the_rates_that_were_loaded(tmp_path):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    model.save_weights(tmp_path / "dagan.weights.h5")
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.4))
    model.load_weights(tmp_path / "dagan.weights.h5")
    model.optimizer.learning_rate = 0.2
    assert [float(optimizer.learning_rate) for optimizer in model.optimizers] == pytest.approx([0.2, 0.2])
