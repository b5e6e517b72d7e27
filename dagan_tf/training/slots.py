"""What an optimizer had when a model was saved, until the loaded model has that optimizer again."""

import contextlib
import pathlib
import warnings
import zipfile

import h5py
import keras
import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.training.rates import rate_of


class KeptSlots(keras.optimizers.Optimizer):
    """Stands in an uncompiled model where an optimizer will be, and keeps what a file holds of it.

    Keras gives an optimizer's variables back to a model that was compiled before it was loaded. Through this it also
    does in the other order, and a model that is loaded and saved again without being compiled loses nothing.

    Args:
        network: "generator" or "discriminator", for messages.
    """

    def __init__(self, network):
        super().__init__(learning_rate=0.0, name=f"{network}_slots")
        self.network = network
        self.kept = {}

    def save_own_variables(self, store):
        for name, value in self.kept.items():
            store[name] = value

    def load_own_variables(self, store):
        self.kept = {name: np.array(store[name]) for name in store.keys()}  # noqa: SIM118 - an entry of HDF5

    def give_to(self, optimizer):
        """Hands what was kept to a built optimizer; warns where it belongs to another kind, or changes the rate."""
        if not self.kept:
            return
        shapes = {str(i): tuple(variable.shape) for i, variable in enumerate(optimizer.variables)}
        if {name: value.shape for name, value in self.kept.items()} != shapes:
            warnings.warn(
                f"What was saved of the {self.network}'s optimizer belongs to another kind of optimizer, or of "
                "learning rate: this one begins anew.",
                stacklevel=4,
            )
            return
        given = rate_of(optimizer)
        optimizer.load_own_variables(self.kept)
        rate = rate_of(optimizer)
        if not np.isclose(rate, given):
            warnings.warn(
                f"The {self.network}'s optimizer goes on with its saved learning rate, {rate:g}, in place of "
                f"{given:g}. Set `model.optimizer.learning_rate` to change it.",
                stacklevel=4,
            )


def check_average(filepath, averages):
    """Raises `UserError` if a file's weights have a moving average and a model has none, or the other way round.

    Args:
        filepath: of `.weights.h5` or `.keras`; other files are not looked into.
        averages: whether the model has one.
    """
    path = pathlib.Path(filepath).expanduser()
    if not path.is_file() or not path.name.endswith((".weights.h5", ".keras")):
        return
    try:
        saved = _has_average(path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} could not be read as weights: {error}. It may be cut off: copy it again.") from error
    if saved == averages:
        return
    has, advice = (
        ("has", "Build the model with `ema`, its decay; `dagan_tf.load_generator` gives the average alone")
        if saved
        else ("lacks", "Build the model with ema=0")
    )
    raise UserError(
        f"Expected weights {'with' if averages else 'without'} a moving average of the generator, as this model is "
        f"built. Received: {path}, which {has} one. {advice}."
    )


def _has_average(path):
    with contextlib.ExitStack() as stack:
        file = path
        if path.suffix == ".keras":
            file = stack.enter_context(stack.enter_context(zipfile.ZipFile(path)).open("model.weights.h5"))
        return "ema_generator" in stack.enter_context(h5py.File(file, "r"))
