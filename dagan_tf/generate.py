"""Label maps to pictures: `python -m dagan_tf.generate --run RUN --labels FILE_OR_FOLDER --output FOLDER`.

Needs no photographs. Label maps are grey or palette PNG with the ids of the run's data set; they are brought to the
model's size by nearest neighbour. Each picture gets its label map's name.
"""

from dagan_tf import cli
from dagan_tf.config import ModelConfig, RunOptions
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS

MODEL_FIELDS = [name for name in ModelConfig.names() if "discriminator" not in name]


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
    result.add_argument("--labels", metavar="PATH", required=True, help="label map, or folder of them")
    result.add_argument("--instances", metavar="PATH", help="instance map or folder, if the model reads edges")
    result.add_argument("--output", metavar="FOLDER", required=True, help="folder for the pictures")
    result.add_argument(
        "--batch-size", type=cli.positive, default=4, metavar="N", help="pictures at a time (default: 4)"
    )
    result.add_argument("--preset", choices=PRESETS, help="with --weights: the data set they were trained on")
    result.add_fields("model, with --weights", ModelConfig, MODEL_FIELDS)
    result.add_fields("how label maps are read", RunOptions, ["semantics"])
    return result


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.import_keras()

    import keras

    from dagan_tf.data.pipeline import Pipeline
    from dagan_tf.images import write_png
    from dagan_tf.inference import open_label_files, pictures
    from dagan_tf.runs.loading import load_generator

    fields = {**cli.given(arguments, ModelConfig), **cli.given(arguments, RunOptions)}
    loaded = load_generator(arguments.run or arguments.weights, arguments.checkpoint, arguments.preset, **fields)
    config = loaded.generator.config
    if config.use_instance_edges and not arguments.instances:
        raise UserError("This model reads instance edges: give `instances` beside `labels`.")
    source, paths = open_label_files(arguments.labels, arguments.instances, loaded.labels, arguments.output)
    pipeline = Pipeline(source, config.image_size, arguments.batch_size, training=False)
    images = pictures(loaded.generator, pipeline)
    with cli.timed("Building the graph and drawing the first pictures"):
        write_png(paths[0], next(images))
    progress = keras.utils.Progbar(len(paths), unit_name="picture")
    progress.update(1)
    for done, (path, image) in enumerate(zip(paths[1:], images, strict=True), start=2):
        write_png(path, image)
        progress.update(done)
    print(f"{len(paths)} pictures of {'x'.join(map(str, config.image_size))} are in {arguments.output}")
    return 0


if __name__ == "__main__":
    cli.run(main, parser)
