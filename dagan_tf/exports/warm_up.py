"""Warm-up requests: what a model server runs before it says that a model is ready, so that no client waits for it."""

import numpy as np
import tensorflow as tf

from dagan_tf.exports.signatures import ATTENTION, DEFAULT, PNG, label_dtype
from dagan_tf.images import encode_png

FILE = "tf_serving_warmup_requests"


def inputs(config, labels):
    """One request for each signature, with a label map in which every pixel has the first class.

    Args:
        config: the `ModelConfig`.
        labels: the `LabelSpec` of the label files.

    Returns:
        `{signature: {input: array}}`.
    """
    maps = {"label_map": np.zeros((1, *config.image_size), label_dtype(config.num_classes).as_numpy_dtype)}
    files = {"label_png": encode_png(np.full(config.image_size, labels.id_of(0), np.uint16))}
    if config.use_instance_edges:
        maps["instance_map"] = np.zeros((1, *config.image_size), np.int32)
        files["instance_png"] = encode_png(np.zeros(config.image_size, np.uint16))
    inputs = {DEFAULT: maps, PNG: {name: np.array([file], object) for name, file in files.items()}}
    return inputs | ({ATTENTION: maps} if config.attention != "none" else {})


def write(path, requests, name):
    """Writes requests to a file that TF-Serving replays before it says that a model is ready.

    Args:
        path: of the file.
        requests: `{signature: {input: array}}`, see `inputs`.
        name: under which the model is served.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, arrays in requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for key, array in arrays.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString())
