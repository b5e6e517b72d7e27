"""Train a model: `python -m dagan_tf.train --dataset facades`.

Everything that decides the numbers goes to RUN/config.json before the first step; checkpoints, sample sheets,
TensorBoard logs and a history follow. Ctrl-C (or SIGTERM) ends after the present step with a checkpoint from which
`--resume RUN` continues.
"""

import argparse
import datetime
import json
import sys

from dagan_tf import cli
from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunConfig, RunOptions, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, Preset, get_preset
from dagan_tf.runs.devices import count_hosts, open_distribution, set_xla_flags

MODEL_FIELDS = (
    "num_classes", "image_size", "use_instance_edges", "base_filters", "discriminator_filters", "num_discriminators",
    "depth", "attention", "cam_levels", "cam_filters", "spade_filters",
)  # fmt: skip
DATA_FIELDS = ("dataset", "data_dir", "label_dir", "image_dir", "instance_dir", "num_examples")
TRAIN_FIELDS = (
    "epochs", "decay_epochs", "batch_size", "accumulate", "precision", "generator_rate", "discriminator_rate",
    "beta_1", "beta_2", "feature_weight", "perceptual_weight", "perceptual", "ema", "load_scale", "flip", "seed",
)  # fmt: skip
DEVICE_FIELDS = ("devices", "strategy", "xla", "semantics", "cache")
NOT_FINITE = 4  # exit status; 1 is Python's own, of an error that nobody expected
RECORD_FIELDS = ("checkpoint_every", "keep", "best", "sample_every")


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    run = result.add_argument_group("run")
    run.add_argument(
        "--preset", choices=PRESETS, help="recipe that other flags override (default: facades; --dataset folder: none)"
    )
    run.add_argument("--run-dir", metavar="RUN", help="folder to write to (default: runs/DATASET-DATE-TIME)")
    run.add_argument(
        "--resume",
        metavar="RUN",
        help="continue the run in this folder; --preset and all flags of its start may be left out",
    )
    run.add_argument("--dry-run", action="store_true", help="print configuration, shapes and parameters, then exit")
    cli.add_flags(result, "devices and input", RunOptions, DEVICE_FIELDS)
    cli.add_flags(result, "checkpoints and samples", RunOptions, RECORD_FIELDS)
    cli.add_flags(result, "data", DataConfig, DATA_FIELDS)
    cli.add_flags(result, "label files", LabelSpec, ("first_id", "unknown_id"), "dataset")
    cli.add_flags(result, "model", ModelConfig, MODEL_FIELDS, "model")
    cli.add_flags(result, "training", TrainConfig, TRAIN_FIELDS, "train")
    return result


def resolve(arguments, data=DataConfig()):  # noqa: B008 - frozen
    """The `RunConfig` of the parsed flags: the preset and the data with what was given in place of their values."""
    data = data.replace(**cli.given(arguments, DataConfig))
    model = cli.given(arguments, ModelConfig)
    spec = cli.given(arguments, LabelSpec)
    preset = _preset(arguments.preset, data.dataset, model)
    return RunConfig(
        model=preset.model.replace(**model),
        dataset=preset.dataset_with(**spec),
        data=data,
        train=preset.train.replace(**cli.given(arguments, TrainConfig)),
    )


def _preset(name, dataset, model):
    if name or dataset != "folder":
        return get_preset(name or "facades")
    if "num_classes" not in model:
        raise UserError("Your own pairs need --num-classes (the classes of their label maps) or a --preset.")
    classes = model["num_classes"]
    size = model.get("image_size", (256, 256))
    return Preset(ModelConfig(num_classes=classes, image_size=size), LabelSpec(num_classes=classes), TrainConfig())


def open_run(arguments):
    """The run folder and its configuration, new or continued: `(run, config, resume)`."""
    from dagan_tf.runs.folder import Run

    if arguments.resume:
        if arguments.run_dir:
            raise UserError("--resume continues a run where it is: leave out --run-dir.")
        run = Run(arguments.resume)
        return run, check_same(run.read_config(), arguments), True
    if count_hosts() > 1 and not arguments.run_dir:
        raise UserError("Several hosts need the same run folder, on a disk that they share: give --run-dir.")
    config = resolve(arguments)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    run = Run(arguments.run_dir or f"runs/{config.data.dataset}-{now}")
    if run.exists:
        raise UserError(
            f"{run.path} holds a run already. Continue it with --resume {run.path}, or give another --run-dir."
        )
    return run, config, False


def check_same(saved, arguments):
    """The saved `RunConfig`, with its data where it lies now; other differences raise `UserError` with the fields."""
    parts = {"model": ModelConfig, "dataset": LabelSpec, "data": DataConfig, "train": TrainConfig}
    if arguments.preset:
        changed = resolve(arguments, saved.data)
    else:
        changed = RunConfig(**{n: getattr(saved, n).replace(**cli.given(arguments, part)) for n, part in parts.items()})
    differences = saved.differences(changed)
    if differences:
        lines = "\n".join(f"  {name}: the run has {old!r}, given was {new!r}" for name, old, new in differences)
        raise UserError(
            f"A run resumes with its own configuration. It differs in:\n{lines}\n"
            + (
                "Give all flags that it was started with, or no --preset"
                if arguments.preset
                else "Leave these flags out"
            )
            + ", or start a new run with another --run-dir."
        )
    return changed


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    with cli.stoppable():  # until training itself takes the signals; what was begun is cleaned up
        return start(arguments)


def start(arguments):
    """Trains, or shows what would be trained; returns the exit status."""
    run, config, resume = open_run(arguments)
    options = RunOptions(**cli.given(arguments, RunOptions))
    options.check_losses(config.train)
    set_xla_flags(options)
    cli.import_tensorflow()
    if arguments.dry_run and count_hosts() > 1:
        show(config)  # without their devices: each host would wait for the others
        return 0
    distribution = open_distribution(options, config.train.batch_size, config.train.accumulate)
    distribution.check_batch(config.train.batch_size, config.train.accumulate)
    if arguments.dry_run:
        show(config)
        return 0
    from dagan_tf.runs.session import train

    outcome = train(config, run, resume, options, distribution, verbose=1 if sys.stdout.isatty() else 2)
    return report(run, outcome)


def show(config):
    """Prints a `RunConfig`, the shapes and the parameters of its networks."""
    from dagan_tf.networks.summary import parameter_table

    print(json.dumps(config.to_dict(), indent=2), parameter_table(config.model), sep="\n\n")


def report(run, outcome):
    """Prints how the run ended and where everything is; returns the exit status."""
    places = f"checkpoints, samples, tensorboard, history.jsonl and config.json are in {run.path}"
    if outcome.not_finite:
        print(
            f"error: not a finite number at step {outcome.step}: {', '.join(outcome.not_finite)}. The last good "
            "checkpoint is kept, but resumed from there the run would meet the same numbers: check the data, or start "
            f"a new run with lower learning rates; {places}",
            file=sys.stderr,
        )
        return NOT_FINITE
    if outcome.step < outcome.total_steps:
        print(f"Stopped at step {outcome.step} of {outcome.total_steps}; continue with --resume {run.path}; {places}")
        return 128 + outcome.signal
    print(f"Finished {outcome.step} steps; {places}")
    return 0


if __name__ == "__main__":
    cli.run(main)
