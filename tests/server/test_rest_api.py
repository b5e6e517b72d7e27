"""The REST API against the JSON shapes that TF-Serving documents."""

import base64
import gzip
import json
import socket
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from dagan_tf.server import rest_api
from tests.server.helpers import answer_of, serving, until

ROW = [[1, 2, 3, 4]] * 4
PREDICT = "/v1/models/counter:predict"
TIMED_OUT = 'serving_requests_total{code="DEADLINE_EXCEEDED",method="rest.Predict",model="counter",signature=""}'


def png(width=4, height=4, rows=None):
    """A grey PNG; `rows` (bytes) may be less than its header promises."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = (b"\0" + b"\1" * width) * height if rows is None else rows
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def plus(value):
    return (np.array(value) + 1).tolist()


class TestPredict:
    def test_rows_of_plain_values(self, client):
        assert client.post({"instances": [ROW, ROW]}) == (200, {"predictions": [plus(ROW)] * 2})

    def test_rows_of_objects(self, client):
        assert client.post({"instances": [{"x": ROW}]}) == (200, {"predictions": [plus(ROW)]})

    def test_columns(self, client):
        assert client.post({"inputs": {"x": [ROW]}}) == (200, {"outputs": [plus(ROW)]})
        assert client.post({"inputs": [ROW]}) == (200, {"outputs": [plus(ROW)]})

    def test_several_inputs_and_outputs(self, client):
        rows = [{"text": "a", "n": 1}, {"text": b64("é".encode()), "n": 0.5}]
        answers = [{"joined": "a!", "half": 0.5}, {"joined": "é!", "half": 0.25}]
        assert client.post({"signature_name": "pair", "instances": rows}) == (200, {"predictions": answers})
        columns = {"text": ["a", "b"], "n": [1, 2]}
        expected = {"joined": ["a!", "b!"], "half": [0.5, 1.0]}
        assert client.post({"signature_name": "pair", "inputs": columns}) == (200, {"outputs": expected})

    def test_bytes_in_and_out(self, client):
        for body, key in (
            ({"instances": [b64(png()), {"b64": b64(png())["b64"]}]}, "predictions"),
            ({"instances": [{"file": b64(png())}]}, "predictions"),
            ({"inputs": {"file": [b64(png())]}}, "outputs"),
        ):
            code, answer = client.post({"signature_name": "png", **body})
            assert code == 200
            picture = tf.io.decode_png(base64.b64decode(answer[key][0]["b64"])).numpy()
            np.testing.assert_array_equal(picture, np.ones((4, 4, 1)))

    def test_a_version_in_the_address(self, client):
        assert client.post({"instances": [ROW]}, "/v1/models/counter/versions/1:predict")[0] == 200

    def test_a_signature_without_a_batch_needs_columns(self, client):
        inputs = {"a": [[1, 2, 3], [4, 5, 6]], "negative": True}
        answer = {"sum": -21.0, "double": [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]}
        assert client.post({"signature_name": "fixed", "inputs": inputs}) == (200, {"outputs": answer})

    def test_what_is_no_number_is_a_float(self, client):
        body = b'{"signature_name": "pair", "inputs": {"text": ["a", "b", "c"], "n": [NaN, -Infinity, 1]}}'
        code, answer = client.post(body)
        assert code == 200
        np.testing.assert_array_equal(answer["outputs"]["half"], [np.nan, -np.inf, 0.5])

    def test_a_large_map(self, client):
        x = np.arange(600 * 600).reshape(600, 600) % 1000
        answer = client.post({"signature_name": "free", "inputs": x[:8].tolist()})
        assert answer == (200, {"outputs": [int(row.max()) for row in x[:8]]})


BAD_BODIES = {
    "empty": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "not UTF-8": b'{"instances": ["\xff"]}',
    "not a number for a string": b'{"signature_name": "pair", "inputs": {"text": [NaN], "n": [1]}}',
    "not a number": json.dumps({"instances": [[[float("nan")] * 4] * 4]}).encode(),
    "too deep": b'{"instances": ' + b"[" * 100000 + b"]" * 100000 + b"}",
    "deeper than the signature": {"instances": [[[[[1]] * 4] * 4]]},
    "no inputs": {"signature_name": "serving_default"},
    "both forms": {"instances": [ROW], "inputs": [ROW]},
    "no rows": {"instances": []},
    "rows that are no list": {"instances": {"x": ROW}},
    "rows of both kinds": {"instances": [ROW, {"x": ROW}]},
    "unknown input": {"inputs": {"z": [ROW]}},
    "missing input": {"signature_name": "pair", "instances": [{"text": "a"}]},
    "plain value of two inputs": {"signature_name": "pair", "instances": ["a"]},
    "ragged": {"instances": [[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3]]]},
    "ragged depth": {"instances": [[1, 2, 3, 4], ROW]},
    "size": {"instances": [[[1, 2, 3]] * 4]},
    "rank": {"instances": [1]},
    "too large for the dtype": {"instances": [[[256] * 4] * 4]},
    "below the dtype": {"instances": [[[-1] * 4] * 4]},
    "below, beside the largest": {"instances": [[[255, 255, -1, 0]] * 4]},
    "beyond 64 bits": {"instances": [[[1 << 70] * 4] * 4]},
    "fraction": {"instances": [[[1.5] * 4] * 4]},
    "truth values": {"instances": [[[True] * 4] * 4]},
    "null": {"instances": [[[None] * 4] * 4]},
    "string for a number": {"instances": [[["1"] * 4] * 4]},
    "number for a truth value": {"signature_name": "fixed", "inputs": {"a": [[1, 2, 3]] * 2, "negative": 1}},
    "too large for a float": {"signature_name": "pair", "inputs": {"text": ["a"], "n": [1e300]}},
    "infinite": b'{"signature_name": "pair", "inputs": {"text": ["a"], "n": [1e999]}}',
    "number for a string": {"signature_name": "pair", "inputs": {"text": [1], "n": [1]}},
    "half a character": b'{"signature_name": "pair", "inputs": {"text": ["\\ud800"], "n": [1]}}',
    "no base64": {"signature_name": "png", "instances": [{"b64": "§§§"}]},
    "broken PNG": {"signature_name": "png", "instances": [b64(png()[:40])]},
    "PNG bomb": {"signature_name": "png", "instances": [b64(png(1 << 30, 1 << 30, b""))]},
    "id": {"instances": [[[13] * 4] * 4]},
    "too many rows": {"instances": [ROW] * 9},
    "signature": {"signature_name": "nope", "instances": [ROW]},
    "signature's type": {"signature_name": 1, "instances": [ROW]},
    "rows of a signature without a batch": {"signature_name": "fixed", "instances": [{"a": 1, "negative": True}]},
}


class TestRefusals:
    @pytest.mark.parametrize("kind", BAD_BODIES)
    def test_bodies(self, client, kind):
        code, answer = client.post(BAD_BODIES[kind])
        assert code == 400
        assert set(answer) == {"error"}
        assert answer["error"]
        assert "Traceback" not in answer["error"]
        assert "\n" not in answer["error"]

    def test_messages_say_what_came(self, client):
        assert (
            "Received 256, which does not fit uint8" in client.post(BAD_BODIES["too large for the dtype"])[1]["error"]
        )
        assert "Received -1," in client.post(BAD_BODIES["below, beside the largest"])[1]["error"]
        assert "Received inf," in client.post(BAD_BODIES["infinite"])[1]["error"]
        assert "must be uint8 (any, 4, 4)" in client.post(BAD_BODIES["size"])[1]["error"]

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/models/other:predict",
            "/v1/models/counter/versions/2:predict",
            "/v1/models/counter/labels/stable:predict",
            "/v1/models/counter/versions/x:predict",
            "/v1/models/counter/versions/\N{ARABIC-INDIC DIGIT ONE}:predict",
            "/v1/models/counter/versions/99999999999999999999999:predict",
        ],
    )
    def test_unknown_model_version_label(self, client, path):
        code, answer = client.post({"instances": [ROW]}, path)
        assert code == 404
        assert set(answer) == {"error"}

    def test_methods_and_addresses(self, client):
        assert client.get(PREDICT)[0] == 405
        assert client.get("/nothing")[0] == 404
        assert client.post({}, "/v1/models/counter")[0] == 405

    def test_body_too_large(self, client):
        body = json.dumps({"instances": [ROW] * 200000}).encode()
        assert len(body) > 4 << 20
        code, answer = client.post(body)
        assert code == 413
        assert str(4 << 20) in answer["error"]

    @pytest.mark.parametrize(
        ("encoding", "data"),
        [
            ("gzip", b"garbage" * 9),
            ("gzip", gzip.compress(b"{}" * 99, mtime=0)[:-8] + b"garbage!"),
            ("deflate", b"\x78\x9cgarbage"),
        ],
    )
    def test_a_broken_compressed_body(self, client, encoding, data, caplog):
        code, answer = client.post(data, headers={"Content-Encoding": encoding})
        assert code == 400
        assert answer["error"]
        assert not caplog.records

    def test_answer_too_large(self, client):
        code, answer = client.post({"signature_name": "wide", "inputs": [1]})
        assert code == 429
        assert "larger than max" in answer["error"]

    def test_a_bomb_of_gzip(self, client):
        bomb = gzip.compress(b" " * (64 << 20))
        assert client.post(bomb, headers={"Content-Encoding": "gzip"})[0] == 413


class TestOtherAnswers:
    def test_status(self, client):
        ok = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        assert client.get("/v1/models/counter") == (200, {"model_version_status": [ok]})
        assert client.get("/v1/models/counter/versions/1") == (200, {"model_version_status": [ok]})
        for path in ("/v1/models/other", "/v1/models/counter/versions/2", "/v1/models/counter/labels/a"):
            assert client.get(path)[0] == 404

    def test_metadata(self, client):
        for path in ("/v1/models/counter/metadata", "/v1/models/counter/versions/1/metadata"):
            code, answer = client.get(path)
            assert code == 200
            assert answer["model_spec"] == {"name": "counter", "signature_name": "", "version": "1"}
            x = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
            assert x["dtype"] == "DT_UINT8"
            sizes = [{"size": "-1", "name": ""}, {"size": "4", "name": ""}, {"size": "4", "name": ""}]
            assert x["tensor_shape"] == {"dim": sizes, "unknown_rank": False}

    def test_metrics(self, client):
        line = 'serving_requests_total{code="OK",method="rest.Predict",model="counter",signature="serving_default"}'
        before = client.metric(line)
        client.post({"instances": [ROW]})
        client.post(BAD_BODIES["signature"])
        assert client.metric(line) == before + 1
        assert client.metric('serving_version{model="counter"}') == 1
        assert client.metric('serving_queue_length{model="counter"}') == 0
        assert client.metric("process_resident_memory_bytes") > 0
        # What clients make up is no label of a metric.
        refused = (
            'serving_requests_total{code="FAILED_PRECONDITION",method="rest.Predict",model="counter",signature=""}'
        )
        assert client.metric(refused) >= 1


class TestConnections:
    def test_a_client_that_hangs_up_leaves_the_queue(self, client, tmp_path):
        before = client.batches()
        running = client.wait_for(tmp_path / "go")
        until(lambda: client.batches() == before + 1)
        body = json.dumps({"instances": [ROW]}).encode()
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", client.rest_port)) as connection:
            connection.sendall(head + body)
            until(lambda: client.waiting() == 1)
        until(lambda: client.waiting() == 0)
        (tmp_path / "go").touch()
        assert answer_of(running) == 1
        assert client.batches() == before + 1

    def test_bodies_that_do_not_arrive(self, counter, monkeypatch):
        monkeypatch.setattr(rest_api, "READ_SECONDS", 0.05)
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\n".encode()
        chunked = head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"ins\r\n'
        with serving(counter) as running:
            address = ("127.0.0.1", running.client.rest_port)
            for first, later in ((chunked, b"zz\r\n\r\n"), (head + b"Content-Length: 1000\r\n\r\n{", b"")):
                with socket.create_connection(address) as connection:
                    connection.sendall(first)
                    until(lambda: running.client.metric(TIMED_OUT) or running.client.waiting() == 1)
                    connection.sendall(later)
                    assert b" 408 " in connection.recv(100)
            assert running.client.metric(TIMED_OUT) == 2
            assert running.client.waiting() == 0

    def test_a_body_is_read_once_there_is_a_place(self, counter):
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{{".encode()
        with serving(counter, max_queue=1) as running:
            address = ("127.0.0.1", running.client.rest_port)
            with socket.create_connection(address) as first, socket.create_connection(address) as second:
                first.sendall(head)
                until(lambda: running.client.waiting() == 1)
                second.sendall(head)
                assert b" 429 " in second.recv(100)
            until(lambda: running.client.waiting() == 0)
            assert running.client.version() == 1

    @pytest.mark.parametrize(
        "data",
        [
            b"\x00\xff garbage\r\n\r\n",
            b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
            b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{",
            b"POST " + PREDICT.encode() + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ],
    )
    def test_garbage_and_dropped_connections(self, client, data, caplog):
        with socket.create_connection(("127.0.0.1", client.rest_port)) as connection:
            connection.sendall(data)
        assert client.post({"instances": [ROW]})[0] == 200
        assert not [record for record in caplog.records if record.exc_info]
