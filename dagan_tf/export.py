"""A trained run to a model that servers and devices run.

    python -m dagan_tf.export --run RUN --output MODELS/NAME             a version folder for TF-Serving
    python -m dagan_tf.export --run RUN --output MODELS/NAME --tflite    TFLite files in it, too

The version appears whole or not at all, after its pictures were compared with Keras. Serve it with TF-Serving (see
serving/README.md) or `python -m dagan_tf.serve --model MODELS/NAME`.
"""

import argparse
import os
import pathlib
import sys

from dagan_tf import cli
from dagan_tf.config import PRECISIONS, TFLITE_KINDS, ModelConfig, RunOptions
from dagan_tf.errors import UserError
from dagan_tf.exports.packages import check_packages
from dagan_tf.files import check_writable


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.export", description=__doc__)
    result.add_argument("--run", metavar="RUN", required=True, help="run folder, or a checkpoint in it")
    cli.add_checkpoint_flag(result)
    result.add_argument("--output", metavar="MODELS/NAME", required=True, help="the model's folder, for its versions")
    result.add_argument("--version", type=version_number, metavar="N", help="(default: the next free one)")
    result.add_fields("model", ModelConfig, ["image_size"], default="the run's")
    result.add_fields("how label maps are read", RunOptions, ["semantics"])
    result.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="of the SavedModel's kernels and products; bfloat16 is smaller, and faster where processors have it, "
        "which is measured (default: float32)",
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
    result.add_fields("how their files are read", RunOptions, ["max_pixels"])
    maps.add_argument("--data-dir", metavar="FOLDER", help="where the facades of the run are now, if they moved")
    return result


def version_number(text):
    """argparse's type of a version."""
    value = cli.positive(text)
    if value >= 2**63 - 1:
        raise argparse.ArgumentTypeError(f"servers take versions below 2^63 - 1, received {text}")
    return value


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    folder = pathlib.Path(os.path.abspath(arguments.output))
    check_writable(folder)
    check_packages("tensorflow_serving", *(["ai_edge_litert"] if arguments.tflite is not None else []))
    cli.import_keras()
    from dagan_tf.exports import maps, version
    from dagan_tf.exports.card import model_card
    from dagan_tf.runs.loading import load_generator

    run = pathlib.Path(arguments.run).expanduser()
    if run.is_file():
        raise UserError(f"Expected a run folder, or a checkpoint in it. Received: the file {run}. Give its run.")
    loaded = load_generator(run, arguments.checkpoint)
    options = cli.given(arguments, RunOptions)
    cli.set_pixel_limit(options)
    fields = {**cli.given(arguments, ModelConfig), **options}
    generator = loaded.generator.folded(arguments.precision, **fields)
    size = generator.config.image_size
    print(
        f"{loaded.path}: step {loaded.step}, weights of the {loaded.weights}, {size[0]}x{size[1]} (height x width)",
        flush=True,
    )
    # Before anything is written: the run's data may have moved.
    examples = None
    if arguments.tflite is not None or arguments.precision != "float32":
        examples = maps.of_run(loaded.config, size, arguments.data_dir, arguments.labels, arguments.instances)
    card = model_card(folder.name, generator, loaded.labels, loaded.step, loaded.weights)
    with cli.stoppable() as check_stopped, version.new_version(folder, arguments.version) as new:
        with cli.timed("Building the graphs of the SavedModel"):
            version.write(generator, loaded.labels, new.path, card)
        if arguments.precision == "float32":
            report_agreement(new.path, loaded.generator, generator.config)
        else:
            report_half_precision(new.path, loaded.generator, generator, *examples[1:])
        if arguments.tflite is not None:
            kinds = list(dict.fromkeys(arguments.tflite or TFLITE_KINDS))
            dense = loaded.generator.folded(image_size=size, semantics="dense")
            report_tflite(kinds, dense, new.path / "tflite", *examples)
        check_stopped()
    print(f"Version {new.number} of {folder.name} is in {os.path.join(arguments.output, str(new.number))}")
    print(f"Serve it: python -m dagan_tf.serve --model {arguments.output}")
    return 0


def report_agreement(folder, trained, config):
    """Compares a SavedModel in float32 with Keras and prints how far they are apart."""
    from dagan_tf.exports import comparison, maps

    reference = comparison.reference_of(trained, config)
    largest, mean = comparison.check(folder, reference, maps.drawn(config))
    print(f"SavedModel against Keras: at most {largest} of 255 apart, {mean:.4f} on average", flush=True)


def report_half_precision(folder, trained, generator, measured, split):
    """Compares a SavedModel in half precision with float32, in Keras and in time, and prints both."""
    from dagan_tf.exports import comparison

    config, precision = generator.config, generator.compute_dtype
    decibels = comparison.check_half(folder, comparison.reference_of(trained, config), measured)
    what = f"{len(measured['label'])} {split} label maps"
    print(f"SavedModel in {precision} against Keras in float32 on {what}: PSNR {decibels:.1f} dB", flush=True)
    # Not for the model card: other machines, on which the model will be served, have other times.
    full = trained.folded("float32", config.image_size, generator.semantics)
    speed = comparison.measure_speed(full, generator, measured)
    print(
        f"A picture takes {speed.half:.1f} ms in {precision}, {speed.full:.1f} ms in float32 on this machine: "
        f"{speed.ratio:.2f} times as long",
        flush=True,
    )
    if speed.ratio > 1:
        print(
            f"warning: {precision} is slower on this machine: its processor has no {precision} instructions, or "
            "TensorFlow does not use them. Give --precision float32, unless the servers' processors have them.",
            file=sys.stderr,
        )


def report_tflite(kinds, generator, folder, calibration, measured, split):
    """Writes TFLite files and prints a table of how good they are."""
    from dagan_tf.exports import tflite

    print(f"TFLite against Keras on {len(measured['label'])} {split} label maps:", flush=True)
    print(f"  {'file':16}{'MB':>8}{'PSNR dB':>10}{'largest of 255':>16}{'ms a picture':>14}", flush=True)
    results = tflite.write(generator, folder, kinds, calibration, measured)
    for kind in kinds:
        print(f"  {kind + '.tflite':16}", end="", flush=True)
        with cli.quiet():  # the converter writes its own notes
            row = next(results)
        print(f"{row.size / 1e6:8.1f}{row.psnr:10.1f}{row.largest:16}{row.milliseconds:14.0f}", flush=True)


if __name__ == "__main__":
    cli.run(main, parser)
