"""Label maps to pictures: `python -m dagan_tf.generate --run RUN --labels FILE_OR_FOLDER --output FOLDER`.

Needs no photographs. Label maps are grey or palette PNG with the ids of the run's dataset; they are brought to the
model's size by nearest neighbour. Each picture gets its label map's name.
"""

import argparse
import pathlib

from dagan_tf import cli
from dagan_tf.config import ModelConfig
from dagan_tf.errors import UserError
from dagan_tf.presets import PRESETS, get_preset


def parser():
    """The command's argument parser."""
    result = argparse.ArgumentParser(
        prog="python -m dagan_tf.generate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    model = result.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="RUN", help="run folder; its newest checkpoint is used")
    model.add_argument(
        "--weights", metavar="FILE", help="the release's generator, .pth or .npz; --preset and model flags describe it"
    )
    result.add_argument("--labels", metavar="PATH", required=True, help="label map, or folder of them")
    result.add_argument("--instances", metavar="PATH", help="instance map or folder, if the model reads edges")
    result.add_argument("--output", metavar="FOLDER", required=True, help="folder for the pictures")
    result.add_argument("--batch-size", type=int, default=4, metavar="N", help="pictures at a time (default: 4)")
    result.add_argument("--preset", choices=PRESETS, help="with --weights: the dataset they were trained on")
    fields = ("num_classes", "image_size", "use_instance_edges", "base_filters", "depth", "attention")
    cli.add_flags(result, "model, with --weights", ModelConfig, fields, "model")
    return result


def load(arguments):
    """The generator and the dataset's description: `(Generator, DatasetSpec)`."""
    if arguments.run:
        from dagan_tf.training.run import load_model

        model, config, _ = load_model(arguments.run)
        return model.inference_generator, config.dataset
    if not arguments.preset:
        raise UserError(f"--weights needs --preset, one of {', '.join(PRESETS)}: weights alone do not name a dataset.")
    from dagan_tf.networks import Generator
    from dagan_tf.networks.checkpoint_files import read_state
    from dagan_tf.networks.release import load_reference_state

    preset = get_preset(arguments.preset)
    generator = Generator(preset.model.replace(cam_levels="last", **cli.given(arguments, ModelConfig)))
    load_reference_state(generator, read_state(arguments.weights))
    return generator, preset.dataset.replace(num_classes=generator.config.num_classes)


def open_labels(arguments, spec, needs_instances):
    """The label maps and the pictures' names: `(source, [relative path])`."""
    from dagan_tf.data.folder import FileSource, FolderSource

    labels, instances = pathlib.Path(arguments.labels), arguments.instances
    if needs_instances and not instances:
        raise UserError("This model reads instance edges: give --instances beside --labels.")
    if not labels.exists():
        raise UserError(f"Expected a label map or a folder of them at {labels}. There is nothing: check the path.")
    if labels.is_dir():
        source = FolderSource(labels, instance_dir=instances, spec=spec)
        names = [pathlib.Path(source.name(i)).relative_to(labels) for i in range(len(source))]
        return source, names
    return FileSource([labels], None, [instances] if instances else None, spec=spec), [pathlib.Path(labels.name)]


def main(argv=None):
    """The command; returns its exit status."""
    arguments = parser().parse_args(argv)
    cli.import_tensorflow()
    generator, spec = load(arguments)
    source, names = open_labels(arguments, spec, generator.config.use_instance_edges)

    import keras

    from dagan_tf.data.pipeline import Pipeline
    from dagan_tf.data.render import to_uint8, write_png

    pipeline = Pipeline(source, generator.config.image_size, arguments.batch_size, training=False)
    output, progress, done = pathlib.Path(arguments.output), keras.utils.Progbar(len(names), unit_name="picture"), 0
    with pipeline.plain_errors():
        for batch in pipeline.epoch():
            for image in to_uint8(generator.predict_on_batch(batch)):
                write_png((output / names[done]).with_suffix(".png"), image)
                done += 1
            progress.update(done)
    print(f"{done} pictures of {'x'.join(map(str, generator.config.image_size))} are in {output}")
    return 0


if __name__ == "__main__":
    cli.run(main)
