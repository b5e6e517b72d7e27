"""What Keras' own method `export` writes of a generator."""

import contextlib
import pathlib

import keras

from dagan_tf.errors import UserError, check_choice
from dagan_tf.exports import comparison, maps, version
from dagan_tf.exports.card import model_card
from dagan_tf.exports.packages import check_packages
from dagan_tf.files import replaced
from dagan_tf.labels import LabelSpec
from dagan_tf.networks import Generator
from dagan_tf.semantics.inputs import maps_of

FORMATS = ("tf_saved_model", "onnx")
"""What generators are exported to; `exports.tflite` has TFLite."""


def export(generator, path, format, labels=None, step=None, weights="generator", **options):
    """Writes a generator to `path` in one of `FORMATS`, see `write_saved_model` and `write_onnx`."""
    check_choice("format", format, FORMATS)
    if format == "onnx":
        write_onnx(generator, path, **options)
        return
    if unknown := [name for name in options if name != "verbose"]:
        raise UserError(f"A SavedModel has signatures of its own. Received: {', '.join(unknown)}. Leave them out.")
    write_saved_model(generator, path, labels, step, weights)


def write_saved_model(generator, folder, labels=None, step=None, weights="generator"):
    """Writes the SavedModel of a generator, as a version folder of `python -m dagan_tf.export`.

    Args:
        generator: a `Generator` or a `FoldedGenerator`.
        folder: appears whole, after its pictures were compared with Keras; one that is there is replaced.
        labels: the `LabelSpec` of the label files that the signature `png` reads; `None`: ids are classes.
        step, weights: for the model card, see `card.model_card`.

    Raises:
        UserError: a package is missing, the folder cannot be written, or the pictures are others.
    """
    check_packages("tensorflow_serving")
    labels = labels or LabelSpec(generator.config.num_classes)
    folder = pathlib.Path(folder).expanduser().absolute()
    folded = generator.folded() if isinstance(generator, Generator) else generator
    card = model_card(folder.name, folded, labels, step, weights)
    with _writing(folder), replaced(folder) as unfinished:
        unfinished.mkdir()
        version.write(folded, labels, unfinished, card)
        if isinstance(generator, Generator):
            reference = comparison.reference_of(generator, generator.config)
            comparison.check(unfinished, reference, maps.drawn(generator.config))


def write_onnx(generator, path, **options):
    """Writes a generator as an ONNX file, folded and with dense semantics.

    Its inputs are int32 (B, H, W), by the names of a batch dictionary; its output is float32 (B, H, W, 3) in [-1, 1].

    Args:
        generator: a `Generator` or a `FoldedGenerator`.
        path: of the file, which appears whole.
        **options: of `keras.Model.export`.

    Raises:
        UserError: a package is missing, or the file cannot be written.
    """
    check_packages("tf2onnx")
    if isinstance(generator, Generator):
        generator = generator.folded(semantics="dense")
    elif generator.semantics != "dense":
        raise UserError(
            "ONNX has no operators for a patch table. Expected a generator of `semantics` dense. Received: "
            f"{generator.semantics}. Export the trained generator, or folded(semantics='dense')."
        )
    signature = {
        name: keras.InputSpec(shape=(None, *generator.config.image_size), dtype="int32", name=name)
        for name in maps_of(generator.config)
    }
    path = pathlib.Path(path).expanduser()
    with _writing(path), replaced(path) as unfinished:
        options = {"input_signature": [signature], "verbose": False, **options}
        keras.Model.export(generator, str(unfinished), format="onnx", **options)


@contextlib.contextmanager
def _writing(path):
    """A context in which something is written; what keeps it from that comes out as a `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}. Give another path.") from error
