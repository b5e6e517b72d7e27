"""Checkpoints of the authors' PyTorch code (DAGAN's, SPADE's) to a run folder of ours, and back.

    python -m dagan_tf.convert to-run --preset facades --generator latest_net_G.pth --output RUN
    python -m dagan_tf.convert to-pytorch --run RUN --output FOLDER

A .pth file is read without executing anything in it. SPADE's checkpoints have no attention: --attention none.
"""

from dagan_tf import cli
from dagan_tf.config import ModelConfig
from dagan_tf.presets import PRESETS

FIXED = ("backbone", "cam_levels", "cam_filters")  # the authors' networks have one of each
MODEL_FIELDS = [name for name in ModelConfig.names() if name not in FIXED]


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.convert", description=__doc__)
    commands = result.add_subparsers(dest="command", required=True)
    to_run = commands.add_parser("to-run", help="PyTorch weights -> run folder, for generate and export")
    to_run.add_argument("--preset", choices=PRESETS, required=True, help="the data set they were trained on")
    to_run.add_argument("--generator", metavar="FILE", required=True, help="latest_net_G.pth (or .npz)")
    to_run.add_argument("--discriminator", metavar="FILE", help="latest_net_D.pth (default: fresh weights)")
    to_run.add_argument("--output", metavar="RUN", required=True, help="run folder to make")
    to_run.add_fields("model", ModelConfig, MODEL_FIELDS)
    to_pytorch = commands.add_parser("to-pytorch", help="run folder -> latest_net_G and latest_net_D")
    to_pytorch.add_argument("--run", metavar="RUN", required=True, help="run folder")
    to_pytorch.add_argument("--output", metavar="FOLDER", required=True, help="folder for the two files")
    to_pytorch.add_argument("--format", choices=("pth", "npz"), default="pth", help="(default: pth)")
    return result


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.import_keras()
    from dagan_tf.runs.conversion import from_pytorch, to_pytorch

    if arguments.command == "to-pytorch":
        paths = to_pytorch(arguments.run, arguments.output, arguments.format)
        print(f"Wrote {' and '.join(path.name for path in paths)} to {arguments.output}")
        return 0
    files = (arguments.generator, arguments.discriminator)
    run = from_pytorch(arguments.output, arguments.preset, *files, **cli.given(arguments, ModelConfig))
    loaded = "generator and discriminator" if arguments.discriminator else "generator (discriminator: fresh weights)"
    print(f"Converted {loaded}; python -m dagan_tf.generate --run {run.path} makes pictures with it")
    return 0


if __name__ == "__main__":
    cli.run(main, parser)
