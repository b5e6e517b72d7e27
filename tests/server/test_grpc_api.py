"""The gRPC services, asked through the stubs of TF-Serving's own protocol."""

import concurrent.futures
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.server.helpers import WAIT, answer_of, until

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
X = np.arange(16, dtype=np.uint8).reshape(1, 4, 4) % 13


def proto(dtype=tf.uint8, shape=(1, 4, 4), **content):
    """A TensorProto whose parts may contradict each other."""
    result = tf.make_tensor_proto(0)
    result.Clear()
    result.dtype = dtype.as_datatype_enum
    for size in shape:
        result.tensor_shape.dim.add(size=size)
    for field, value in content.items():
        getattr(result, field).extend(value) if isinstance(value, list) else setattr(result, field, value)
    return result


class TestPredict:
    def test_values_and_model_spec(self, client):
        response = client.prediction.Predict(client.request(inputs={"x": X}), timeout=WAIT)
        np.testing.assert_array_equal(tf.make_ndarray(response.outputs["y"]), X.astype(np.int32) + 1)
        spec = response.model_spec
        assert (spec.name, spec.version.value, spec.signature_name) == ("counter", 1, "serving_default")

    def test_named_version_and_signature(self, client):
        np.testing.assert_array_equal(client.predict("serving_default", {"x": X}, version=1)["y"], X.astype(int) + 1)

    def test_strings(self, client):
        files = [tf.io.encode_png(X[0][..., None]).numpy(), tf.io.encode_png(2 * X[0][..., None]).numpy()]
        answers = client.predict("png", {"file": np.array(files, object)})["image_bytes"]
        decoded = [tf.io.decode_png(answer).numpy()[..., 0] for answer in answers]
        np.testing.assert_array_equal(decoded, [X[0], 2 * X[0]])

    def test_signature_without_a_batch(self, client):
        a = np.arange(6, dtype=np.float32).reshape(2, 3)
        answer = client.predict("fixed", {"a": a, "negative": np.array(True)})
        assert answer["sum"] == -15
        np.testing.assert_array_equal(answer["double"], 2 * a)

    def test_output_filter(self, client):
        inputs = {"a": np.ones((2, 3), np.float32), "negative": np.array(False)}
        assert set(client.predict("fixed", inputs, outputs=["double"])) == {"double"}
        for wrong in (["double", "double"], ["triple"]):
            code, message = client.refused("fixed", inputs, outputs=wrong)
            assert code == INVALID
            assert "double" in message

    def test_fewer_values_than_elements_repeat_the_last(self, client):
        answer = client.predict(inputs={"x": proto(int_val=[1, 2])})["y"]
        np.testing.assert_array_equal(answer.ravel(), [2] + [3] * 15)


BAD_INPUTS = {
    "dtype": ({"x": X.astype(np.float32)}, "must be uint8 (any, 4, 4). Received dtype float32"),
    "rank": ({"x": X[0]}, "Received shape (4, 4)"),
    "size": ({"x": np.zeros((1, 4, 5), np.uint8)}, "Received shape (1, 4, 5)"),
    "no examples": ({"x": np.zeros((0, 4, 4), np.uint8)}, "1 to 8 examples"),
    "too many examples": ({"x": np.zeros((9, 4, 4), np.uint8)}, "Received 9"),
    "id": ({"x": X + 1}, "ids must be below 13, received 13"),
    "missing input": ({}, "takes the inputs: x"),
    "unknown input": ({"x": X, "z": X}, "Received: ['x', 'z']"),
    "bomb": ({"x": proto(shape=(1, 100000, 100000), int_val=[1])}, "Received shape (1, 100000, 100000)"),
    "negative size": ({"x": proto(shape=(-1, 4, 4), int_val=[1])}, "Received shape (-1, 4, 4)"),
    "short content": ({"x": proto(tensor_content=b"12")}, "takes 16 bytes of tensor_content. Received 2"),
    "too many values": ({"x": proto(int_val=[1] * 17)}, "do not fit"),
    "value out of range": ({"x": proto(int_val=[256])}, "do not fit"),
    "unknown dtype": ({"x": tf.make_tensor_proto(X).__class__(dtype=77)}, "Received dtype 77"),
}


class TestRefusals:
    @pytest.mark.parametrize("kind", BAD_INPUTS)
    def test_inputs(self, client, kind):
        inputs, text = BAD_INPUTS[kind]
        code, message = client.refused(inputs=inputs)
        assert code == INVALID
        assert text in message
        assert "{{" not in message

    def test_unknown_rank(self, client):
        x = proto(shape=(), int_val=[1])
        x.tensor_shape.unknown_rank = True
        assert client.refused(inputs={"x": x})[0] == INVALID

    def test_a_bomb_in_free_dimensions_is_not_allocated(self, client):
        code, message = client.refused("free", {"x": proto(tf.int64, (1, 1 << 40), int64_val=[1])})
        assert code == INVALID
        assert str(4 << 20) in message

    def test_a_bomb_of_strings(self, client):
        huge = proto(tf.string, (1 << 19,), string_val=[b"x" * 1000])
        assert client.refused("png", {"file": huge})[0] == INVALID

    def test_strings_in_tensor_content(self, client):
        code, message = client.refused("png", {"file": proto(tf.string, (1,), tensor_content=b"\x01a")})
        assert code == INVALID
        assert "string_val" in message

    def test_more_strings_than_elements(self, client):
        assert client.refused("png", {"file": proto(tf.string, (1,), string_val=[b"a", b"b"])})[0] == INVALID

    def test_inputs_of_different_batches(self, client):
        inputs = {"text": np.array([b"a", b"b"], object), "n": np.ones(1, np.float32)}
        code, message = client.refused("pair", inputs)
        assert code == INVALID
        assert "'n': 1" in message

    @pytest.mark.parametrize("file", [b"", b"garbage", b"\x89PNG\r\n\x1a\nbroken"])
    def test_broken_png(self, client, file):
        code, message = client.refused("png", {"file": np.array([file], object)})
        assert code == INVALID
        assert "node" not in message

    @pytest.mark.parametrize(
        ("spec", "code", "text"),
        [
            ({"name": "other"}, NOT_FOUND, "Available: counter"),
            ({"name": ""}, INVALID, "names no model"),
            ({"version": 7}, NOT_FOUND, "Available: 1"),
            ({"label": "stable"}, NOT_FOUND, "TF-Serving's model configuration"),
            ({"signature": "nope"}, PRECONDITION, "serving_default"),
            ({"signature": "n" * 100000}, PRECONDITION, "serving_default"),
        ],
    )
    def test_model_version_label_signature(self, client, spec, code, text):
        assert client.refused(inputs={"x": X}, **spec)[0] == code
        assert text in client.refused(inputs={"x": X}, **spec)[1]

    @pytest.mark.parametrize(
        "method", ["PredictionService/Predict", "PredictionService/GetModelMetadata", "ModelService/GetModelStatus"]
    )
    @pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff garbage"])
    def test_bytes_that_are_no_request(self, client, method, body):
        call = client.channel.unary_unary(f"/tensorflow.serving.{method}")
        with pytest.raises(grpc.RpcError) as error:
            call(body, timeout=WAIT)
        assert error.value.code() == INVALID

    def test_bytes_that_are_no_health_request(self, client, caplog):
        health = "/grpc.health.v1.Health"
        for call in (client.channel.unary_unary(f"{health}/Check"), client.channel.unary_stream(f"{health}/Watch")):
            with pytest.raises(grpc.RpcError) as error:
                list(call(b"\xff\xff garbage", timeout=WAIT))
            assert error.value.code() == INVALID
        assert not caplog.records

    def test_unknown_method(self, client):
        call = client.channel.unary_unary("/tensorflow.serving.PredictionService/Classify")
        with pytest.raises(grpc.RpcError) as error:
            call(b"", timeout=WAIT)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED

    def test_message_too_large(self, client):
        with pytest.raises(grpc.RpcError) as error:
            client.predict("png", {"file": np.array([b"x" * (5 << 20)], object)})
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    def test_answer_too_large(self, client):
        code, message = client.refused("wide", {"n": np.ones(1, np.float32)})
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "output_filter" in message
        assert "larger than max" in message  # the client's mark of what no second try can mend
        assert client.predict("wide", {"n": np.ones(1, np.float32)}, outputs=["n"])["n"] == 1


class TestOtherServices:
    def test_metadata_is_the_saved_models(self, client):
        response = client.metadata()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert response.metadata["signature_def"].Unpack(signatures)
        assert set(signatures.signature_def) == {"serving_default", "png", "wait", "fixed", "pair", "free", "wide"}
        info = signatures.signature_def["serving_default"].inputs["x"]
        assert info.dtype == tf.uint8.as_datatype_enum
        assert [dim.size for dim in info.tensor_shape.dim] == [-1, 4, 4]
        assert (response.model_spec.name, response.model_spec.version.value) == ("counter", 1)

    @pytest.mark.parametrize("fields", [(), ("weights",), ("signature_def", "weights")])
    def test_metadata_fields(self, client, fields):
        with pytest.raises(grpc.RpcError) as error:
            client.metadata(fields)
        assert error.value.code() == INVALID

    def test_status(self, client):
        assert client.states() == {1: "AVAILABLE"}
        assert client.states(version=1) == {1: "AVAILABLE"}
        for spec in ({"version": 2}, {"name": "other"}, {"label": "stable"}):
            with pytest.raises(grpc.RpcError) as error:
                client.states(**spec)
            assert error.value.code() == NOT_FOUND

    def test_health(self, client):
        for service in ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"):
            assert client.health(service) == "SERVING"


class TestConnections:
    def test_a_deadline_or_a_cancelled_call_takes_the_request_out(self, client, tmp_path):
        before = client.batches()
        running = client.wait_for(tmp_path / "go")
        until(lambda: client.batches() == before + 1)
        gone = client.wait_for(tmp_path / "never")
        until(lambda: client.waiting() == 1)
        code, _ = client.refused(inputs={"x": X}, timeout=0.05)
        gone.cancel()
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
        until(lambda: client.waiting() == 0)
        (tmp_path / "go").touch()
        assert answer_of(running) == 1
        assert client.version() == 1
        assert client.batches() == before + 2  # only the first and the last were run

    @pytest.mark.parametrize(
        "data", [b"garbage" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x40"]
    )
    def test_garbage_and_dropped_connections(self, client, data):
        with socket.create_connection(("127.0.0.1", client.grpc_port)) as connection:
            connection.sendall(data)
        assert client.version() == 1

    def test_many_threads_get_their_own_answers(self, client):
        def ask(value):
            return client.add(value % 13, count=1 + value % 3)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for value, answer in enumerate(pool.map(ask, range(200))):
                np.testing.assert_array_equal(answer, np.full((1 + value % 3, 4, 4), value % 13 + 1))
