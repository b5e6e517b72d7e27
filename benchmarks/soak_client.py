"""One client of the server under test: its gRPC channel, its HTTP session and bare sockets."""

import json
import socket

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

NAME = "soaked"
"""The model's name on the server."""

TIMEOUT = 300
"""Seconds that any request may take."""


class Client:
    """One client's connections."""

    def __init__(self, ports, questions, rng):
        self.ports, self.questions, self.rng = ports, questions, rng
        size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{ports[0]}", options=[*size, ("grpc.use_local_subchannel_pool", 1)]
        )
        self.prediction = PredictionServiceStub(self.channel)
        self.http = requests.Session()

    def close(self):
        self.channel.close()
        self.http.close()

    def message(self, signature, inputs, name=NAME, version=None, outputs=()):
        """A PredictRequest of arrays or TensorProtos."""
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value) if isinstance(value, np.ndarray) else value)
        return request

    def grpc(self, signature="serving_default", inputs=None, timeout=TIMEOUT, **spec):
        """Sends a request that must fail; returns the name of its code."""
        inputs = self.questions.changed() if inputs is None else inputs
        return self._code(lambda: self.prediction.Predict(self.message(signature, inputs, **spec), timeout=timeout))

    def raw(self, method, body):
        """Sends bytes to a method."""
        return self._code(lambda: self.channel.unary_unary(method)(body, timeout=TIMEOUT))

    def _code(self, call):
        try:
            call()
        except grpc.RpcError as error:
            return error.code().name if _plain(error.details()) else f"traceback: {error.details()[:200]}"
        return "OK"

    def rest(self, body, path="", method="POST", encoding=None):
        """Sends a body, or an object, to the model's address; returns the HTTP status and the answer."""
        headers = {"Content-Encoding": encoding} if encoding else {}
        url = f"http://127.0.0.1:{self.ports[1]}/v1/models/{path or NAME + ':predict'}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.http.request(method, url, data=data, headers=headers, timeout=TIMEOUT)
        if not _plain(answer.text):
            return f"traceback: {answer.text[:200]}", None
        return str(answer.status_code), answer

    def socket(self, port, data):
        """Sends bytes to a port and hangs up."""
        with socket.create_connection(("127.0.0.1", self.ports[port]), timeout=TIMEOUT) as connection:
            connection.sendall(data)
        return "closed"


def _plain(text):
    return "Traceback" not in text and 'File "' not in text
