"""One version of a model: a SavedModel's signatures as functions from arrays to arrays."""

import dataclasses
import logging
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from dagan_tf.server import tensors
from dagan_tf.server.status import RequestError, StatusCode, from_tensorflow, shown

DEFAULT_SIGNATURE = "serving_default"
WARM_UP = pathlib.Path("assets.extra", "tf_serving_warmup_requests")

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Signature:
    """A function of a SavedModel: its name, the specs of its inputs and outputs, and the function itself."""

    name: str
    inputs: dict
    outputs: dict
    function: Callable

    @property
    def batched(self):
        """Whether requests can be joined on axis 0 and their answers split again."""
        return bool(self.inputs) and all(spec.batched for spec in (*self.inputs.values(), *self.outputs.values()))

    def run(self, inputs):
        """Runs the function.

        Args:
            inputs: a dictionary of arrays that fit `self.inputs`.

        Returns:
            A dictionary of arrays.

        Raises:
            RequestError: with TensorFlow's code, or INTERNAL; the log then has the traceback.
        """
        try:
            feeds = {name: tf.constant(array, self.inputs[name].dtype) for name, array in inputs.items()}
            return {name: np.asarray(value.numpy()) for name, value in self.function(**feeds).items()}
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        except Exception:
            log.exception("signature %s failed", self.name)
            raise RequestError(StatusCode.INTERNAL, "The model failed; the server's log has the reason.") from None


class Servable:
    """A version of a model, loaded from its SavedModel and warmed up with the requests that lie beside it.

    Args:
        path: folder with `saved_model.pb`.
        version: the number it is served as.
        max_bytes: most bytes a tensor of the warm-up may take.

    Attributes:
        version: its number.
        signatures: `Signature`s by name.
        signature_defs: the SignatureDefs by name, as clients read them.
    """

    def __init__(self, path, version, max_bytes):
        path = pathlib.Path(path)
        self.version = version
        self.signature_defs = read_signature_defs(path)
        self._model = tf.saved_model.load(str(path), tags=["serve"])  # owns the variables, so must live as long
        self.signatures = {
            name: Signature(name, _specs(definition.inputs), _specs(definition.outputs), self._model.signatures[name])
            for name, definition in self.signature_defs.items()
        }
        if (path / WARM_UP).exists():
            self._warm_up(path / WARM_UP, max_bytes)

    def signature(self, name):
        """The signature of that name, by default `serving_default`.

        Raises:
            RequestError: FAILED_PRECONDITION if there is none, the code of TF-Serving 2.x.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise RequestError(
                StatusCode.FAILED_PRECONDITION,
                f"Expected a signature of {', '.join(sorted(self.signatures))}. Received: {shown(name)}.",
            )
        return self.signatures[name]

    def _warm_up(self, path, max_bytes):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            entry = prediction_log_pb2.PredictionLog.FromString(record)
            if entry.WhichOneof("log_type") != "predict_log":
                continue  # Classify, Regress and the like are not served here
            request = entry.predict_log.request
            signature = self.signature(request.model_spec.signature_name)
            signature.run(read_inputs(request.inputs, signature, max_bytes))


def read_inputs(protos, signature, max_bytes):
    """The arrays of a PredictRequest's inputs, checked against the signature."""
    tensors.check_names(signature.inputs, protos)
    return {name: tensors.from_proto(protos[name], spec, max_bytes) for name, spec in signature.inputs.items()}


def read_signature_defs(path):
    """The SignatureDefs of the graph tagged "serve", without the one that only initialises."""
    saved_model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graphs = [graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags]
    if not graphs:
        raise ValueError(f'{path} has no graph with the tag "serve".')
    definitions = graphs[0].signature_def
    return {name: definitions[name] for name in definitions if name != "__saved_model_init_op"}


def _specs(infos):
    return {name: tensors.TensorSpec.from_info(name, infos[name]) for name in sorted(infos)}
