"""What happens around the steps of a run: checkpoints, samples, records, and the two ways to stop early."""

import json
import math
import signal
import time

import keras
import numpy as np
import tensorflow as tf

from dagan_tf.data.render import colour, grid, to_uint8, write_png
from dagan_tf.training import checkpoint


class StopOnSignal(keras.callbacks.Callback):
    """Ends training after the present step on SIGINT or SIGTERM; a second signal ends the process at once.

    A context manager: the signals are taken inside it only.

    Attributes:
        received: the `signal.Signals` that came, or `None`.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        super().__init__()
        self.received = None

    def __enter__(self):
        self._before = {s: signal.signal(s, self._note) for s in self.SIGNALS}
        return self

    def __exit__(self, *exception):
        for s, handler in self._before.items():
            signal.signal(s, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        print(f"\n{self.received.name}: stopping after this step; once more to stop at once.", flush=True)
        for s, handler in self._before.items():
            signal.signal(s, handler)

    def on_train_batch_end(self, batch, logs=None):
        if self.received:
            self.model.stop_training = True


class NonFiniteLossError(ArithmeticError):
    """A loss was NaN or infinite; `losses` has the names."""

    def __init__(self, losses):
        super().__init__(f"{', '.join(losses)} was not a finite number")
        self.losses = losses


class StopOnNaN(keras.callbacks.Callback):
    """Raises `NonFiniteLossError` at the first loss that is not a finite number, so that nothing more is saved."""

    def on_train_batch_end(self, batch, logs=None):
        bad = tuple(name for name, value in (logs or {}).items() if not math.isfinite(value))
        if bad:
            raise NonFiniteLossError(bad)


class Checkpoints(keras.callbacks.Callback):
    """Saves the model at the end of every epoch, also of one that was stopped in its middle.

    Args:
        run: the `Run`.
        steps_per_epoch: steps of a whole epoch.
        keep: checkpoints to keep.
    """

    def __init__(self, run, steps_per_epoch, keep=2):
        super().__init__()
        self.run, self.steps_per_epoch, self.keep = run, steps_per_epoch, keep

    def on_epoch_end(self, epoch, logs=None):
        self.save(logs)

    def save(self, logs=None):
        """Saves the model as it is now."""
        epoch, step = divmod(int(self.model.step), self.steps_per_epoch)
        losses = {name: float(value) for name, value in (logs or {}).items()}
        state = {"epoch": epoch, "step_in_epoch": step, "losses": losses}
        checkpoint.save(self.model, self.run.checkpoints, state, keep=self.keep)


class History(keras.callbacks.Callback):
    """One line per finished epoch in `history.jsonl`, and the same numbers as TensorBoard scalars.

    Args:
        run: the `Run`.
        steps_per_epoch: steps of a whole epoch.
        writer: a `tf.summary` writer.
    """

    def __init__(self, run, steps_per_epoch, writer):
        super().__init__()
        self.run, self.steps_per_epoch, self.writer = run, steps_per_epoch, writer

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._first_step = time.monotonic(), int(self.model.step)

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.step)
        if step % self.steps_per_epoch:
            return  # stopped in its middle: the resumed run will finish and record it
        seconds = (time.monotonic() - self._began) / max(1, step - self._first_step)
        values = {name: float(value) for name, value in (logs or {}).items()}
        values |= {"seconds_per_step": seconds, **self._learning_rates()}
        with self.run.history.open("a") as file:
            file.write(json.dumps({"epoch": epoch + 1, "step": step, **values}) + "\n")
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def _learning_rates(self):
        names = ("generator", "discriminator")
        return {f"{n}_rate": float(getattr(self.model, f"{n}_optimizer").learning_rate) for n in names}


class Samples(keras.callbacks.Callback):
    """Every few epochs a sheet of pictures, as PNG and for TensorBoard: label in colour | generated | real.

    Args:
        run: the `Run`.
        batch: a batch of examples, the same every time.
        spec: the `DatasetSpec`, for its colours.
        steps_per_epoch: steps of a whole epoch.
        writer: a `tf.summary` writer.
        every: epochs between sheets.
        last_epoch: the number of the run's last epoch, which always gets one.
    """

    def __init__(self, run, batch, spec, steps_per_epoch, writer, every, last_epoch):
        super().__init__()
        self.run, self.steps_per_epoch, self.writer = run, steps_per_epoch, writer
        self.every, self.last_epoch = every, last_epoch
        self.batch = {name: np.asarray(value) for name, value in batch.items()}
        self.labels = colour(self.batch["label"], spec.palette or spec.num_classes)
        self.real = to_uint8(self.batch["image"])

    def on_epoch_end(self, epoch, logs=None):
        finished = int(self.model.step) % self.steps_per_epoch == 0
        if finished and ((epoch + 1) % self.every == 0 or epoch + 1 == self.last_epoch):
            self.write(epoch + 1)

    def write(self, epoch):
        """Writes the sheet of an epoch and returns its path."""
        maps = {name: value for name, value in self.batch.items() if name != "image"}
        images = to_uint8(self.model.predict(maps, batch_size=len(self.real), verbose=0))
        sheet = grid([list(row) for row in zip(self.labels, images, self.real, strict=True)])
        path = self.run.samples / f"epoch-{epoch:04d}.png"
        write_png(path, sheet)
        with self.writer.as_default(step=int(self.model.step)):
            tf.summary.image("label | generated | real", sheet[None])
        return path
