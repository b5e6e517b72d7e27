"""What happens between the steps of a run: checkpoints, and the two ways to stop early."""

import contextlib
import math
import os
import signal

import keras
import numpy as np

from dagan_tf.errors import UserError
from dagan_tf.files import remove_unfinished
from dagan_tf.runs import checkpoint
from dagan_tf.signals import handling


class StopOnSignal(keras.callbacks.Callback):
    """Ends training after the present step on SIGINT or SIGTERM; a second signal ends the process at once.

    A context manager: the signals are taken inside it only. Where several hosts train together all end after the same
    step.

    Args:
        distribution: the `Distribution`.

    Attributes:
        received: the `signal.Signals` that came, here or (then SIGTERM) on another host, or `None`.
    """

    def __init__(self, distribution):
        super().__init__()
        self.distribution = distribution
        self.received = None
        self._handling = contextlib.ExitStack()

    def __enter__(self):
        self._handling.enter_context(handling(self._note))
        return self

    def __exit__(self, *exception):
        self._handling.close()

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self._handling.close()  # a second signal does what it would do without this class
        with contextlib.suppress(OSError):  # whoever read the output may have ended first
            # Not print: the signal may have come in the middle of another one.
            os.write(1, f"\n{self.received.name}: stopping after this step; once more to stop at once.\n".encode())

    def on_train_batch_end(self, batch, logs=None):
        received = self.received  # once: hosts that asked for different reasons have to ask equally often
        if self.distribution.anywhere(received is not None):
            self.received = received or signal.SIGTERM
            self.model.stop_training = True


class NotFiniteError(ArithmeticError):
    """Losses or weights are NaN or infinite; `names` says which."""

    def __init__(self, names):
        super().__init__(f"not a finite number: {', '.join(names)}")
        self.names = tuple(names)


class StopOnNaN(keras.callbacks.Callback):
    """Raises `NotFiniteError` at the first loss, and at the end of an epoch at a weight, that is not a finite number.

    So that nothing more is saved.
    """

    def on_train_batch_end(self, batch, logs=None):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if bad:
            raise NotFiniteError(bad)

    def on_epoch_end(self, epoch, logs=None):
        check_finite(self.model)


def check_finite(model):
    """Raises `NotFiniteError` if a weight or an optimizer's slot is not finite.

    A step's losses are those before its update: they cannot tell whether the update itself was good.
    """
    variables = [v for part in (model, *model.optimizers) for v in part.variables]
    bad = [v.path for v in variables if not np.isfinite(np.asarray(v.value)).all()]
    if bad:
        raise NotFiniteError([f"{bad[0]} and {len(bad) - 1} more weights"])


class Checkpoints(keras.callbacks.Callback):
    """Saves the model every few steps and at the end of every epoch, also of one that was stopped in its middle.

    Args:
        run: the `Run`.
        data: what a resumed run must find again, a dictionary of `steps_per_epoch` and the number of `examples`.
        options: `RunOptions`: how often, how many to keep, what "best" means.
        writes: whether it is this host that writes.
    """

    def __init__(self, run, data, options, writes=True):
        super().__init__()
        self.run, self.data, self.options, self.writes = run, data, options, writes
        self.steps_per_epoch = data["steps_per_epoch"]
        self._losses = {}

    def restore(self, model):
        """Brings a compiled `DAGAN` to the run's newest checkpoint, if there is one; `UserError` if it does not fit."""
        newest = checkpoint.latest(self.run.checkpoints)
        if self.writes:
            remove_unfinished(self.run.checkpoints, checkpoint.NAMES)  # no other process writes: the run is held
        if newest is None:
            return
        state = checkpoint.read_state(newest)
        if "steps_per_epoch" not in state:
            raise UserError(
                f"{newest} was converted, not trained here: it makes pictures, but there is no run to resume."
            )
        before = {name: state.get(name, value) for name, value in self.data.items()}
        if before != self.data:
            raise UserError(
                f"The run had {_words(before)}; with the data as it is now there are {_words(self.data)}. A run "
                "resumes with the examples that it began with: restore them, or start a new run."
            )
        checkpoint.load(model, newest)
        self._losses = state["losses"] if state["step_in_epoch"] else {}

    def on_epoch_begin(self, epoch, logs=None):
        # Keras has just set the means over the epoch to zero; a broken one's go on.
        self.model.restore_losses(self._losses, self.model.steps_done % self.steps_per_epoch)

    def on_train_batch_end(self, batch, logs=None):
        self._losses = {name: float(value) for name, value in logs.items()}
        step = self.model.steps_done
        # The last step of an epoch is saved at its end: after what it leaves for people.
        if step % self.options.checkpoint_every == 0 and step % self.steps_per_epoch:
            check_finite(self.model)
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        self.save()
        self._losses = {}

    def save(self):
        """Saves the model as it is now; `StorageError`, with the checkpoints as they were, if that fails."""
        if not self.writes:
            return
        epoch, step = divmod(self.model.steps_done, self.steps_per_epoch)
        state = {"epoch": epoch, "step_in_epoch": step, **self.data}
        state |= {"losses": self._losses, "best_by": self.options.best}
        checkpoint.save(self.model, self.run.checkpoints, state, keep=self.options.keep)


def _words(data):
    return f"{data['examples']} examples and {data['steps_per_epoch']} steps an epoch"
