"""Checkpoints of the released PyTorch code (DAGAN's, SPADE's) to a run folder of ours, and back.

    python -m dagan_tf.convert to-run --preset facades --generator latest_net_G.pth --output RUN
    python -m dagan_tf.convert to-release --run RUN --output FOLDER

A .pth file is read without executing anything in it. SPADE's checkpoints have no attention: --attention none.
"""

import argparse
import pathlib

from dagan_tf import cli
from dagan_tf.config import DataConfig, ModelConfig, RunConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, get_preset

LIBRARY = ("load_pytorch_weights", "pytorch_weights")


def __getattr__(name):
    """`load_pytorch_weights` and `pytorch_weights`, imported when asked for: the command's help needs no Keras."""
    if name not in LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dagan_tf.networks.pytorch import names as release

    return getattr(release, name)


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = result.add_subparsers(dest="command", required=True)
    to_run = commands.add_parser("to-run", help="release -> run folder, for generate and export")
    to_run.add_argument("--preset", choices=PRESETS, required=True, help="the dataset it was trained on")
    to_run.add_argument("--generator", metavar="FILE", required=True, help="latest_net_G.pth (or .npz)")
    to_run.add_argument("--discriminator", metavar="FILE", help="latest_net_D.pth (default: fresh weights)")
    to_run.add_argument("--output", metavar="RUN", required=True, help="run folder to make")
    fields = ("num_classes", "image_size", "use_instance_edges", "base_filters", "discriminator_filters", "depth")
    cli.add_flags(to_run, "model", ModelConfig, (*fields, "attention"), "model")
    to_release = commands.add_parser("to-release", help="run folder -> latest_net_G and latest_net_D")
    to_release.add_argument("--run", metavar="RUN", required=True, help="run folder")
    to_release.add_argument("--output", metavar="FOLDER", required=True, help="folder for the two files")
    to_release.add_argument("--format", choices=("pth", "npz"), default="pth", help="(default: pth)")
    return result


def to_run(arguments):
    """Makes a run folder of the release's files."""
    from dagan_tf.networks.pytorch.files import read_state
    from dagan_tf.networks.pytorch.names import load_pytorch_weights
    from dagan_tf.runs import checkpoint
    from dagan_tf.runs.folder import Run
    from dagan_tf.training.dagan import DAGAN

    run = Run(arguments.output)
    if run.exists:
        raise UserError(f"{run.path} holds a run already: give another --output.")
    preset = get_preset(arguments.preset)
    config = preset.model.replace(cam_levels="last", **cli.given(arguments, ModelConfig))
    model = DAGAN(config)
    load_pytorch_weights(model.generator, read_state(arguments.generator))
    if arguments.discriminator:
        load_pytorch_weights(model.discriminator, read_state(arguments.discriminator))
    checkpoint.save(model, run.checkpoints, {"converted_from": pathlib.Path(arguments.generator).name})
    spec = preset.labels_with(num_classes=config.num_classes)
    run.write_config(RunConfig(config, spec, DataConfig(), preset.train))
    loaded = "generator and discriminator" if arguments.discriminator else "generator (discriminator: fresh weights)"
    print(f"Converted {loaded}; python -m dagan_tf.generate --run {run.path} makes pictures with it")


def to_release(arguments):
    """Writes a run's networks as the release's files."""
    from dagan_tf.networks.pytorch.files import write_state
    from dagan_tf.networks.pytorch.names import pytorch_weights
    from dagan_tf.runs.folder import load_model

    model, _, _ = load_model(arguments.run)
    folder = pathlib.Path(arguments.output)
    networks = {"latest_net_G": model.inference_generator, "latest_net_D": model.discriminator}
    states = {name: pytorch_weights(network) for name, network in networks.items()}
    for name, state in states.items():
        write_state(folder / f"{name}.{arguments.format}", state)
    print(f"Wrote {' and '.join(f'{name}.{arguments.format}' for name in states)} to {folder}")


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.import_tensorflow()
    (to_run if arguments.command == "to-run" else to_release)(arguments)
    return 0


if __name__ == "__main__":
    cli.run(main)
