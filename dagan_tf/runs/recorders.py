"""What a run leaves for people: history, TensorBoard, sheets of samples."""

import json
import time

import keras
import numpy as np
import tensorflow as tf

from dagan_tf.files import replaced
from dagan_tf.images import to_uint8, write_png
from dagan_tf.inference import one_by_one, traced
from dagan_tf.palettes import colour
from dagan_tf.visualisation.sheets import grid


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

    def forget_after(self, step):
        """Drops the lines of epochs that a run resumed at `step` will train again, and a line that a kill cut off."""
        if not self.run.history.is_file():
            return
        lines = self.run.history.read_text().splitlines()
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        with replaced(self.run.history) as unfinished:
            unfinished.write_text("".join(line + "\n" for line in kept))

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._first_step = time.monotonic(), self.model.steps_done

    def on_epoch_end(self, epoch, logs=None):
        step = self.model.steps_done
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
        self.writer.flush()

    def _learning_rates(self):
        names = ("generator", "discriminator")
        return {f"{n}_rate": float(getattr(self.model, f"{n}_optimizer").learning_rate) for n in names}


class FirstStep(keras.callbacks.Callback):
    """Says that the training graph is being built, which can take longer than many steps, and how long it took."""

    def __init__(self):
        super().__init__()
        self._began = None
        self._done = False

    def on_train_begin(self, logs=None):
        if not self._done:
            self._began = time.monotonic()
            print("Building the training graph ...", flush=True)

    def on_train_batch_end(self, batch, logs=None):
        if not self._done:
            print(f"... the first step took {time.monotonic() - self._began:.1f} s", flush=True)
            self._done = True


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
        finished = self.model.steps_done % self.steps_per_epoch == 0
        if finished and ((epoch + 1) % self.every == 0 or epoch + 1 == self.last_epoch):
            picture = self.sheet.draw(self.model)
            write_png(self.run.samples / f"epoch-{epoch + 1:04d}.png", picture)
            with self.writer.as_default(step=self.model.steps_done):
                tf.summary.image("label | generated | real", picture[None])


class SampleSheet:
    """The examples of a run's sample sheets, the same every time.

    Pictures are made one by one, in the memory that training leaves, and by this host alone.

    Args:
        batch: a batch of examples with images, see `Pipeline`.
        spec: the `LabelSpec`, for its colours.
    """

    def __init__(self, batch, spec):
        self.maps = {name: np.asarray(value) for name, value in batch.items() if name != "image"}
        self.labels = colour(self.maps["label"], spec.palette or spec.num_classes)
        self.real = to_uint8(batch["image"])
        self._draw = None

    def draw(self, model):
        """The sheet with a `DAGAN`'s present pictures: uint8 (H, W, 3)."""
        self._draw = self._draw or traced(model.inference_generator)
        images = to_uint8(one_by_one(self._draw, self.maps))
        return grid([list(row) for row in zip(self.labels, images, self.real, strict=True)])
