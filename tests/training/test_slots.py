"""Files give everything back in whatever order a model is loaded and compiled; names and averages that do not fit."""

import keras
import numpy as np
import pytest

from dagan_tf.errors import UserError
from dagan_tf.training.dagan import DAGAN
from tests.helpers import run_python
from tests.training.helpers import SMALL, examples, make_model


def slots(model):
    return [np.asarray(variable.value) for optimizer in model.optimizers for variable in optimizer.variables]


@pytest.fixture(scope="module")
def trained():
    """A model with an average after one step, whose learning rates were changed."""
    model = make_model(ema=0.9)
    model.train_on_batch(*examples())
    model.optimizer.learning_rate = 2e-4
    return model


@pytest.fixture(params=["dagan.keras", "dagan.weights.h5"])
def path(request, trained, tmp_path):
    path = tmp_path / request.param
    (trained.save if path.suffix == ".keras" else trained.save_weights)(path)
    return path


def loaded(path):
    """An uncompiled model with what is in a file."""
    if path.suffix == ".keras":
        return keras.models.load_model(path)
    model = DAGAN.from_preset("facades", ema=0.9, semantics="dense", **SMALL)
    model.load_weights(path)
    return model


def test_loaded_before_it_is_compiled(trained, path, tmp_path):
    model = loaded(path)
    assert model.steps_done == 1
    again = tmp_path / "again.weights.h5"
    model.save_weights(again)  # never compiled
    for each in (model, loaded(again)):
        with pytest.warns(UserWarning, match="goes on with its saved learning rate, 0.000"):
            each.compile(run_eagerly=True)
        for mine, theirs in zip(slots(each), slots(trained), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_loaded_after_it_is_compiled(trained, path):
    model = make_model(ema=0.9)
    model.load_weights(path)
    for mine, theirs in zip(slots(model), slots(trained), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_another_kind_of_optimizer_begins_anew(path):
    model = loaded(path)
    with pytest.warns(UserWarning, match="another kind of optimizer, or of learning rate: this one"):
        model.compile(keras.optimizers.SGD(), keras.optimizers.SGD(), run_eagerly=True)
    assert model.steps_done == 1
    assert int(model.optimizer.iterations) == 0


def test_a_moving_average_that_only_one_has(path, tmp_path):
    with pytest.raises(UserError, match=r"Expected weights without a moving average.*which has one"):
        make_model().load_weights(path)
    make_model().save_weights(tmp_path / "without.weights.h5")
    with pytest.raises(UserError, match=r"Expected weights with a moving average.*which lacks one"):
        make_model(ema=0.5).load_weights(tmp_path / "without.weights.h5")


@pytest.mark.parametrize("name", ["dagan.h5", "folder", "dagan.pb"])
def test_names_of_other_formats(model, tmp_path, name):
    for part in (model, model.generator, model.discriminator):
        for method in (part.save, part.save_weights, part.load_weights):
            with pytest.raises(UserError, match=rf"Received: .*{name}. Give `model.save\('name.keras'\)`"):
                method(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_in_a_fresh_process_after_the_import_alone(trained, tmp_path):
    trained.save(tmp_path / "dagan.keras")
    trained.ema_generator.save(tmp_path / "generator.keras")
    label = examples()[0]
    np.save(tmp_path / "label.npy", label)
    script = """
import sys
import dagan_tf
assert "keras" not in sys.modules
import keras, numpy as np
folder = sys.argv[1]
label = np.load(folder + "/label.npy")
dagan, generator = (keras.models.load_model(f"{folder}/{name}.keras") for name in ("dagan", "generator"))
np.savez(folder + "/pictures.npz", dagan=dagan(label), generator=generator(label))
"""
    run_python(script, tmp_path)
    with np.load(tmp_path / "pictures.npz") as pictures:
        for name in ("dagan", "generator"):
            np.testing.assert_allclose(pictures[name], trained(label), atol=1e-5)
