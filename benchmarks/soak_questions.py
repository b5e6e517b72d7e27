"""Good inputs for a SavedModel, with the outputs that TensorFlow itself computes for them in this process."""

import dataclasses
import struct
import zlib

import numpy as np
import tensorflow as tf


def encode_png(ids, size=None):
    """A grey PNG of a map of ids; `size` (width, height) is what its header claims instead of the truth."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = ids.shape
    rows = b"".join(b"\0" + row.tobytes() for row in ids.astype(np.uint8))
    header = struct.pack(">IIBBBBB", *(size or (width, height)), 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@dataclasses.dataclass
class Question:
    """Inputs of a signature, and the outputs they must give."""

    signature: str
    inputs: dict
    outputs: dict


class Questions:
    """A pool of questions about a SavedModel, answered here by TensorFlow itself."""

    def __init__(self, path, rng, count=6):
        self._model = tf.saved_model.load(str(path))
        self.signatures = self._model.signatures
        specs = self.signatures["serving_default"].structured_input_signature[1]
        self.size = tuple(specs["label_map"].shape[1:])
        self.label_dtype = specs["label_map"].dtype.as_numpy_dtype
        self.has_instances = "instance_map" in specs
        self.outputs = {name: sorted(function.structured_outputs) for name, function in self.signatures.items()}
        self.classes, self.first_id = self._count_classes(), self._first_id()
        self.pool = {name: [self._question(name, rng, 1 + i % 3) for i in range(count)] for name in self.signatures}

    def _works(self, signature, inputs):
        try:
            self.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        except tf.errors.InvalidArgumentError:
            return False
        return True

    def _count_classes(self):
        """The model's number of classes, at most 255: the first id that it refuses."""
        low, high = 0, 255
        while high - low > 1:
            middle = (low + high) // 2
            fits = self._works("serving_default", self._maps(np.full((1, *self.size), middle)))
            low, high = (middle, high) if fits else (low, middle)
        return high

    def _first_id(self):
        """The id that stands for class 0 in files: 0 or 1."""
        if "png" not in self.signatures:
            return 0
        return 0 if self._works("png", self._files(np.zeros((1, *self.size)))) else 1

    def _maps(self, ids):
        instances = {"instance_map": np.cumsum(ids, -1).astype(np.int32) % 256} if self.has_instances else {}
        return {"label_map": ids.astype(self.label_dtype), **instances}

    def _files(self, ids):
        maps = self._maps(ids)
        return {
            name.replace("_map", "_png"): np.array([encode_png(m) for m in arrays], object)
            for name, arrays in maps.items()
        }

    def _question(self, name, rng, batch):
        ids = np.array(rng.choices(range(self.classes), k=batch * self.size[0] * self.size[1])).reshape(-1, *self.size)
        inputs = self._files(np.maximum(ids, self.first_id)) if name == "png" else self._maps(ids)
        feeds = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = {key: value.numpy() for key, value in self.signatures[name](**feeds).items()}
        return Question(name, inputs, outputs)

    def draw(self, rng, signature=None):
        """One question."""
        return rng.choice(self.pool[signature or rng.choice(sorted(self.pool))])

    def changed(self, signature="serving_default", **inputs):
        """The inputs of a question of one example, some replaced."""
        return {**self.pool[signature][0].inputs, **inputs}


def same(name, received, expected):
    """Whether an output is right: pictures within a level, numbers to 1e-3 (a batch may be summed in another order)."""
    if name.endswith("_bytes"):
        received, expected = ([tf.io.decode_image(f).numpy() for f in files] for files in (received, expected))
    received, expected = np.asarray(received, np.float64), np.asarray(expected, np.float64)
    tolerance = 1 if name.startswith("image") else 1e-3
    return received.shape == expected.shape and bool(np.all(np.abs(received - expected) <= tolerance))
