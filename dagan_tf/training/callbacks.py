"""What happens around the steps of a run: checkpoints, samples, records, and the two ways to stop early."""

import json
import math
import os
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
        # Not print: the signal may have come in the middle of another one.
        os.write(1, f"\n{self.received.name}: stopping after this step; once more to stop at once.\n".encode())
        for s, handler in self._before.items():
            signal.signal(s, handler)

    def on_train_batch_end(self, batch, logs=None):
        if self.received:
            self.model.stop_training = True


class NotFiniteError(ArithmeticError):
    """Losses or weights are NaN or infinite; `names` says which."""

    def __init__(self, names):
        super().__init__(f"not a finite number: {', '.join(names)}")
        self.names = tuple(names)


class StopOnNaN(keras.callbacks.Callback):
    """Raises `NotFiniteError` at the first loss that is not a finite number, so that nothing more is saved."""

    def on_train_batch_end(self, batch, logs=None):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if bad:
            raise NotFiniteError(bad)


class Checkpoints(keras.callbacks.Callback):
    """Saves the model at the end of every epoch, also of one that was stopped in its middle.

    Args:
        run: the `Run`.
        steps_per_epoch: steps of a whole epoch; saved, too, so that a resumed run notices that its data changed.
        keep: checkpoints to keep.
    """

    def __init__(self, run, steps_per_epoch, keep=2):
        super().__init__()
        self.run, self.steps_per_epoch, self.keep = run, steps_per_epoch, keep

    def on_epoch_end(self, epoch, logs=None):
        self.save(logs)

    def save(self, logs=None):
        """Saves the model as it is now; `NotFiniteError`, and nothing saved, if a weight is not finite.

        A step's losses are those before its update: they cannot tell whether the update itself was good.
        """
        parts = (self.model, self.model.generator_optimizer, self.model.discriminator_optimizer)
        variables = [v for part in parts for v in part.variables]
        bad = [v.path for v in variables if not np.isfinite(np.asarray(v.value)).all()]
        if bad:
            raise NotFiniteError([f"{bad[0]} and {len(bad) - 1} more weights"])
        epoch, step = divmod(int(self.model.step), self.steps_per_epoch)
        losses = {name: float(value) for name, value in (logs or {}).items()}
        state = {"epoch": epoch, "step_in_epoch": step, "steps_per_epoch": self.steps_per_epoch, "losses": losses}
        checkpoint.save(self.model, self.run.checkpoints, state, keep=self.keep)


class History(keras.callbacks.Callback):
    """One line per finished epoch in `history.jsonl`, and the same numbers as TensorBoard scalars.

    The losses of an epoch that was finished after a resume are means over the steps after it.

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
        sheet: a `SampleSheet`.
        steps_per_epoch: steps of a whole epoch.
        writer: a `tf.summary` writer.
        every: epochs between sheets.
        last_epoch: the number of the run's last epoch, which always gets one.
    """

    def __init__(self, run, sheet, steps_per_epoch, writer, every, last_epoch):
        super().__init__()
        self.run, self.sheet, self.steps_per_epoch, self.writer = run, sheet, steps_per_epoch, writer
        self.every, self.last_epoch = every, last_epoch

    def on_epoch_end(self, epoch, logs=None):
        finished = int(self.model.step) % self.steps_per_epoch == 0
        if finished and ((epoch + 1) % self.every == 0 or epoch + 1 == self.last_epoch):
            picture = self.sheet.draw(self.model)
            write_png(self.run.samples / f"epoch-{epoch + 1:04d}.png", picture)
            with self.writer.as_default(step=int(self.model.step)):
                tf.summary.image("label | generated | real", picture[None])


class SampleSheet:
    """The examples of a run's sample sheets, the same every time.

    Args:
        batch: a batch of examples with images, see `Pipeline`.
        spec: the `DatasetSpec`, for its colours.
    """

    def __init__(self, batch, spec):
        self.maps = {name: np.asarray(value) for name, value in batch.items() if name != "image"}
        self.labels = colour(self.maps["label"], spec.palette or spec.num_classes)
        self.real = to_uint8(batch["image"])

    def draw(self, model):
        """The sheet with a `DAGAN`'s present pictures: uint8 (H, W, 3)."""
        images = to_uint8(model.predict(self.maps, batch_size=len(self.real), verbose=0))
        return grid([list(row) for row in zip(self.labels, images, self.real, strict=True)])
