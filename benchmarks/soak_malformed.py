"""The malformed requests of `soak.py`, each with the status that the server must answer."""

import numpy as np
import tensorflow as tf
from soak_client import NAME
from soak_good import as_json, b64
from soak_questions import encode_png

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
    columns = {name: as_json(array) for name, array in with_file(client, b"").items()}
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
    """A label file of one class; options as of `encode_png`."""
    return encode_png(np.full(client.questions.size, client.questions.first_id), **options)


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
"""{kind: (the outcome it must have, a function of a `Client` that sends it)}."""
