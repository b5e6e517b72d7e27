"""Ten training steps in a process of its own, on some devices: a script that other tests start, and compare.

    python -m tests.training.ten_steps FOLDER --devices 8 --xla on

Begins at FOLDER/warm.weights.h5, a model of 120 steps at the recipe's rates, which `--warm-up` makes. From fresh
weights, and at the recipe's rates, ten steps are chaotic: one device diverges as far from itself when only the order of
the examples in a batch changes. Writes the losses of each step and every variable to FOLDER/NAME.npz.
"""

import pathlib

import numpy as np

from dagan_tf import cli
from dagan_tf.config import DataConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.presets import facades
from dagan_tf.runs.devices import open_distribution, set_xla_flags

STEPS, WARM_STEPS = 10, 120
WARM, RATE, WARM_RATE = "warm.weights.h5", 1e-6, 1e-4


def config(rate, **train):
    size = {"image_size": (64, 64), "base_filters": 8, "discriminator_filters": 8, "spade_filters": 8}
    options = {"epochs": 1000, "decay_epochs": 0, "batch_size": 8, "perceptual": "off", "ema": 0.9, **train}
    rates = {"generator_rate": rate, "discriminator_rate": 4 * rate}
    data = DataConfig(dataset="procedural", num_examples=8 * STEPS)
    model = facades.MODEL.replace(**size)
    return RunConfig(model, facades.LABELS, data, TrainConfig(**rates, **options))


def recorder():
    import keras

    class Losses(keras.callbacks.Callback):
        """The losses of each step, not their means."""

        rows = ()

        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            self.rows += ([float(logs[name]) for name in sorted(logs)],)

    return Losses()


def variables(model):
    parts = {"": model, "generator_optimizer ": model.generator_optimizer}
    parts["discriminator_optimizer "] = model.discriminator_optimizer
    return {name + v.path: v.numpy() for name, part in parts.items() for v in part.variables}


def fit(model, pipeline, distribution, steps):
    data = distribution.distribute(lambda *place: pipeline.for_host(*place).stream())
    losses = recorder()
    model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[losses])
    return np.array(losses.rows)


def main():
    parser = cli.Parser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--warm-up", action="store_true")
    parser.add_argument("--name", default="steps")
    parser.add_fields("devices", RunOptions, ("devices", "strategy", "xla", "semantics"))
    parser.add_fields("training", TrainConfig, ("accumulate", "precision"))
    arguments = parser.parse_args()
    options = RunOptions(**{"semantics": "dense", **cli.given(arguments, RunOptions)})
    set_xla_flags(options)
    from dagan_tf.runs import session

    distribution = open_distribution(options)
    warm = arguments.folder / WARM
    if arguments.warm_up:
        chosen = config(WARM_RATE)
        model = session.build_model(chosen, STEPS, semantics="dense")
        fit(model, session.training_pipeline(chosen), distribution, WARM_STEPS)
        model.save_weights(warm)
    chosen = config(RATE, **cli.given(arguments, TrainConfig))
    distribution.check_batch(chosen.train.batch_size, chosen.train.accumulate)
    model = session.build_model(chosen, STEPS, distribution, options.semantics)
    model.load_weights(warm)
    model.optimizer.learning_rate = RATE  # the file has that of the steps before
    losses = fit(model, session.training_pipeline(chosen), distribution, STEPS)
    if distribution.is_chief:
        np.savez(arguments.folder / f"{arguments.name}.npz", losses=losses, **variables(model))
        model.save_weights(arguments.folder / f"{arguments.name}.weights.h5")


if __name__ == "__main__":
    main()
