"""The signatures of an exported generator: what a server is asked, by name, shape and dtype.

Ids are checked in the graph, so that every server refuses a wrong label map instead of drawing a wrong picture.
"""

import tensorflow as tf

from dagan_tf.exports.png import decode_ids
from dagan_tf.images import to_uint8_tensor

DEFAULT, PNG, ATTENTION = "serving_default", "png", "attention"
NAMED_IDS = 5


def label_dtype(num_classes):
    """The dtype of `label_map`: uint8 up to 256 classes, which keeps a request small, else int32."""
    return tf.uint8 if num_classes <= 256 else tf.int32


def checked(classes, ids, num_classes, name, expected):
    """`classes` (B, H, W), after assertions that there are some and that all lie in 0..num_classes-1.

    The `ids` of those that do not are named, beside the text `expected`.
    """
    valid = (classes >= 0) & (classes < num_classes)
    wrong = tf.boolean_mask(ids, ~valid)[:NAMED_IDS]
    message = f"{name} must hold the ids {expected}, of {num_classes} classes. Received"
    checks = [
        tf.debugging.Assert(tf.shape(ids)[0] > 0, [f"{name} must hold at least one map. Received none"]),
        tf.debugging.Assert(tf.reduce_all(valid), [message, wrong]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(classes)


class Signatures:
    """The functions that are exported. All have a dynamic batch B and the generator's (H, W).

    Args:
        generator: a folded generator (see `Generator.folded`).
        labels: the `LabelSpec` of the ids in PNG files.
    """

    def __init__(self, generator, labels):
        self.generator = generator
        self.labels = labels

    def serving_default(self, label_map, instance_map=None):
        """Pictures of classes.

        Args:
            label_map: (B, H, W) classes, uint8 up to 256 classes, else int32.
            instance_map: int32 (B, H, W), where the model reads instance edges.

        Returns:
            `image` uint8 (B, H, W, 3).
        """
        return {"image": to_uint8_tensor(self.generator(self._batch(label_map, instance_map)))}

    def png(self, label_png, instance_png=None):
        """Pictures of label files.

        Args:
            label_png: strings (B,), grey or palette PNG files of (H, W) with the ids of the data set's files.
            instance_png: strings (B,), where the model reads instance edges.

        Returns:
            `image_bytes` strings (B,), PNG files. Their name makes REST send them as base64.
        """
        ids = self._decoded(label_png, "label_png")
        classes, count = self.labels.to_classes(ids, tf.where), self.generator.config.num_classes
        batch = {"label": checked(classes, ids, count, "label_png", self.labels.describe_ids())}
        if instance_png is not None:
            batch["instance"] = _as_many(self._decoded(instance_png, "instance_png"), ids, "instance_png")
        return {"image_bytes": tf.io.encode_png(to_uint8_tensor(self.generator(batch)))}

    def attention(self, label_map, instance_map=None):
        """Pictures with what the dual attention looked at.

        Args:
            label_map, instance_map: as in `serving_default`.

        Returns:
            `image`, and of `spatial_attention` float32 (B, H, W, 1) and `channel_weights` float32 (B, C) what the
            model has.
        """
        features = self.generator.features(self._batch(label_map, instance_map))
        return {"image": to_uint8_tensor(self.generator.to_image(features)), **self.generator.attention_maps(features)}

    def functions(self):
        """The concrete functions by signature name, with named inputs; `attention` only if the model has any."""
        config = self.generator.config
        size, label = config.image_size, label_dtype(config.num_classes)
        maps, files = {"label_map": (label, size)}, {"label_png": (tf.string, ())}
        if config.use_instance_edges:
            maps["instance_map"], files["instance_png"] = (tf.int32, size), (tf.string, ())
        inputs = {DEFAULT: (self.serving_default, maps), PNG: (self.png, files)}
        if config.attention != "none":
            inputs[ATTENTION] = (self.attention, maps)
        return {
            name: tf.function(function).get_concrete_function(
                **{key: tf.TensorSpec((None, *shape), dtype, key) for key, (dtype, shape) in specs.items()}
            )
            for name, (function, specs) in inputs.items()
        }

    def save(self, path):
        """Writes a SavedModel to a folder that does not exist yet. It holds the weights once and no Keras object."""
        module = tf.Module()
        module.weights = [weight.value for weight in self.generator.weights]  # their paths need not be unique
        tf.saved_model.save(module, str(path), signatures=self.functions())

    def _batch(self, label_map, instance_map):
        config = self.generator.config
        # Servers that run the graph without Python check no shapes, and a wrong one can give a wrong picture.
        ids = tf.cast(tf.ensure_shape(label_map, (None, *config.image_size)), tf.int32)
        batch = {"label": checked(ids, ids, config.num_classes, "label_map", f"0 to {config.num_classes - 1}")}
        if instance_map is not None:
            instance_map = tf.ensure_shape(instance_map, (None, *config.image_size))
            batch["instance"] = _as_many(instance_map, ids, "instance_map")
        return batch

    def _decoded(self, files, name):
        size = self.generator.config.image_size
        spec = tf.TensorSpec(size, tf.int32)
        return tf.map_fn(lambda file: decode_ids(file, size, name), files, fn_output_signature=spec)


def _as_many(instances, labels, name):
    """The instance maps, after an assertion that there are as many as label maps."""
    expected, received = tf.shape(labels)[0], tf.shape(instances)[0]
    message = [f"{name} must hold as many maps as there are label maps,", expected, "Received", received]
    with tf.control_dependencies([tf.debugging.Assert(expected == received, message)]):
        return tf.identity(instances)
