"""Label maps to pictures: `python -m dagan_tf.generate --run RUN --labels FILE_OR_FOLDER --output FOLDER`.

Needs no photographs. Label maps are of the forms that training reads, with the ids of the run's data set; they are
brought to the model's size by nearest neighbour. Each picture gets its label map's name. Maps that cannot be read are
named, and the others are drawn: the exit status is 1 then.
"""

import sys

from dagan_tf import cli
from dagan_tf.config import ModelConfig, RunOptions
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS

MODEL_FIELDS = [name for name in ModelConfig.names() if "discriminator" not in name]
INCOMPLETE = 1  # exit status, beside those of `cli`


def parser():
    """The command's argument parser."""
    result = cli.Parser(prog="python -m dagan_tf.generate", description=__doc__)
    model = result.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="RUN", help="run folder, or a checkpoint in it")
    model.add_argument(
        "--weights",
        metavar="FILE",
        help="a model saved as .keras; or, described by --preset and model flags, a generator's weights: .weights.h5, "
        "or the .pth or .npz of the authors' PyTorch code",
    )
    cli.add_checkpoint_flag(result)
    result.add_argument("--labels", metavar="PATH", nargs="+", required=True, help="label maps, or a folder of them")
    result.add_argument(
        "--instances", metavar="PATH", nargs="+", help="their instance maps, or a folder, if the model reads edges"
    )
    result.add_argument(
        "--output", metavar="PATH", required=True, help="folder for the pictures, or for one map the picture's .png"
    )
    result.add_argument("--skip-existing", action="store_true", help="do not draw pictures that are there already")
    result.add_argument(
        "--batch-size", type=cli.positive, default=4, metavar="N", help="pictures at a time (default: 4)"
    )
    result.add_argument("--preset", choices=PRESETS, help="with --weights: the data set they were trained on")
    result.add_fields("model, with --weights", ModelConfig, MODEL_FIELDS)
    result.add_fields("how label maps are read", RunOptions, ["semantics", "max_pixels"])
    return result


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    options = cli.given(arguments, RunOptions)
    cli.set_pixel_limit(options)
    cli.import_keras()

    from dagan_tf.inference import open_label_files
    from dagan_tf.runs.loading import load_generator

    fields = {**cli.given(arguments, ModelConfig), **options}
    loaded = load_generator(arguments.run or arguments.weights, arguments.checkpoint, arguments.preset, **fields)
    config = loaded.generator.config
    if config.use_instance_edges and not arguments.instances:
        raise UserError("This model reads instance edges: give `instances` beside `labels`.")
    source, paths, unlisted = open_label_files(arguments.labels, arguments.instances, loaded.labels, arguments.output)
    wanted = [i for i, path in enumerate(paths) if not (arguments.skip_existing and path.exists())]
    failures = []
    if wanted:
        failures = draw(
            loaded.generator, source.subset(wanted), [paths[i] for i in wanted], arguments.batch_size, arguments.output
        )
    made, there = len(wanted) - len(failures), len(paths) - len(wanted)
    return report(config.image_size, made, there, [*unlisted, *failures], arguments.output)


def draw(generator, source, paths, batch_size, output):
    """Draws a picture of each example and writes it; returns the messages of those that cannot be read, a list."""
    import keras

    from dagan_tf.data.pipeline import Pipeline
    from dagan_tf.images import write_png
    from dagan_tf.inference import Lenient, pictures

    lenient = Lenient(source)
    images = pictures(generator, Pipeline(lenient, generator.config.image_size, batch_size, training=False))
    progress = keras.utils.Progbar(len(paths), unit_name="picture")
    done = 0
    try:
        with cli.timed("Building the graph and drawing the first pictures"):
            first = next(images)
        for done, (path, image) in enumerate(zip(paths, (image for part in ([first], images) for image in part))):  # noqa: B905
            if done not in lenient.failures:
                write_png(path, image)
            progress.update(done + 1)
    except KeyboardInterrupt:
        if done:
            print(f"\nThe pictures so far are in {output}; --skip-existing goes on with the others", file=sys.stderr)
        raise
    return [lenient.failures[index] for index in sorted(lenient.failures)]


def report(size, made, skipped, failures, output):
    """Prints what was made and what was not; returns the exit status."""
    there = f" ({skipped} more were there already)" if skipped else ""
    print(f"{made} pictures of {size[0]}x{size[1]} (height x width) are in {output}{there}")
    for message in failures:
        print(f"error: {message}", file=sys.stderr)
    if failures:
        total = made + skipped + len(failures)
        print(f"{len(failures)} of {total} label maps could not be read and have no picture", file=sys.stderr)
    return INCOMPLETE if failures else 0


if __name__ == "__main__":
    cli.run(main, parser)
