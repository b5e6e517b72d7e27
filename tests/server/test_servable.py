"""A SavedModel as a servable: specs, values, warm-up."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from dagan_tf.server.servable import Servable
from dagan_tf.server.status import RequestError, StatusCode
from tests.server.helpers import export

LIMIT = 1 << 20


def records(path, *entries):
    """The bytes of a TFRecord file."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for entry in entries:
            writer.write(entry)
    return path.read_bytes()


def log_of(signature, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    ).SerializeToString()


@pytest.fixture(scope="module")
def servable(counter):
    return Servable(counter / "1", 1, LIMIT)


def test_specs_are_the_saved_models(servable):
    signature = servable.signature("")
    assert signature.name == "serving_default"
    assert {name: str(spec) for name, spec in signature.inputs.items()} == {"x": "uint8 (any, 4, 4)"}
    assert {name: str(spec) for name, spec in signature.outputs.items()} == {"y": "int32 (any, 4, 4)"}


def test_which_signatures_are_batched(servable):
    batched = {name for name, signature in servable.signatures.items() if signature.batched}
    assert batched == set(servable.signatures) - {"fixed"}


def test_values(servable):
    x = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) % 13
    np.testing.assert_array_equal(servable.signature("").run({"x": x})["y"], x.astype(int) + 1)


def test_what_goes_wrong_elsewhere_is_internal(servable, caplog):
    with pytest.raises(RequestError) as error:
        servable.signature("").run({"x": object()})
    assert error.value.code == StatusCode.INTERNAL
    assert caplog.records[0].exc_info


class TestWarmUp:
    def load(self, folder, warm_up):
        return Servable(export(folder, 1, warm_up), 1, LIMIT)

    def test_records_are_run(self, tmp_path):
        other = prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog()).SerializeToString()
        good = log_of("", x=np.zeros((1, 4, 4), np.uint8))
        assert self.load(tmp_path / "m", records(tmp_path / "w", good, other)).version == 1

    @pytest.mark.parametrize(
        "entry",
        [
            log_of("", x=np.full((1, 4, 4), 99, np.uint8)),
            log_of("", x=np.zeros((1, 4, 5), np.uint8)),
            log_of("nothing"),
            b"\xff garbage",
        ],
    )
    def test_a_broken_record_is_an_error(self, tmp_path, entry):
        with pytest.raises(Exception, match=r"ids must be|shape|signature|pars"):
            self.load(tmp_path / "m", records(tmp_path / "w", entry))

    def test_a_broken_file_is_an_error(self, tmp_path):
        with pytest.raises(tf.errors.DataLossError):
            self.load(tmp_path / "m", b"no records, but long enough to be looked at")


def test_a_graph_without_the_tag(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ValueError, match="serve"):
        Servable(tmp_path, 1, LIMIT)
