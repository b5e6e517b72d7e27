"""Soaks the server: thousands of requests, good and malformed, from many clients, with a new version in the middle.

    python benchmarks/soak.py [--requests 10000] [--clients 32] [--seed 0] [--model MODELS/NAME]

Starts `python -m dagan_tf.serve` on a copy of the model (or on a small built-in one with the same signatures), asks it
over gRPC and REST, and compares each answer with the SavedModel run here, each refusal with the status it must have.
Exit status 1 if an answer was wrong, the server's memory grew, its log has a traceback, or it did not stop cleanly.
"""

import argparse
import base64
import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAME = "soaked"
GOOD_SHARE = 0.85
TIMEOUT = 300
GROWTH = 20 << 20
"""Bytes that the server's memory may grow by over the last requests, from `SETTLED` on."""

SWAPPED, SETTLED = 0.3, 0.6
"""Shares of the requests after which a new version comes, and after which the old one must have gone."""


# --- The built-in model -----------------------------------------------------------------------------------------------


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


# --- What is asked, and the right answers -----------------------------------------------------------------------------


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


# --- The clients ------------------------------------------------------------------------------------------------------


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


def ask_grpc(client):
    """A good request over gRPC, sometimes for some of the outputs only."""
    question = client.questions.draw(client.rng)
    wanted = sorted(question.outputs)
    wanted = client.rng.sample(wanted, client.rng.randint(1, len(wanted))) if client.rng.random() < 0.3 else []
    message = client.message(question.signature, question.inputs, outputs=wanted)
    try:
        response = client.prediction.Predict(message, timeout=TIMEOUT)
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()[:200]}"
    received = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    return _judge(received, question, wanted or sorted(question.outputs))


def ask_rest(client, by_row):
    """A good request over REST."""
    question = client.questions.draw(client.rng)
    columns = {name: _json(array) for name, array in question.inputs.items()}
    if by_row:
        content = {"instances": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
    else:
        content = {"inputs": columns}
    status, answer = client.rest({"signature_name": question.signature, **content})
    if status != "200":
        return f"{status} {answer.text[:200] if answer is not None else ''}"
    return _judge(_columns(answer.json(), sorted(question.outputs)), question, sorted(question.outputs))


def _json(array):
    return [{"b64": base64.b64encode(v).decode()} for v in array] if array.dtype == object else array.tolist()


def _columns(document, names):
    """The outputs of a REST answer by name."""
    if len(names) == 1:
        columns = {names[0]: document.get("predictions", document.get("outputs"))}
    elif "outputs" in document:
        columns = document["outputs"]
    else:
        columns = {name: [row[name] for row in document["predictions"]] for name in names}
    return {name: [_unpack(v) for v in values] for name, values in columns.items()}


def _unpack(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _judge(received, question, wanted):
    if sorted(received) != sorted(wanted):
        return f"wrong outputs {sorted(received)}"
    wrong = [name for name in wanted if not same(name, received[name], question.outputs[name])]
    return f"wrong values of {wrong} from {question.signature}" if wrong else "OK"


# --- The malformed requests -------------------------------------------------------------------------------------------

INVALID, PREDICT = "INVALID_ARGUMENT", "/tensorflow.serving.PredictionService/Predict"
HTTP = f"POST /v1/models/{NAME}:predict HTTP/1.1\r\nHost: a\r\n".encode()
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def bomb(size):
    """A TensorProto of some bytes that claims to be enormous."""
    proto = tf.make_tensor_proto(np.zeros(1, np.uint8))
    proto.ClearField("tensor_shape")
    proto.ClearField("tensor_content")
    for dim in (1, 100000, size):
        proto.tensor_shape.dim.add(size=dim)
    proto.int_val.append(1)
    return proto


def with_file(client, file):
    """The inputs of `png` with another label file."""
    return client.questions.changed("png", label_png=np.array([file], object))


def with_ids(client, change):
    """The inputs of `serving_default` with a changed label map."""
    label = client.questions.pool["serving_default"][0].inputs["label_map"]
    return client.questions.changed(label_map=change(label))


def one_row(client, change):
    """A REST body of one example, its label map changed."""
    inputs = {name: array[0].tolist() for name, array in client.questions.changed().items()}
    inputs["label_map"] = change(inputs["label_map"])
    return {"instances": [inputs]}


def file_row(client, content):
    """A REST body of one label file."""
    columns = {name: _json(array) for name, array in with_file(client, b"").items()}
    return {"signature_name": "png", "inputs": {**columns, "label_png": [content]}}


def first_id(value):
    """Changes the first id of a nested list."""
    return lambda rows: [[value, *rows[0][1:]], *rows[1:]]


def cancelled(client):
    """A request that is taken back at once."""
    call = client.prediction.Predict.future(client.message("serving_default", client.questions.changed()))
    call.cancel()
    return call.code().name


def _or_ok(expected, received):
    """Both are right where the answer may have been quicker."""
    return f"{expected} or OK" if received in (expected, "OK") else received


def flat_png(client, **options):
    return encode_png(np.full(client.questions.size, client.questions.first_id), **options)


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


BAD = {
    "gRPC wrong dtype": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: x.astype(np.float32)))),
    "gRPC wrong rank": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: x[0]))),
    "gRPC wrong size": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: x[:, 1:]))),
    "gRPC wrong id": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: np.full_like(x, c.questions.classes)))),
    "gRPC missing input": (INVALID, lambda c: c.grpc(inputs={})),
    "gRPC unknown output": (INVALID, lambda c: c.grpc(outputs=["nothing"])),
    "gRPC too many examples": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: np.repeat(x, 9, 0)))),
    "gRPC tensor bomb": (INVALID, lambda c: c.grpc(inputs=with_ids(c, lambda x: bomb(100000)))),
    "gRPC garbage bytes": (INVALID, lambda c: c.raw(PREDICT, c.rng.randbytes(300))),
    "gRPC health: garbage": (INVALID, lambda c: c.raw("/grpc.health.v1.Health/Check", b"\xff" + c.rng.randbytes(99))),
    "gRPC unknown method": ("UNIMPLEMENTED", lambda c: c.raw(PREDICT + "ed", b"")),
    "gRPC unknown model": ("NOT_FOUND", lambda c: c.grpc(name="nothing")),
    "gRPC unknown version": ("NOT_FOUND", lambda c: c.grpc(version=77)),
    "gRPC unknown signature": ("FAILED_PRECONDITION", lambda c: c.grpc("nothing")),
    "gRPC deadline": ("DEADLINE_EXCEEDED or OK", lambda c: _or_ok("DEADLINE_EXCEEDED", c.grpc(timeout=0.0005))),
    "gRPC cancelled": ("CANCELLED or OK", lambda c: _or_ok("CANCELLED", cancelled(c))),
    "gRPC broken PNG": (INVALID, lambda c: c.grpc("png", with_file(c, flat_png(c)[:50]))),
    "gRPC no PNG": (INVALID, lambda c: c.grpc("png", with_file(c, c.rng.randbytes(100)))),
    "gRPC PNG bomb": (INVALID, lambda c: c.grpc("png", with_file(c, flat_png(c, size=(60000, 60000))))),
    "gRPC port: garbage": ("closed", lambda c: c.socket(0, c.rng.randbytes(200))),
    "gRPC port: dropped": ("closed", lambda c: c.socket(0, HTTP2 + b"\0\0\0\4\0\0\0\0\0\0\0\x40\0\0")),
    "REST wrong id": ("400", lambda c: c.rest(one_row(c, first_id(c.questions.classes)))[0]),
    "REST wrong number": ("400", lambda c: c.rest(one_row(c, first_id(1.5)))[0]),
    "REST truth value": ("400", lambda c: c.rest(one_row(c, first_id(True)))[0]),
    "REST NaN": ("400", lambda c: c.rest(one_row(c, first_id(float("nan"))))[0]),
    "REST ragged": ("400", lambda c: c.rest(one_row(c, lambda rows: [rows[0][1:], *rows[1:]]))[0]),
    "REST wrong rank": ("400", lambda c: c.rest(one_row(c, lambda rows: rows[0]))[0]),
    "REST garbage": ("400", lambda c: c.rest(c.rng.randbytes(300))[0]),
    "REST broken gzip": ("400", lambda c: c.rest(b"garbage" * 9, encoding="gzip")[0]),
    "REST broken deflate": ("400", lambda c: c.rest(b"\x78\x9cgarbage", encoding="deflate")[0]),
    "REST nested": ("400", lambda c: c.rest(b"[" * 100000)[0]),
    "REST broken PNG": ("400", lambda c: c.rest(file_row(c, b64(flat_png(c)[:50])))[0]),
    "REST PNG bomb": ("400", lambda c: c.rest(file_row(c, b64(flat_png(c, size=(60000, 60000)))))[0]),
    "REST no base64": ("400", lambda c: c.rest(file_row(c, {"b64": "%"}))[0]),
    "REST unknown model": ("404", lambda c: c.rest(one_row(c, list), "nothing:predict")[0]),
    "REST unknown version": ("404", lambda c: c.rest(one_row(c, list), f"{NAME}/versions/77:predict")[0]),
    "REST unknown signature": ("400", lambda c: c.rest({"signature_name": "nothing", **one_row(c, list)})[0]),
    "REST port: garbage": ("closed", lambda c: c.socket(1, c.rng.randbytes(200))),
    "REST port: dropped": ("closed", lambda c: c.socket(1, HTTP + b"Content-Length: 100000\r\n\r\n{")),
}
GOOD = {
    "gRPC good": ("OK", ask_grpc),
    "REST good, rows": ("OK", lambda client: ask_rest(client, True)),
    "REST good, columns": ("OK", lambda client: ask_rest(client, False)),
}


# --- The soak ---------------------------------------------------------------------------------------------------------


class ServerProcess:
    """The server under test, on free ports, with its log in a file."""

    def __init__(self, folder, log):
        self._log = log
        ports = ["--grpc-port", "0", "--rest-port", "0", "--poll", "0.2"]
        command = [sys.executable, "-m", "dagan_tf.serve", "--model", str(folder), *ports]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with open(log, "w") as file:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, env=environment)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The server did not start:\n{self.log()}")
        self.ports = [int(re.search(rf"{kind}\D+127\.0\.0\.1:(\d+)", line).group(1)) for kind in ("gRPC", "REST")]

    def rss(self):
        """Bytes of memory."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10

    def log(self):
        """What the server logged."""
        return pathlib.Path(self._log).read_text()

    def stop(self):
        """Sends SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._process.stdout.close()


@dataclasses.dataclass
class Report:
    """What came of a soak.

    Attributes:
        outcomes: {(kind, expected): Counter of what was received}.
        seconds: latencies of the good requests.
        memory: {share of the requests: bytes of the server}.
        versions: the states of all versions at the end.
        log: the server's.
        exit_status: of the server.
    """

    outcomes: dict
    seconds: list
    memory: dict
    versions: dict
    log: str
    exit_status: int
    wall: float

    @property
    def problems(self):
        """All that was not as it must be."""
        found = [
            f"{kind}: expected {expected}, received {received} ({count} times)"
            for (kind, expected), counter in self.outcomes.items()
            for received, count in counter.items()
            if received != expected
        ]
        if self.memory[1.0] > self.memory[SETTLED] + GROWTH:
            found.append("the server's memory grew")
        if "Traceback" in self.log:
            found.append("the server's log has a traceback")
        if self.versions != {1: "END", 2: "AVAILABLE"}:
            found.append(f"the versions ended as {self.versions}")
        if self.exit_status:
            found.append(f"the server's exit status was {self.exit_status}")
        return found

    def table(self):
        """The report for people, in Markdown."""
        rows = ["| kind | expected | requests | as expected |", "|---|---|--:|--:|"]
        for (kind, expected), counter in self.outcomes.items():
            rows.append(f"| {kind} | {expected} | {counter.total()} | {counter[expected]} |")
        total = sum(counter.total() for counter in self.outcomes.values())
        right = sum(counter[expected] for (_, expected), counter in self.outcomes.items())
        rows.append(f"| **all** | | {total} | {right} |")
        marks = [f"{p} %: {np.percentile(self.seconds, p) * 1000:.1f} ms" for p in (50, 90, 99, 100)]
        memory = [f"{share:.0%}: {size / 2**20:.0f} MiB" for share, size in sorted(self.memory.items())]
        return "\n".join(
            [
                *rows,
                "",
                f"{total / self.wall:.0f} requests a second, {self.wall:.0f} s. Wrong: {total - right}.",
                f"Latency of good requests: {', '.join(marks)}.",
                f"The server's memory: {', '.join(memory)}.",
                f"Versions at the end: {self.versions}. Exit status after SIGTERM: {self.exit_status}.",
            ]
        )


class Soak:
    """Counts what the clients receive, and acts at certain shares of the requests."""

    def __init__(self, server, folder, questions, total, seed):
        self._server, self._folder, self._questions = server, folder, questions
        self._total, self._seed = total, seed
        self._lock, self._done = threading.Lock(), 0
        self._outcomes = {(kind, expected): collections.Counter() for kind, (expected, _) in (GOOD | BAD).items()}
        self._seconds, self._memory = [], {}
        self._bad = [kind for kind in BAD if "PNG" not in kind or "png" in questions.signatures]
        self._actions = {0.1: self._sample, SWAPPED: self._swap, SETTLED: self._settle, 1.0: self._sample}

    def plan(self, clients):
        """The kinds of request of each client: the same for the same seed, each good and each bad one equally often."""
        rng = random.Random(self._seed)
        good = round(self._total * GOOD_SHARE)
        kinds = [*itertools.islice(itertools.cycle(GOOD), good)]
        kinds += itertools.islice(itertools.cycle(self._bad), self._total - good)
        rng.shuffle(kinds)
        return [kinds[i::clients] for i in range(clients)]

    def client(self, number, kinds):
        """Sends one client's requests."""
        rng = random.Random(f"{self._seed} {number}")
        with contextlib.closing(Client(self._server.ports, self._questions, rng)) as client:
            for kind in kinds:
                expected, send = (GOOD | BAD)[kind]
                start = time.perf_counter()
                try:
                    received = send(client)
                except Exception as error:  # a finding like any other
                    received = f"{type(error).__name__}: {error}"[:300]
                self._count(kind, expected, received, time.perf_counter() - start if kind in GOOD else None)

    def _count(self, kind, expected, received, seconds):
        with self._lock:
            self._outcomes[kind, expected][received] += 1
            if seconds is not None:
                self._seconds.append(seconds)
            self._done += 1
            due = [share for share in self._actions if self._done >= share * self._total]
            actions = [(share, self._actions.pop(share)) for share in due]
        for share, act in actions:
            act(share)

    def _sample(self, share):
        self._memory[share] = self._server.rss()

    def _settle(self, share):
        self._final_versions()
        self._sample(share)

    def _swap(self, share):
        """A new version comes, as exporters write it: under another name first."""
        temporary = self._folder / ".2.tmp"
        shutil.copytree(self._folder / "1", temporary)
        temporary.rename(self._folder / "2")

    def report(self, wall):
        """Waits for the new version, stops the server, and tells what came of it all."""
        versions = self._final_versions()
        status = self._server.stop()
        return Report(self._outcomes, self._seconds, self._memory, versions, self._server.log(), status, wall)

    def _final_versions(self):
        """The states of the versions once the old one is unloaded."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = NAME
        end = time.monotonic() + TIMEOUT
        with grpc.insecure_channel(f"127.0.0.1:{self._server.ports[0]}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            while True:
                entries = stub.GetModelStatus(request, timeout=TIMEOUT).model_version_status
                states = {e.version: get_model_status_pb2.ModelVersionStatus.State.Name(e.state) for e in entries}
                if states == {1: "END", 2: "AVAILABLE"} or time.monotonic() > end:
                    return states
                time.sleep(0.1)


def soak(total=10000, clients=32, seed=0, model=None):
    """Runs a soak; returns its `Report`."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch, NAME)
        folder.mkdir()
        if model is None:
            StandIn.export(folder)
        else:
            newest = max((p for p in pathlib.Path(model).iterdir() if p.name.isdecimal()), key=lambda p: int(p.name))
            shutil.copytree(newest, folder / "1")
        questions = Questions(folder / "1", random.Random(seed))
        server = ServerProcess(folder, pathlib.Path(scratch, "log"))
        try:
            running = Soak(server, folder, questions, total, seed)
            start = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(clients) as pool:
                for done in [pool.submit(running.client, *work) for work in enumerate(running.plan(clients))]:
                    done.result()
            return running.report(time.monotonic() - start)
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.stop()


def main(argv=None):
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10000, help="how many (default: 10000)")
    parser.add_argument("--clients", type=int, default=32, help="how many ask at the same time (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="which requests (default: 0)")
    parser.add_argument("--model", help="exported model, a folder of versions (default: a small built-in one)")
    arguments = parser.parse_args(argv)
    report = soak(arguments.requests, arguments.clients, arguments.seed, arguments.model)
    print(report.table())
    for problem in report.problems:
        print(f"WRONG: {problem}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
