"""Nothing of a request is kept once it is over, however it ended."""

import contextlib
import gc
import json
import socket
import weakref

import grpc
import numpy as np
import pytest
from aiohttp import web

from dagan_tf.server import batching, grpc_api, rest_api
from dagan_tf.server.servable import Signature
from tests.server.helpers import serving, until

ROW = [[1] * 4] * 4
KINDS = (batching._Task, batching._Place, grpc_api.PredictRequest, rest_api.PredictRequest, web.Request)


def count():
    """How many objects of requests there are."""
    gc.collect()
    # By type: `isinstance` would ask objects of other libraries for their class, which some take for a use of them.
    return sum(issubclass(type(thing), KINDS) for thing in gc.get_objects())


@pytest.fixture
def arrays(monkeypatch):
    """Weak references to all inputs and outputs that are run."""
    seen, run = [], Signature.run

    def watched(signature, inputs):
        outputs = run(signature, inputs)
        seen.extend(weakref.ref(array) for array in (*inputs.values(), *outputs.values()))
        return outputs

    monkeypatch.setattr(Signature, "run", watched)
    return seen


def good(client):
    assert client.add(1, count=2).shape == (2, 4, 4)
    assert client.post({"instances": [ROW]})[0] == 200


def refused(client):
    wrong_id, wrong_size = np.full((1, 4, 4), 99, np.uint8), np.zeros((1, 4, 5), np.uint8)
    for x in (wrong_id, wrong_size):
        assert client.refused(inputs={"x": x})[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert client.refused("wide", {"n": np.ones(2, np.float32)})[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
    for body in ({"instances": [[[99] * 4] * 4]}, {"instances": [[1]]}, {"signature_name": "wide", "inputs": [1]}):
        assert client.post(body)[0] in (400, 429)
    assert client.post(b"garbage" * 9, headers={"Content-Encoding": "gzip"})[0] == 400


def cancelled(client):
    call = client.prediction.Predict.future(client.request(inputs={"x": np.ones((1, 4, 4), np.uint8)}))
    call.cancel()


def dropped(client):
    body = json.dumps({"instances": [ROW]}).encode()
    head = f"POST /v1/models/counter:predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head + body, head + body[:9]):
        with socket.create_connection(("127.0.0.1", client.rest_port)) as connection:
            connection.sendall(sent)


def test_no_request_leaves_anything(counter, arrays):
    with serving(counter, max_message_mb=4) as running:
        client = running.client
        for ask in (good, refused, cancelled, dropped):  # caches are filled
            ask(client)
        with contextlib.closing(client.http):  # a connection keeps its last request
            pass
        until(lambda: client.waiting() == 0)
        before = count()
        for _ in range(30):
            for ask in (good, refused, cancelled, dropped):
                ask(client)
        client.http.close()
        until(lambda: client.waiting() == 0)
        assert len(arrays) > 200
        until(lambda: count() <= before)
        until(lambda: not any(array() is not None for array in arrays))
