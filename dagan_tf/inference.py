"""From label maps to pictures: the one loop of everything that draws with a trained generator."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from dagan_tf.data.folder import FileSource, FolderSource
from dagan_tf.errors import UserError
from dagan_tf.images import to_uint8


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


def open_label_files(labels, instances, spec, output):
    """Label files to draw, and where their pictures go.

    Args:
        labels: a label file, or a folder of them.
        instances: the same for instance maps, or `None`.
        spec: the `LabelSpec` of the label files.
        output: folder of the pictures, which keep the names of the label files.

    Returns:
        `(source, paths)`: a `FileSource`, and the picture's path for each of its examples.

    Raises:
        UserError: there are no label files, or pictures would replace them.
    """
    labels, output = pathlib.Path(labels).expanduser(), pathlib.Path(output).expanduser()
    instances = pathlib.Path(instances).expanduser() if instances else None
    if not labels.exists():
        raise UserError(f"Expected a label map or a folder of them at {labels}. There is nothing: check the path.")
    if labels.is_dir():
        source = FolderSource(labels, instance_dir=instances, spec=spec)
        names = [pathlib.Path(source.name(i)).relative_to(labels) for i in range(len(source))]
    else:
        source = FileSource([labels], None, [instances] if instances else None, spec=spec)
        names = [pathlib.Path(labels.name)]
    if output.resolve() in {_folder(path) for path in (labels, instances) if path}:
        raise UserError(f"The pictures would replace the maps in {output}: give another `output`.")
    return source, [(output / name).with_suffix(".png") for name in names]


def _folder(path):
    return (path if path.is_dir() else path.parent).resolve()
