"""Generators for devices: TFLite files of four precisions, with built-in operators only, and how good they are.

A TFLite file has one signature with a batch of 1: `label_map` int32 (1, H, W), classes (and `instance_map` int32 where
the model reads instance edges) -> `image` uint8 (1, H, W, 3). It cannot refuse an id that is no class, as the
SavedModel does: such a pixel is drawn as one without a class.
"""

import os
import pathlib
import re
import tempfile
import time
import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dagan_tf.config import TFLITE_KINDS
from dagan_tf.errors import UserError
from dagan_tf.exports.quality import psnr
from dagan_tf.images import to_uint8, to_uint8_tensor
from dagan_tf.inference import one_by_one, traced

# What loses most in 8 bits and stays in float: the one-hot map; the sums and products of SPADE and of the residuals,
# whose ranges are those of rare pixels; and the last blocks' own convolutions, which read and write these at the
# largest sizes. SPADE's convolutions, three quarters of the arithmetic, are all in int8.
FLOAT_BLOCKS = 3
FRAGILE = ("ONE_HOT", "BATCH_MATMUL", "ADD", "MUL", "LEAKY_RELU")
INPUT_NAMES = {"label": "label_map", "instance": "instance_map"}


class Quality(NamedTuple):
    """A converted model against Keras."""

    kind: str
    size: int
    """Bytes of the file."""
    psnr: float
    """Peak signal-to-noise ratio in dB over all pictures; infinite where they are equal."""
    largest: int
    """Largest difference in levels of 255."""
    milliseconds: float
    """For one picture, on this machine."""


def convert(generator, kinds=TFLITE_KINDS, calibration=None):
    """Converts a generator.

    Args:
        generator: a folded `Generator` in float32 with `semantics="dense"`: TFLite has no operators for a patch table.
        kinds: of `config.TFLITE_KINDS`: "float16" stores weights in 16 bits; "dynamic" stores them in 8 bits and
            computes in int8 where that pays; "int8" has activations in 8 bits, too, but for what `FRAGILE` names.
        calibration: batch dictionary of label maps (see `Generator`) that show "int8" the ranges of the activations.

    Yields:
        `(kind, bytes)` in the order of `kinds`.
    """
    if generator.semantics != "dense":
        raise UserError(
            f"TFLite has no operators for a patch table. Expected a generator of `semantics` dense. Received: "
            f"{generator.semantics}. generator.folded(semantics='dense') makes one."
        )
    with tempfile.TemporaryDirectory() as folder:
        _save_fixed_batch(generator, folder)
        for kind in kinds:
            converter = _converter(folder, kind)
            yield kind, _quantized(converter, generator, folder, calibration) if kind == "int8" else converter.convert()


def _save_fixed_batch(generator, folder):
    """A SavedModel for the converter; it reads no other form without losing the weights of sub-layers."""
    size = generator.config.image_size
    names = ["label_map"] + (["instance_map"] if generator.config.use_instance_edges else [])

    def image(label_map, instance_map=None):
        batch = {"label": label_map} | ({} if instance_map is None else {"instance": instance_map})
        return {"image": to_uint8_tensor(generator(batch))}

    specs = {name: tf.TensorSpec((1, *size), tf.int32, name) for name in names}
    module = tf.Module()
    module.weights = [weight.value for weight in generator.weights]
    tf.saved_model.save(module, folder, signatures=tf.function(image).get_concrete_function(**specs))


def _converter(folder, kind):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter


def _quantized(converter, generator, folder, calibration):
    """An int8 model in which what is fragile stays in float."""
    converter.representative_dataset = lambda: (list(inputs.values()) for inputs in _single(calibration))
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=list(FRAGILE), denylisted_nodes=_fragile_nodes(generator, folder)
    )
    with warnings.catch_warnings():
        # The debugger, which alone can keep operators in float, still makes the interpreter that TensorFlow retires.
        warnings.filterwarnings("ignore", message=r"[\s\S]*tf\.lite\.Interpreter is deprecated")
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
        )
        return debugger.get_nondebug_quantized_model()


def _fragile_nodes(generator, folder):
    """The names, in the converted graph, of the last blocks' own convolutions."""
    blocks = "|".join(stage.name for stage in generator.backbone.stages[-FLOAT_BLOCKS:])
    of_block = re.compile(rf"/({blocks})(_\d+)?/conv_[01s](_\d+)?/")
    tensors = _interpreter(_converter(folder, "float32").convert()).get_tensor_details()
    return [tensor["name"] for tensor in tensors if of_block.search(tensor["name"])]


def _interpreter(model):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_content=model, num_threads=os.cpu_count())


def _single(batch):
    """The examples of a batch dictionary one by one, as the inputs of the TFLite signature."""
    for i in range(len(batch["label"])):
        yield {
            name: np.asarray(batch[key])[i : i + 1].astype(np.int32)
            for key, name in INPUT_NAMES.items()
            if key in batch
        }


def generate(model, batch):
    """Pictures of a TFLite model, run with LiteRT.

    Args:
        model: the file's bytes.
        batch: batch dictionary of label maps.

    Returns:
        `(images, milliseconds)`: uint8 (B, H, W, 3), and the median time of a picture.
    """
    run = _interpreter(model).get_signature_runner()
    images, times = [], []
    for inputs in _single(batch):
        start = time.perf_counter()
        images.append(run(**inputs)["image"])
        times.append(time.perf_counter() - start)
    return np.concatenate(images), 1000 * float(np.median(times))


def write(generator, folder, kinds, calibration, examples):
    """Converts, runs and writes TFLite files.

    Args:
        generator: a folded `Generator`.
        folder: gets `KIND.tflite` for each kind.
        kinds, calibration: see `convert`.
        examples: batch dictionary of label maps on which the files are compared with Keras.

    Yields:
        A `Quality` as each file is finished.
    """
    reference = to_uint8(one_by_one(traced(generator), examples))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, model in convert(generator, kinds, calibration):
        (folder / f"{kind}.tflite").write_bytes(model)
        images, milliseconds = generate(model, examples)
        largest = int(np.abs(images.astype(int) - reference).max())
        yield Quality(kind, len(model), psnr(images, reference), largest, milliseconds)
