"""Label maps to pictures: `python -m dagan_tf.generate --run RUN --labels FILE_OR_FOLDER --output FOLDER`.

Needs no photographs. Label maps are grey or palette PNG with the ids of the run's dataset; they are brought to the
model's size by nearest neighbour. Each picture gets its label map's name.
"""

import argparse
import pathlib

from dagan_tf import cli
from dagan_tf.config import LabelSpec, ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, get_preset


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    model = result.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="RUN", help="run folder")
    model.add_argument(
        "--weights",
        metavar="FILE",
        help="a model saved as .keras; or, described by --preset and model flags, a generator's weights: .weights.h5, "
        "or the release's .pth or .npz",
    )
    cli.add_checkpoint_flag(result)
    result.add_argument("--labels", metavar="PATH", required=True, help="label map, or folder of them")
    result.add_argument("--instances", metavar="PATH", help="instance map or folder, if the model reads edges")
    result.add_argument("--output", metavar="FOLDER", required=True, help="folder for the pictures")
    result.add_argument(
        "--batch-size", type=cli.positive, default=4, metavar="N", help="pictures at a time (default: 4)"
    )
    result.add_argument("--preset", choices=PRESETS, help="with --weights: the dataset they were trained on")
    fields = ("num_classes", "image_size", "use_instance_edges", "base_filters", "spade_filters", "depth")
    fields += ("attention", "cam_levels", "cam_filters")
    cli.add_flags(result, "model, with --weights", ModelConfig, fields, "model")
    return result


def load(arguments):
    """The generator and the dataset's description: `(Generator, LabelSpec)`."""
    flags = cli.given(arguments, ModelConfig)
    if not arguments.run:
        return load_weights(pathlib.Path(arguments.weights), arguments.preset, flags)
    if arguments.preset or flags:
        raise UserError("A run knows its model: leave out --preset and the model flags, which describe --weights.")
    from dagan_tf.runs.folder import load_model

    model, config, _ = load_model(arguments.run, arguments.checkpoint)
    return model.inference_generator, config.dataset


def load_weights(path, preset, flags):
    """The same for a file of weights, described by a preset's name and the fields of `ModelConfig` that differ."""
    if not path.is_file():
        raise UserError(f"Expected weights at {path}. There is no such file: check the path.")
    if path.suffix == ".keras":
        return load_keras(path, preset)
    if not preset:
        raise UserError(f"{path.name} needs --preset, one of {', '.join(PRESETS)}: weights do not name a dataset.")
    from dagan_tf.networks import Generator
    from dagan_tf.networks.pytorch.files import read_state
    from dagan_tf.networks.pytorch.names import load_pytorch_weights

    described = get_preset(preset)
    if path.name.endswith(".weights.h5"):
        generator = Generator(described.model.replace(**flags))
        try:
            generator.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} does not fit the generator that --preset and flags describe: {error}") from error
    else:
        generator = Generator(described.model.replace(**{"cam_levels": "last", **flags}))
        load_pytorch_weights(generator, read_state(path))
    return generator, described.dataset_with(num_classes=generator.config.num_classes)


def load_keras(path, preset):
    """The same for a `DAGAN` or `Generator` saved as `.keras`, which knows its configuration."""
    import keras

    from dagan_tf.training.dagan import DAGAN  # registers itself and the networks

    try:
        model = keras.saving.load_model(path)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} could not be loaded as a DAGAN or a generator: {error}") from error
    generator = model.inference_generator if isinstance(model, DAGAN) else model
    classes = generator.config.num_classes
    return generator, get_preset(preset).dataset_with(num_classes=classes) if preset else LabelSpec(classes)


def open_labels(arguments, spec, needs_instances):
    """The label maps and the paths of their pictures: `(source, [path])`, none of which is a label map's own."""
    from dagan_tf.data.folder import FileSource, FolderSource

    labels, instances, output = pathlib.Path(arguments.labels), arguments.instances, pathlib.Path(arguments.output)
    if needs_instances and not instances:
        raise UserError("This model reads instance edges: give --instances beside --labels.")
    if not labels.exists():
        raise UserError(f"Expected a label map or a folder of them at {labels}. There is nothing: check the path.")
    if labels.is_dir():
        source = FolderSource(labels, instance_dir=instances, spec=spec)
        names = [pathlib.Path(source.name(i)).relative_to(labels) for i in range(len(source))]
    else:
        source = FileSource([labels], None, [instances] if instances else None, spec=spec)
        names = [pathlib.Path(labels.name)]
    if output.resolve() in {_folder(path) for path in (labels, instances) if path}:
        raise UserError(f"The pictures would replace the maps in {output}: give another --output.")
    return source, [(output / name).with_suffix(".png") for name in names]


def _folder(path):
    path = pathlib.Path(path)
    return (path if path.is_dir() else path.parent).resolve()


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.import_tensorflow()
    generator, spec = load(arguments)
    source, targets = open_labels(arguments, spec, generator.config.use_instance_edges)

    import keras

    from dagan_tf.data.pipeline import Pipeline
    from dagan_tf.images import to_uint8, write_png

    pipeline = Pipeline(source, generator.config.image_size, arguments.batch_size, training=False)
    progress, done = keras.utils.Progbar(len(targets), unit_name="picture"), 0
    with pipeline.plain_errors():
        for batch in pipeline.epoch():
            for image in to_uint8(generator.predict_on_batch(batch)):
                write_png(targets[done], image)
                done += 1
            progress.update(done)
    print(f"{done} pictures of {'x'.join(map(str, generator.config.image_size))} are in {arguments.output}")
    return 0


if __name__ == "__main__":
    cli.run(main)
