"""A trained run to a model that servers and devices run.

    python -m dagan_tf.export --run RUN --output MODELS/NAME             a version folder for TF-Serving
    python -m dagan_tf.export --run RUN --output MODELS/NAME --tflite    TFLite files in it, too

The version appears whole or not at all, after its pictures were compared with Keras. Serve it with TF-Serving (see
serving/README.md) or `python -m dagan_tf.serve --model MODELS/NAME`.
"""

import argparse
import dataclasses
import importlib.util
import pathlib

from dagan_tf import cli
from dagan_tf.config import LOCATIONS, TFLITE_KINDS, DataConfig, ModelConfig
from dagan_tf.errors import UserError

DRAWN, MEASURED, CALIBRATION = 2, 4, 32
PACKAGES = {"tensorflow_serving": "serving", "ai_edge_litert": "tflite"}


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--run", metavar="RUN", required=True, help="run folder; its newest checkpoint is exported")
    result.add_argument("--output", metavar="MODELS/NAME", required=True, help="the model's folder, for its versions")
    result.add_argument("--version", type=cli.positive, metavar="N", help="(default: the next free one)")
    result.add_argument(
        "--tflite",
        nargs="*",
        choices=TFLITE_KINDS,
        metavar="KIND",
        help=f"TFLite files: {', '.join(TFLITE_KINDS)} (default: all)",
    )
    cli.add_flags(result, "model", ModelConfig, ["image_size"], default="the run's")
    title = "label maps with which TFLite files are calibrated and measured"
    cli.add_flags(result, title, DataConfig, LOCATIONS, default="the run's")
    return result


def check_packages(tflite):
    """Raises `UserError` for a package that an export needs and that is not installed."""
    needed = ["tensorflow_serving"] + (["ai_edge_litert"] if tflite else [])
    missing = [PACKAGES[name] for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        extras = ",".join(missing)
        raise UserError(f"This export needs packages that are not installed: pip install 'dagan_tf[{extras}]'.")


def label_maps(config, size, split, count):
    """The first label maps of a split, as a batch dictionary; `None` if the data set has no such split."""
    from dagan_tf.data.pipeline import Pipeline
    from dagan_tf.data.sources import open_source

    source = open_source(config.data, config.dataset, size, split, config.train.seed)
    if source is None:
        return None
    pipeline = Pipeline(source, size, min(count, len(source)), training=False)
    with pipeline.plain_errors():
        batch = next(iter(pipeline.epoch()))
    return {key: batch[key].numpy() for key in ("label", "instance") if key in batch}


def drawn_maps(config, count):
    """Label maps of rectangles, for a check that needs no data: a batch dictionary."""
    import numpy as np

    rng = np.random.default_rng(0)
    label = np.zeros((count, *config.image_size), np.int32)
    for image in label:
        for _ in range(20):
            (top, left), (height, width) = rng.integers(0, config.image_size), rng.integers(1, config.image_size)
            image[top : top + height, left : left + width] = rng.integers(config.num_classes)
    return {"label": label} | ({"instance": label} if config.use_instance_edges else {})


def tflite_maps(config, size):
    """What TFLite files are calibrated with and measured on: `(batch, batch, name of the second one's split)`."""
    calibration = label_maps(config, size, "train", CALIBRATION)
    test = label_maps(config, size, "test", MEASURED)
    if test is None:
        return calibration, {key: maps[:MEASURED] for key, maps in calibration.items()}, "training"
    return calibration, test, "test"


def export_tflite(kinds, generator, folder, maps):
    """Writes the TFLite files and prints how good they are."""
    from dagan_tf.serving import tflite

    calibration, examples, split = maps
    print(f"TFLite against Keras on {len(examples['label'])} {split} label maps:", flush=True)
    print(f"  {'file':16}{'MB':>8}{'PSNR dB':>10}{'largest of 255':>16}{'ms a picture':>14}", flush=True)
    results = tflite.write(generator, folder, kinds, calibration, examples)
    while True:
        with cli.quiet():  # the converter writes its own notes
            row = next(results, None)
        if row is None:
            return
        file, size = f"{row.kind}.tflite", row.size / 1e6
        print(f"  {file:16}{size:8.1f}{row.psnr:10.1f}{row.largest:16}{row.milliseconds:14.0f}", flush=True)


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    folder = pathlib.Path(arguments.output)
    check_packages(arguments.tflite is not None)
    cli.import_tensorflow()
    from dagan_tf.networks.folding import fold
    from dagan_tf.serving import version
    from dagan_tf.serving.card import model_card
    from dagan_tf.training.run import load_model

    model, config, checkpoint = load_model(arguments.run)
    config = dataclasses.replace(config, data=config.data.replace(**cli.given(arguments, DataConfig)))
    generator = fold(model.inference_generator, cli.given(arguments, ModelConfig).get("image_size"))
    number = arguments.version or version.next_version(folder)
    weights = "generator" if model.ema_generator is None else "moving average"
    card = model_card(folder.name, number, generator, config.dataset, int(model.step), weights)
    height, width = generator.config.image_size
    print(f"{checkpoint}: step {card['step']}, weights of the {weights}, {height}x{width}", flush=True)
    # Before anything is written: the run's data may have moved.
    maps = None if arguments.tflite is None else tflite_maps(config, generator.config.image_size)
    with version.new_version(folder, number) as aside:
        version.write(generator, config.dataset, aside, card)
        largest, mean = version.check(aside, generator, drawn_maps(generator.config, DRAWN))
        print(f"SavedModel against Keras: at most {largest} of 255 apart, {mean:.4f} on average", flush=True)
        if maps:
            export_tflite(arguments.tflite or TFLITE_KINDS, generator, aside / "tflite", maps)
    print(f"Version {number} of {folder.name} is in {folder / str(number)}")
    print(f"Serve it: python -m dagan_tf.serve --model {folder}")
    return 0


if __name__ == "__main__":
    cli.run(main)
