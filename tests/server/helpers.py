"""A small SavedModel, and servers of it in threads of their own, asked through real sockets."""

import asyncio
import contextlib
import pathlib
import threading
import time
import types

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from dagan_tf.server.app import Server
from dagan_tf.server.options import Options

AWAITED = []  # the files that requests wait for


WAIT = 120  # seconds after which a condition that should come about is taken to be broken


class Counter(tf.Module):
    """A model whose answers tell its version."""

    def __init__(self, version):
        super().__init__()
        self.version = tf.Variable(version, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 4), tf.uint8, "x")])
    def add(self, x):
        top = tf.reduce_max(x)
        with tf.control_dependencies([tf.debugging.Assert(top < 13, ["ids must be below 13, received", top])]):
            return {"y": tf.cast(x, tf.int32) + self.version}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "file")])
    def png(self, file):
        images = tf.map_fn(lambda f: tf.io.decode_png(f, channels=1), file, fn_output_signature=tf.uint8)
        return {"image_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "path")])
    def wait(self, path):
        """Ends when there is a file at one of the paths."""
        found = tf.while_loop(lambda n: n == 0, lambda n: [tf.size(tf.io.matching_files(path))], [0])
        return {"y": tf.fill(tf.shape(path), self.version + 0 * found[0])}

    @tf.function(input_signature=[tf.TensorSpec((2, 3), tf.float32, "a"), tf.TensorSpec((), tf.bool, "negative")])
    def fixed(self, a, negative):
        return {"sum": tf.reduce_sum(tf.where(negative, -a, a)), "double": 2 * a}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "text"), tf.TensorSpec((None,), tf.float32, "n")])
    def pair(self, text, n):
        return {"joined": tf.strings.join([text, "!"]), "half": n / 2}

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int64, "x")])
    def free(self, x):
        return {"largest": tf.reduce_max(x, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, "n")])
    def wide(self, n):
        return {"wide": tf.repeat(n[:, None], 1 << 20, axis=1), "n": n}


def export(folder, version, warm_up=b""):
    """Writes a version, as exporters should: under another name first."""
    model, target = Counter(version), pathlib.Path(folder, str(version))
    names = ("png", "wait", "fixed", "pair", "free", "wide")
    temporary = target.with_name(f".{version}.tmp")
    signatures = {"serving_default": model.add} | {name: getattr(model, name) for name in names}
    tf.saved_model.save(model, str(temporary), signatures=signatures)
    if warm_up:
        (temporary / "assets.extra").mkdir()
        (temporary / "assets.extra/tf_serving_warmup_requests").write_bytes(warm_up)
    temporary.rename(target)
    return target


def until(condition):
    """Waits for a condition and returns its value."""
    end = time.monotonic() + WAIT
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


class Client:
    """Asks a server through the stubs that come with TF-Serving's protocol, and over HTTP."""

    def __init__(self, grpc_port, rest_port, name="counter"):
        self.name, self.grpc_port, self.rest_port = name, grpc_port, rest_port
        size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{grpc_port}", options=[*size, ("grpc.use_local_subchannel_pool", 1)]
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.http = requests.Session()
        self.url = f"http://127.0.0.1:{rest_port}"

    def close(self):
        self.channel.close()
        self.http.close()

    def request(self, signature="", inputs=(), **spec):
        """A PredictRequest; inputs may be arrays or TensorProtos."""
        request = predict_pb2.PredictRequest()
        self.fill(request.model_spec, signature_name=signature, **spec)
        for name, value in dict(inputs).items():
            is_proto = hasattr(value, "DESCRIPTOR")
            request.inputs[name].CopyFrom(value if is_proto else tf.make_tensor_proto(value))
        return request

    def fill(self, spec, name=None, version=None, label="", signature_name=""):
        spec.name = self.name if name is None else name
        spec.signature_name = signature_name
        if version is not None:
            spec.version.value = version
        if label:
            spec.version_label = label

    def predict(self, signature="", inputs=(), timeout=WAIT, outputs=(), **spec):
        """The outputs as arrays."""
        request = self.request(signature, inputs, **spec)
        request.output_filter.extend(outputs)
        response = self.prediction.Predict(request, timeout=timeout)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def refused(self, signature="", inputs=(), **options):
        """The code and message of a request that must fail."""
        with pytest.raises(grpc.RpcError) as error:
            self.predict(signature, inputs, **options)
        assert "Traceback" not in error.value.details()
        return error.value.code(), error.value.details()

    def add(self, value=1, count=1, **options):
        """`serving_default` of a constant array."""
        return self.predict(inputs={"x": np.full((count, 4, 4), value, np.uint8)}, **options)["y"]

    def wait_for(self, path):
        """Starts a request that is answered, with the version's number, once there is a file at `path`.

        At the end of the test there is one: a thread that still waits would keep the process from ending.
        """
        AWAITED.append(pathlib.Path(path))
        request = self.request("wait", {"path": np.array([str(path).encode()], object)})
        return self.prediction.Predict.future(request, timeout=WAIT)

    def version(self):
        """The version that answers."""
        return int(self.add(0)[0, 0, 0])

    def states(self, **spec):
        """GetModelStatus as {version: state}."""
        return {s.version: get_model_status_pb2.ModelVersionStatus.State.Name(s.state) for s in self.statuses(**spec)}

    def statuses(self, **spec):
        request = get_model_status_pb2.GetModelStatusRequest()
        self.fill(request.model_spec, **spec)
        return self.model.GetModelStatus(request, timeout=WAIT).model_version_status

    def health(self, service=""):
        """The status in grpc.health.v1, by name."""
        request = health_pb2.HealthCheckRequest(service=service)
        status = health_pb2_grpc.HealthStub(self.channel).Check(request, timeout=WAIT).status
        return health_pb2.HealthCheckResponse.ServingStatus.Name(status)

    def metadata(self, fields=("signature_def",), **spec):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        self.fill(request.model_spec, **spec)
        return self.prediction.GetModelMetadata(request, timeout=WAIT)

    def post(self, body, path=None, **options):
        """A REST prediction: `(status, object)`."""
        path = path or f"/v1/models/{self.name}:predict"
        options |= {"data": body} if isinstance(body, bytes) else {"json": body}
        answer = self.http.post(self.url + path, timeout=WAIT, **options)
        return answer.status_code, answer.json()

    def get(self, path):
        answer = self.http.get(self.url + path, timeout=WAIT)
        return answer.status_code, answer.json()

    def batches(self):
        """How many batches the server has started."""
        return self.metric('serving_batch_size_count{model="counter"}')

    def waiting(self):
        """How many requests wait."""
        return self.metric('serving_queue_length{model="counter"}')

    def metric(self, line):
        """The value of one line of the metrics page, 0 where it is not there."""
        page = self.http.get(self.url + "/monitoring/prometheus/metrics", timeout=WAIT).text
        values = [entry.rsplit(" ", 1)[1] for entry in page.splitlines() if entry.rsplit(" ", 1)[0] == line]
        return float(values[0]) if values else 0.0


@contextlib.contextmanager
def serving(folder, **options):
    """Runs a server in a thread; yields a namespace of `server`, `client`, `call` (a coroutine in its loop), `stop`."""
    options = {"grpc_port": 0, "rest_port": 0, "poll": 0.05, "grace": WAIT, **options}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def start(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    def call(coroutine):
        return start(coroutine).result(WAIT)

    async def make():
        server = Server(Options(str(folder), **options))
        await server.start()
        return server

    try:
        server = call(make())
        client, stopping = Client(server.grpc_port, server.rest_port, server.name), []

        def stop():
            stopping.append(start(server.stop()))
            return stopping[0]

        try:
            yield types.SimpleNamespace(server=server, client=client, call=call, stop=stop)
        finally:
            release()
            client.close()
            (stopping[0] if stopping else stop()).result(WAIT)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def release():
    """Lets all requests of `Client.wait_for` end."""
    while AWAITED:
        with contextlib.suppress(FileNotFoundError):  # an old test's folder
            AWAITED.pop().touch()


def answer_of(call):
    """The single number in the answer of `Client.wait_for`."""
    return int(tf.make_ndarray(call.result().outputs["y"])[0])
