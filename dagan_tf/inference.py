"""From label maps to pictures: the one loop of everything that draws with a trained generator."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from dagan_tf.data.folder import FileSource
from dagan_tf.data.listing import ENDINGS, INSTANCE, LABEL, find_files
from dagan_tf.errors import UserError
from dagan_tf.files import check_writable
from dagan_tf.images import to_uint8

OTHER_PICTURES = (".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".npy")
"""Ends of names that nobody gives to a folder."""


def traced(generator):
    """A generator as a TensorFlow function that is traced once, whatever the batch size.

    Args:
        generator: a `Generator`.

    Returns:
        A function of a batch dictionary (see `Generator`; other entries, such as `"image"`, are left out) to a float32
        tensor (B, H, W, 3) in [-1, 1]. It raises `UserError` if a map is missing that the generator reads.
    """
    config = generator.config
    maps = ("label", "instance") if config.use_instance_edges else ("label",)
    spec = tf.TensorSpec((None, *config.image_size), tf.int32)
    # On GPUs XLA compiles the generator, as Keras does in `predict`; it has not been run there.
    compiled = bool(getattr(generator, "supports_jit", False) and keras.distribution.list_devices("gpu"))
    draw = tf.function(
        lambda batch: generator(batch), input_signature=[dict.fromkeys(maps, spec)], jit_compile=compiled or None
    )

    def images(batch):
        if missing := [name for name in maps if name not in batch]:
            raise UserError(
                f"This generator reads {' and '.join(maps)} maps. Received: none of {missing[0]}. Give them."
            )
        return draw({name: tf.cast(batch[name], tf.int32) for name in maps})

    return images


def pictures(generator, pipeline):
    """The pictures of all examples of a pipeline, in its order.

    Args:
        generator: a `Generator`.
        pipeline: a `Pipeline` of label maps of the generator's size.

    Yields:
        uint8 arrays (H, W, 3).

    Raises:
        UserError: an example cannot be read.
    """
    draw = traced(generator)
    with pipeline.plain_errors():
        for batch in pipeline.epoch():
            yield from to_uint8(draw(batch))


def one_by_one(draw, batch):
    """The images of a batch, each made alone: at 1024x1024 one takes gigabytes.

    Args:
        draw: a function such as `traced` returns.
        batch: batch dictionary of label maps.

    Returns:
        float32 array (B, H, W, 3) in [-1, 1].
    """
    count = len(batch["label"])
    return np.concatenate([draw({key: maps[i : i + 1] for key, maps in batch.items()}) for i in range(count)])


class Lenient:
    """A source whose examples that cannot be read are empty maps, so that the others are drawn.

    Attributes:
        failures: the messages of the examples that could not be read so far, by index.
    """

    def __init__(self, source):
        self._source, self.failures = source, {}

    def __len__(self):
        return len(self._source)

    def name(self, index):
        """As the source names it, for messages."""
        return self._source.name(index)

    def __getitem__(self, index):
        try:
            return self._source[index]
        except UserError as error:
            self.failures[int(index)] = str(error)
            return self._source.blank()


def open_label_files(labels, instances, spec, output):
    """Label files to draw, and where their pictures go.

    Args:
        labels: a label file, a folder of them, or a list of such.
        instances: the same for instance maps, or `None`.
        spec: the `LabelSpec` of the label files.
        output: folder of the pictures, which keep the names of the label files; for one label file it may be the
            picture's own path, which ends in .png.

    Returns:
        `(source, paths, failures)`: a `FileSource`, the picture's path for each of its examples, and the messages of
        label maps that can have none: links to nothing, or without their instance map.

    Raises:
        UserError: there are no label files, pictures would replace them or each other, or `output` cannot be written.
    """
    output = pathlib.Path(output).expanduser()
    given = [pathlib.Path(path).expanduser() for path in _listed(labels)]
    failures = {}
    files = _files(given, LABEL, failures)
    maps = [pathlib.Path(path).expanduser() for path in _listed(instances or [])]
    others = _instances(files, maps, failures) if maps else None
    paths = _picture_paths(given, list(files.values()), output)
    _check_output(output, paths, [*given, *maps])
    return FileSource(list(files.values()), None, others, spec=spec), paths, list(failures.values())


def _listed(paths):
    return list(paths) if isinstance(paths, list | tuple) else [paths]


def _files(given, role, failures):
    """The files of some paths, of files or folders, by the name under which they pair; see `find_files`."""
    files = {}
    for path in given:
        if not path.exists():
            raise UserError(f"Expected a {role} or a folder of them at {path}. There is nothing: check the path.")
    for path in given:
        found = (
            find_files(path, role, failures=failures)
            if path.is_dir()
            else {path.stem.removesuffix(ENDINGS[role]): path}
        )
        for name, file in found.items():
            if name in files:
                raise UserError(
                    f"Expected {role}s of different names, which their pictures get. Received: {files[name]} and "
                    f"{file}. Draw them one after the other, into two folders."
                )
            files[name] = file
    return files


def _picture_paths(given, files, output):
    """Where the picture of each label file goes: by its path below the folder that was given, or by its name."""
    if output.suffix.lower() in OTHER_PICTURES and not output.is_dir():
        raise UserError(f"Pictures are PNG. Received: {output} as `output`. Give a name with .png, or a folder.")
    if output.suffix.lower() == ".png" and not output.is_dir():
        if len(files) > 1:
            raise UserError(f"Expected a folder as `output` of {len(files)} pictures. Received: {output}, one picture.")
        return [output]
    roots = [path for path in given if path.is_dir()]
    names = [next((f.relative_to(root) for root in roots if f.is_relative_to(root)), f.name) for f in files]
    return [(output / name).with_name(f"{pathlib.Path(name).stem}.png") for name in names]


def _instances(files, maps, failures):
    """The instance maps in the order of the label files, paired by name, which is free where there is one of each.

    Label files without one are taken out.
    """
    found = _files(maps, INSTANCE, failures)
    if len(files) == len(found) == 1:
        return list(found.values())
    for name in [name for name in files if name not in found]:
        failures[files[name]] = f"{files[name]}: expected an instance map of the same name. Received: none. Add it."
        del files[name]
    return [found[name] for name in files]


def _check_output(output, paths, given):
    folder = output.parent if paths == [output] else output
    replaced = {path.resolve() for path in given} & {path.resolve() for path in paths}
    if replaced or (folder == output and output.resolve() in {_folder(path) for path in given}):
        raise UserError(f"The pictures would replace the maps in {folder}: give another `output`.")
    check_writable(folder)


def _folder(path):
    return (path if path.is_dir() else path.parent).resolve()
