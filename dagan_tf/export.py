"""A trained run to a model that servers and devices run.

    python -m dagan_tf.export --run RUN --output MODELS/NAME             a version folder for TF-Serving
    python -m dagan_tf.export --run RUN --output MODELS/NAME --tflite    TFLite files in it, too

The version appears whole or not at all, after its pictures were compared with Keras. Serve it with TF-Serving (see
serving/README.md) or `python -m dagan_tf.serve --model MODELS/NAME`.
"""

import argparse
import importlib.util
import os
import pathlib

from dagan_tf import cli
from dagan_tf.config import PRECISIONS, TFLITE_KINDS, ModelConfig, RunOptions
from dagan_tf.errors import UserError

PACKAGES = {"tensorflow_serving": "serving", "ai_edge_litert": "tflite"}


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--run", metavar="RUN", required=True, help="run folder")
    cli.add_checkpoint_flag(result)
    result.add_argument("--output", metavar="MODELS/NAME", required=True, help="the model's folder, for its versions")
    result.add_argument("--version", type=version_number, metavar="N", help="(default: the next free one)")
    cli.add_flags(result, "model", ModelConfig, ["image_size"], default="the run's")
    cli.add_flags(result, "label maps in the graph", RunOptions, ["semantics"])
    result.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the SavedModel's kernels and products; bfloat16 is smaller, and faster where processors have it "
        "(default: float32)",
    )
    kinds = ", ".join(TFLITE_KINDS)
    result.add_argument(
        "--tflite",
        nargs="*",
        choices=TFLITE_KINDS,
        metavar="KIND",
        help=f"TFLite files of these kinds, or of all: {kinds}",
    )
    maps = result.add_argument_group("label maps, for --tflite and --precision bfloat16")
    what = "with which files are calibrated and measured (default: the run's data)"
    maps.add_argument("--labels", metavar="FOLDER", help=f"label maps {what}")
    maps.add_argument("--instances", metavar="FOLDER", help="their instance maps, if the model reads edges")
    maps.add_argument("--data-dir", metavar="FOLDER", help="where the facades of the run are now, if they moved")
    return result


def version_number(text):
    """argparse's type of a version."""
    value = cli.positive(text)
    if value >= 2**63 - 1:
        raise argparse.ArgumentTypeError(f"servers take versions below 2^63 - 1, received {text}")
    return value


def check_packages(tflite):
    """Raises `UserError` for a package that an export needs and that is not installed."""
    needed = ["tensorflow_serving"] + (["ai_edge_litert"] if tflite else [])
    missing = [PACKAGES[name] for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        extras = ",".join(missing)
        raise UserError(f"This export needs packages that are not installed: pip install 'dagan_tf[{extras}]'.")


def export_tflite(kinds, generator, folder, examples):
    """Writes the TFLite files and prints how good they are; `examples` are those of `maps.of_run`."""
    from dagan_tf.exports import tflite

    calibration, measured, split = examples
    print(f"TFLite against Keras on {len(measured['label'])} {split} label maps:", flush=True)
    print(f"  {'file':16}{'MB':>8}{'PSNR dB':>10}{'largest of 255':>16}{'ms a picture':>14}", flush=True)
    results = tflite.write(generator, folder, kinds, calibration, measured)
    for kind in kinds:
        print(f"  {kind + '.tflite':16}", end="", flush=True)
        with cli.quiet():  # the converter writes its own notes
            row = next(results)
        print(f"{row.size / 1e6:8.1f}{row.psnr:10.1f}{row.largest:16}{row.milliseconds:14.0f}", flush=True)


def check_saved_model(folder, trained, config, precision, examples):
    """Compares the SavedModel with Keras, dense and not folded, and prints how far they are apart."""
    from dagan_tf.exports import maps, version
    from dagan_tf.networks import Generator

    reference = Generator(config, "dense")
    reference.set_weights(trained.get_weights())
    if precision == "float32":
        largest, mean = version.check(folder, reference, maps.drawn(config))
        print(f"SavedModel against Keras: at most {largest} of 255 apart, {mean:.4f} on average", flush=True)
        return
    _, measured, split = examples
    decibels = version.check_half(folder, reference, measured)
    maps_text = f"{len(measured['label'])} {split} label maps"
    print(f"SavedModel in {precision} against Keras in float32 on {maps_text}: PSNR {decibels:.1f} dB", flush=True)


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    folder = pathlib.Path(os.path.abspath(arguments.output))
    check_packages(arguments.tflite is not None)
    cli.import_tensorflow()
    from dagan_tf.exports import maps, version
    from dagan_tf.exports.card import model_card
    from dagan_tf.networks.folding import fold
    from dagan_tf.runs.folder import load_model

    model, config, checkpoint = load_model(arguments.run, arguments.checkpoint)
    trained, precision = model.inference_generator, arguments.precision
    generator = fold(trained, precision, **cli.given(arguments, ModelConfig), **cli.given(arguments, RunOptions))
    weights = "generator" if model.ema_generator is None else "moving average"
    card = model_card(folder.name, generator, config.dataset, int(model.step), weights)
    size = generator.config.image_size
    print(f"{checkpoint}: step {card['step']}, weights of the {weights}, {'x'.join(map(str, size))}", flush=True)
    # Before anything is written: the run's data may have moved.
    examples = None
    if arguments.tflite is not None or precision != "float32":
        examples = maps.of_run(config, size, arguments.data_dir, arguments.labels, arguments.instances)
    with cli.stoppable() as check_stopped, version.new_version(folder, arguments.version) as new:
        version.write(generator, config.dataset, new.path, card)
        check_saved_model(new.path, trained, generator.config, precision, examples)
        if arguments.tflite is not None:
            kinds = list(dict.fromkeys(arguments.tflite or TFLITE_KINDS))
            dense = fold(trained, image_size=size, semantics="dense")
            export_tflite(kinds, dense, new.path / "tflite", examples)
        check_stopped()
    print(f"Version {new.number} of {folder.name} is in {os.path.join(arguments.output, str(new.number))}")
    print(f"Serve it: python -m dagan_tf.serve --model {arguments.output}")
    return 0


if __name__ == "__main__":
    cli.run(main)
