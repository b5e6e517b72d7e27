"""Train a model: `python -m dagan_tf.train --dataset facades`.

Everything that decides the numbers goes to RUN/config.json before the first step; checkpoints, sample sheets,
TensorBoard logs and a history follow. Ctrl-C (or SIGTERM) ends after the present step with a checkpoint from which
`--resume RUN` continues.
"""

import json
import sys

from dagan_tf import cli
from dagan_tf.config import DataConfig, LabelSpec, ModelConfig, RunOptions, TrainConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS
from dagan_tf.runs import opening
from dagan_tf.runs.devices import open_distribution, set_xla_flags
from dagan_tf.runs.hosts import count_hosts

FIELDS = (
    ("devices and input", RunOptions, ("devices", "strategy", "xla", "semantics", "cache", "max_pixels")),
    ("checkpoints and samples", RunOptions, ("checkpoint_every", "keep", "best", "sample_every")),
    ("data", DataConfig),
    ("label files", LabelSpec, ("first_id", "unknown_id")),
    ("model", ModelConfig),
    ("training", TrainConfig),
)
"""The fields that are flags: title in `--help`, configuration, and names where not all of its fields are."""
NOT_FINITE = 4  # exit status, beside those of `cli`


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.train", description=__doc__)
    run = result.add_argument_group("run")
    run.add_argument(
        "--preset", choices=PRESETS, help="recipe that other flags override (default: the data set's; folder: none)"
    )
    cli.add_classes_flag(run)
    run.add_argument("--run-dir", metavar="RUN", help="folder to write to (default: runs/DATASET-DATE-TIME)")
    run.add_argument(
        "--resume",
        metavar="RUN",
        help="continue the run in this folder; --preset and all flags of its start may be left out",
    )
    run.add_argument("--dry-run", action="store_true", help="print configuration, shapes and parameters, then exit")
    for row in FIELDS:
        result.add_fields(*row)
    return result


def open_run(arguments):
    """The run folder and its configuration, new or continued: `(run, config)`."""
    changes = {part: cli.given(arguments, config_class) for part, config_class in opening.PARTS.items()}
    if arguments.resume:
        if arguments.run_dir:
            raise UserError("--resume continues a run where it is: leave out --run-dir.")
        return opening.resume(arguments.resume, arguments.preset, changes, arguments.classes)
    config = opening.configure(arguments.preset, changes, arguments.classes)
    return opening.begin(config, arguments.run_dir), config


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    # Until training itself takes the signals; what was begun is cleaned up. A library that is being imported may
    # swallow one: it is looked for again, at last when training takes over.
    with cli.stoppable() as check_stopped:
        return start(arguments, check_stopped)


def start(arguments, check_stopped=lambda: None):
    """Trains, or shows what would be trained; returns the exit status."""
    run, config = open_run(arguments)
    options = RunOptions(**cli.given(arguments, RunOptions))
    cli.set_pixel_limit({"max_pixels": options.max_pixels})
    options.check_training(config.train)
    set_xla_flags(options)
    cli.import_keras()
    if arguments.dry_run and count_hosts() > 1:
        return show(config)  # without their devices: each host would wait for the others
    distribution = open_distribution(options, config.train.batch_size, config.train.accumulate)
    check_stopped()
    distribution.check_batch(config.train.batch_size, config.train.accumulate)
    if arguments.dry_run:
        return show(config)
    from dagan_tf.runs.session import train

    verbose = 1 if sys.stdout.isatty() else 2

    def warn(text):
        print(f"warning: {cli.with_flags(text, parser().flags())}", file=sys.stderr, flush=True)

    return report(run, train(config, run, bool(arguments.resume), options, distribution, verbose, warn, check_stopped))


def show(config):
    """Prints a `RunConfig`, the shapes and the parameters of its networks; returns the exit status."""
    from dagan_tf.networks.summary import parameter_table

    print(json.dumps(config.to_dict(), indent=2), parameter_table(config.model), sep="\n\n")
    return 0


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
    cli.run(main, parser)
