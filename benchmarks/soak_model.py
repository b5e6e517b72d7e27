"""The built-in model of `soak.py`: an exported generator's signatures over arithmetic."""

import tensorflow as tf


class StandIn(tf.Module):
    """The signatures of an exported generator, with arithmetic in place of the network."""

    SIZE, CLASSES = (24, 16), 12
    MAP = tf.TensorSpec((None, *SIZE), tf.uint8, "label_map"), tf.TensorSpec((None, *SIZE), tf.int32, "instance_map")
    FILES = tf.TensorSpec((None,), tf.string, "label_png"), tf.TensorSpec((None,), tf.string, "instance_png")

    def _image(self, label, instance):
        top = tf.reduce_max(label)
        with tf.control_dependencies([tf.debugging.Assert(top < self.CLASSES, ["label_map has the id", top])]):
            label = tf.cast(label, tf.int32)
        return tf.cast(tf.stack([label * 20, (label * 7 + instance) % 256, instance % 256], -1), tf.uint8)

    def _decode(self, file):
        """A PNG's ids, after a look at the size in its header."""
        size = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int64)
        height, width = self.SIZE
        same = tf.reduce_all(size == [0, 0, 0, width, 0, 0, 0, height])
        with tf.control_dependencies([tf.debugging.Assert(same, ["the PNG must have the model's size"])]):
            return tf.ensure_shape(tf.io.decode_png(file, channels=1)[..., 0], self.SIZE)

    @tf.function(input_signature=MAP)
    def serving_default(self, label_map, instance_map):
        return {"image": self._image(label_map, instance_map)}

    @tf.function(input_signature=FILES)
    def png(self, label_png, instance_png):
        label, instance = (tf.map_fn(self._decode, f, fn_output_signature=tf.uint8) for f in (label_png, instance_png))
        images = self._image(label, tf.cast(instance, tf.int32))
        return {"image_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    @tf.function(input_signature=MAP)
    def attention(self, label_map, instance_map):
        image = self._image(label_map, instance_map)
        maps = tf.cast(image, tf.float32) / 255
        weights = tf.reduce_mean(maps, [1, 2])
        return {"image": image, "spatial_attention": maps[..., :1], "channel_weights": weights}

    @classmethod
    def export(cls, folder):
        """Writes version 1 into a folder."""
        module = cls()
        functions = {"serving_default": module.serving_default, "png": module.png, "attention": module.attention}
        tf.saved_model.save(module, str(folder / "1"), signatures=functions)
