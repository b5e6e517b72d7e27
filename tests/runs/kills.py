"""Runs that are killed at random moments, resumed until they are done, and held against a run that nothing disturbed.

    python -m tests.runs.kills FOLDER --runs 20

Each run is the real command with one more callback, which tells the steps. Prints a line for each run; exits with 1 if
a newest checkpoint could not be loaded, more steps were repeated than lie between two checkpoints, or the final state
differs in a bit.
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from dagan_tf.runs import checkpoint
from tests.helpers import ROOT, tiny_config

EVERY, WRITING = 2, "writing"
EPOCHS = {"epochs": 8, "decay_epochs": 4}


def child(run):
    """The command `train --resume RUN`, which prints the number of every step it has done."""
    import keras

    from dagan_tf import train
    from dagan_tf.runs import session

    class Tell(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            print("begins", self.model.steps_done, flush=True)

        def on_train_batch_end(self, batch, logs=None):
            print("step", self.model.steps_done, flush=True)

    fit = session._fit
    session._fit = lambda model, data, epochs, callbacks, *rest: fit(model, data, epochs, [Tell(), *callbacks], *rest)
    return train.main(["--resume", str(run), "--checkpoint-every", str(EVERY), "--semantics", "dense"])


class Attempt:
    """One process of a run, ended by SIGKILL or by itself.

    Attributes:
        begins, step: the steps at which it began and that it did last; `None` if it did none.
        writing: whether it was killed while it wrote a checkpoint.
        finished: whether it came to the end.
    """

    def __init__(self, run, kill_after_steps=None, delay=0.0):
        """Kills after so many steps and seconds; a delay of `WRITING`: when it writes its next checkpoint."""
        self.begins = self.step = None
        self.writing = False
        command = [sys.executable, "-W", "ignore", "-m", "tests.runs.kills", str(run.path), "--child"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            for line in process.stdout:
                self._note(line)
                due = kill_after_steps is not None and self.begins is not None
                if due and self.step - self.begins >= kill_after_steps:
                    self._wait(run, process, delay)
                    process.kill()
                    break
            for line in process.stdout:  # what was told before the kill
                self._note(line)
            process.wait()
            errors.seek(0)
            said = errors.read()
        self.writing = any(run.checkpoints.glob(f"{checkpoint.UNFINISHED}step-*"))
        self.finished = process.returncode == 0
        if process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"the run ended with status {process.returncode}:\n{said[-3000:]}")

    @staticmethod
    def _wait(run, process, delay):
        if delay != WRITING:
            time.sleep(delay)
            return
        while process.poll() is None and not any(run.checkpoints.glob(f"{checkpoint.UNFINISHED}step-*/*")):
            time.sleep(0.0005)

    def _note(self, line):
        word, _, number = line.partition(" ")
        if word == "begins" and self.begins is None:
            self.begins = self.step = int(number)
        elif word == "step":
            self.step = int(number)


def state(model, path):
    """Every variable that a checkpoint holds."""
    checkpoint.load(model, path)
    parts = (model, model.generator_optimizer, model.discriminator_optimizer)
    return [np.array(v.numpy()) for part in parts for v in part.variables]


def killed_and_resumed(run, config, kills, model):
    """Starts a run, kills it after each of `kills`, (steps, seconds), and resumes it until it is done.

    Returns:
        `(attempts, repeated, final state)`: the `Attempt`s, the most steps that one of them had to repeat.
    """
    run.write_config(config)
    attempts, repeated = [], 0
    for steps, delay in [*kills, (None, 0.0)]:
        attempts.append(Attempt(run, steps, delay))
        newest = checkpoint.latest(run.checkpoints)
        if newest:
            state(model, newest)  # raises if it is not whole
        begun = checkpoint.read_state(newest)["step"] if newest else 0
        repeated = max(repeated, attempts[-1].step - begun)
        if attempts[-1].finished:
            break
    return attempts, repeated, state(model, run.latest())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first run, which seeds it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.folder)
    from dagan_tf.runs import session
    from dagan_tf.runs.folder import Run

    config = tiny_config(**EPOCHS)
    total = 3 * config.train.total_epochs
    model = session.build_model(config, 3)
    whole = Run(arguments.folder / "whole")
    if not whole.exists:
        whole.write_config(config)
        Attempt(whole)
    expected, good, while_writing = state(model, whole.latest()), True, 0
    print("run  killed at step (w: while writing)  repeated  final state")
    for number in range(arguments.first, arguments.first + arguments.runs):
        rng = random.Random(number)
        kills = [(rng.randrange(total // 2), rng.uniform(0, 0.3)) for _ in range(rng.choice((1, 2)))]
        kills[:1] = [(kills[0][0], WRITING)] if number % 2 else kills[:1]
        attempts, repeated, final = killed_and_resumed(Run(arguments.folder / f"{number}"), config, kills, model)
        same = all(np.array_equal(a, b) for a, b in zip(expected, final, strict=True))
        good = good and same and repeated <= EVERY
        while_writing += sum(a.writing for a in attempts if not a.finished)
        killed = ", ".join(f"{a.step}{'w' if a.writing else ''}" for a in attempts if not a.finished)
        print(f"{number:3}  {killed:35}  {repeated:8}  {'identical' if same else 'DIFFERS'}", flush=True)
    print(f"{while_writing} kills came while a checkpoint was written")
    return 0 if good and while_writing else 1


if __name__ == "__main__":
    sys.exit(main())
