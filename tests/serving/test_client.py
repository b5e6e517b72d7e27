"""`serving/client.py` and the modules beside it against a gRPC server of the test's own, over a real socket."""

import concurrent.futures
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import types

import client
import client_calls
import client_load
import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.helpers import ROOT, run_python
from tests.server.helpers import serving

STATES = {"AVAILABLE": 30, "LOADING": 20, "END": 50}


def png(array):
    """An array as PNG bytes, uncompressed: noise would only cost time."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png", compress_level=0)
    return file.getvalue()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def picture_of(request):
    """What the test's server draws: the label map in red, the instance map in green."""
    maps = [pixels(request.inputs[name].string_val[0]) for name in sorted(request.inputs, reverse=True)]
    maps += [np.zeros_like(maps[0])] * (3 - len(maps))
    return png(np.stack(maps, axis=-1))


@pytest.fixture(scope="module")
def protos():
    return client_calls.libraries()


@pytest.fixture(scope="module")
def server(protos):
    """A running server: `address`, and `answer(request, context)`, which each test may replace."""
    state = types.SimpleNamespace(requests=[])

    class Prediction(protos.prediction_service.PredictionServiceServicer):
        def Predict(self, request, context):
            state.requests.append(request)
            response = protos.predict.PredictResponse()
            tensor = response.outputs["image_bytes"]
            tensor.dtype = protos.types.DT_STRING
            tensor.tensor_shape.dim.add(size=1)
            tensor.string_val.append(state.answer(request, context))
            return response

        def GetModelMetadata(self, request, context):
            signatures = protos.metadata.SignatureDefMap()
            signature = signatures.signature_def["png"]
            for infos, name in ((signature.inputs, "label_png"), (signature.outputs, "image_bytes")):
                infos[name].dtype = protos.types.DT_STRING
                infos[name].tensor_shape.dim.add(size=-1)
            signatures.signature_def["__saved_model_init_op"].outputs["op"].name = "NoOp"
            response = protos.metadata.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(signatures)
            return response

    class Model(protos.model_service.ModelServiceServicer):
        def GetModelStatus(self, request, context):
            response = protos.model_status.GetModelStatusResponse()
            for version, name in state.versions.items():
                response.model_version_status.add(version=version, state=STATES[name])
            return response

    running = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    protos.prediction_service.add_PredictionServiceServicer_to_server(Prediction(), running)
    protos.model_service.add_ModelServiceServicer_to_server(Model(), running)
    state.address = f"localhost:{running.add_insecure_port('localhost:0')}"
    running.start()
    yield state
    running.stop(grace=None).wait()


@pytest.fixture
def facades(server):
    """The server, answering with `picture_of`."""
    server.requests.clear()
    server.answer = lambda request, context: picture_of(request)
    server.versions = {1: "AVAILABLE"}
    return server


@pytest.fixture
def labels(tmp_path):
    """A folder of three label maps, one in a sub-folder."""
    folder = tmp_path / "labels"
    (folder / "more").mkdir(parents=True)
    for value, name in enumerate(("a.png", "b.png", "more/c.png"), 1):
        (folder / name).write_bytes(png(np.full((4, 4), value, "uint8")))
    return folder


def refuse(code, details, times=None):
    """An answer that is refused, always or a number of times."""
    left = iter(range(times)) if times is not None else None

    def answer(request, context):
        if left is None or next(left, None) is not None:
            context.abort(getattr(grpc.StatusCode, code), details)
        return picture_of(request)

    return answer


def call(server, *arguments):
    return client.main(["--server", server.address, "--model", "facades", *map(str, arguments)])


class TestOnePicture:
    def test_is_written(self, facades, labels, tmp_path):
        target = tmp_path / "new" / "picture.png"
        assert call(facades, "--label", labels / "b.png", "--output", target) == 0
        np.testing.assert_array_equal(pixels(target.read_bytes())[0, 0], [2, 0, 0])
        assert [path.name for path in target.parent.iterdir()] == ["picture.png"]
        spec = facades.requests[0].model_spec
        assert (spec.name, spec.signature_name, spec.WhichOneof("version_choice")) == ("facades", "png", None)

    def test_into_an_existing_folder_keeps_its_name(self, facades, labels, tmp_path):
        assert call(facades, "--label", labels / "a.png", "--output", tmp_path) == 0
        assert (tmp_path / "a.png").is_file()

    def test_into_a_folder_to_be_made(self, facades, labels, tmp_path):
        assert call(facades, "--label", labels / "a.png", "--output", f"{tmp_path}/new/") == 0
        assert (tmp_path / "new/a.png").is_file()

    def test_with_instance_map(self, facades, labels, tmp_path):
        maps = ("--label", labels / "a.png", "--instance", labels / "b.png")
        assert call(facades, *maps, "--output", tmp_path / "picture.png") == 0
        np.testing.assert_array_equal(pixels((tmp_path / "picture.png").read_bytes())[0, 0], [1, 2, 0])

    def test_of_a_version(self, facades, labels, tmp_path):
        flags = ("--label", labels / "a.png", "--output", tmp_path / "p.png")
        assert call(facades, *flags, "--version", "7") == 0
        assert call(facades, *flags, "--version-label", "canary") == 0
        first, second = (request.model_spec for request in facades.requests)
        assert first.version.value == 7
        assert second.version_label == "canary"

    def test_of_eight_megabytes(self, facades, labels, tmp_path):
        large = png(np.random.default_rng(0).integers(0, 256, (1700, 1700, 3), "uint8"))
        assert len(large) > 8_000_000
        facades.answer = lambda request, context: large
        assert call(facades, "--label", labels / "a.png", "--output", tmp_path / "p.png") == 0
        assert (tmp_path / "p.png").read_bytes() == large

    def test_of_a_large_label_map(self, facades, tmp_path):
        (tmp_path / "large.png").write_bytes(png(np.zeros((2500, 2500), "uint8")))
        assert call(facades, "--label", tmp_path / "large.png", "--output", tmp_path / "p.png") == 0

    def test_is_tried_again_when_the_server_is_full(self, facades, labels, tmp_path):
        facades.answer = refuse("RESOURCE_EXHAUSTED", "32 requests wait", times=1)
        assert call(facades, "--label", labels / "a.png", "--output", tmp_path / "p.png") == 0
        assert len(facades.requests) == 2

    @pytest.mark.parametrize(
        ("code", "details", "tries"),
        [
            ("RESOURCE_EXHAUSTED", "32 requests wait", 3),
            ("UNAVAILABLE", "The batch scheduling queue to which this task was submitted is full; currently", 3),
            ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 4)", 1),
            ("INVALID_ARGUMENT", "label_png has ids that are no class", 1),
        ],
    )
    def test_is_tried_only_as_often_as_it_helps(self, facades, labels, code, details, tries):
        facades.answer = refuse(code, details)
        with client.connect(facades.address) as channel, pytest.raises(client.ClientError, match=re.escape(details)):
            client.predict_png(
                client.prediction_stub(channel), "facades", (labels / "a.png").read_bytes(), retries=(0, 0)
            )
        assert len(facades.requests) == tries


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "details", "sentence"),
        [
            ("INVALID_ARGUMENT", "ids without a class: 12", "The server refused the request: ids without a class: 12"),
            ("NOT_FOUND", "Servable not found", "The server has no such model or version: Servable not found"),
            ("UNIMPLEMENTED", "Method not found", "What answers there does not speak TensorFlow Serving's protocol"),
            ("UNAVAILABLE", "shutting down", "The server failed with UNAVAILABLE: shutting down"),
            ("INTERNAL", "two\nlines", "The server failed with INTERNAL: two lines"),
            ("RESOURCE_EXHAUSTED", "Sent message larger than max", "A message is larger than the server or a proxy"),
        ],
    )
    def test_of_the_server_is_a_sentence(self, facades, labels, tmp_path, capsys, code, details, sentence):
        facades.answer = refuse(code, details)
        assert call(facades, "--label", labels / "a.png", "--output", tmp_path / "p.png") == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"error: {facades.address}: {sentence}")
        assert not (tmp_path / "p.png").exists()

    @pytest.mark.parametrize("host", ["localhost:{port}", "http://localhost:{port}", "no.such.host.invalid:{port}"])
    def test_nothing_answers(self, protos, labels, tmp_path, capsys, host):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        server = types.SimpleNamespace(address=host.format(port=port))
        assert call(server, "--label", labels, "--output", tmp_path / "pictures", "--timeout", 10) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert "Nothing answers there: is the server running" in lines[0]

    def test_no_answer_in_time(self, facades, labels, tmp_path, capsys):
        late = threading.Event()
        facades.answer = lambda request, context: (late.wait(10), picture_of(request))[1]
        flags = ("--label", labels / "a.png", "--output", tmp_path / "p.png", "--timeout", "0.2")
        assert call(facades, *flags) == 1
        late.set()
        assert "No answer within 0.2 seconds" in capsys.readouterr().err

    def test_answer_is_no_picture(self, facades, labels, tmp_path, capsys):
        facades.answer = lambda request, context: b"GIF89a"
        assert call(facades, "--label", labels / "a.png", "--output", tmp_path / "p.png") == 1
        assert "holds no PNG under image_bytes" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("flags", "sentence"),
        [
            ("", "Give --label FILE_OR_FOLDER"),
            ("--label {labels}", "Give --output for the pictures, or --requests N"),
            ("--label {labels} --output {new} --requests 3", "leave out --output"),
            ("--label {labels} --output {new} --concurrency 3", "--concurrency goes with --requests"),
            ("--status --label {labels}", "--status asks for no picture"),
            ("--label {labels} --output {new} --ca {labels}/a.png", "--ca goes with --tls"),
            ("--label {labels}/a.png --output {new} --tls --ca {new}", "new cannot be read: No such file"),
            ("--label {new} --output {new}", "There is no file"),
            ("--label {text} --output {new}", "is not a PNG file"),
            ("--label {empty} --output {new}", "holds no PNG files"),
            ("--label {labels} --instance {empty} --output {new}", "There is no file"),
            ("--label {labels} --output {labels}", "would replace the maps"),
            ("--label {labels}/a.png --output {labels}/a.png", "would replace the maps"),
            ("--label {labels}/a.png --output {text}/p.png", "p.png cannot be written: "),
            ("--label {long} --output {new}", "cannot be read: File name too long"),
            ("--label {labels} --instance {long} --output {new}", "cannot be read: File name too long"),
            ("--label {labels}/a.png --output {long}", "cannot be read: File name too long"),
        ],
    )
    def test_of_use_has_status_2(self, facades, labels, tmp_path, capsys, flags, sentence):
        (tmp_path / "text").write_text("no picture")
        (tmp_path / "empty").mkdir()
        names = {name: tmp_path / name for name in ("labels", "new", "text", "empty")} | {"long": "a" * 300}
        assert call(facades, *(flag.format(**names) for flag in flags.split())) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert sentence in message

    @pytest.mark.skipif(not os.geteuid(), reason="modes do not bind root")
    @pytest.mark.parametrize("name", ["", "a.png"])
    def test_of_rights_has_status_2(self, facades, labels, tmp_path, capsys, name):
        (labels / name).chmod(0)
        try:
            assert call(facades, "--label", labels / "a.png", "--output", tmp_path / "p.png") == 2
        finally:
            (labels / name).chmod(0o700)
        assert "a.png cannot be read: Permission denied" in capsys.readouterr().err

    @pytest.mark.parametrize("flags", [("--requests", "0"), ("--timeout", "nan"), ("--version", str(2**63))])
    def test_of_a_number_has_status_2(self, facades, labels, flags, capsys):
        with pytest.raises(SystemExit) as stopped:
            call(facades, "--label", labels, *flags)
        assert stopped.value.code == 2
        assert f"argument {flags[0]}: expected" in capsys.readouterr().err


class TestFolder:
    def test_pictures_have_the_maps_names(self, facades, labels, tmp_path, capsys):
        assert call(facades, "--label", labels, "--output", tmp_path / "pictures") == 0
        found = {str(p.relative_to(tmp_path / "pictures")) for p in (tmp_path / "pictures").rglob("*.png")}
        assert found == {"a.png", "b.png", "more/c.png"}
        np.testing.assert_array_equal(pixels((tmp_path / "pictures/more/c.png").read_bytes())[0, 0], [3, 0, 0])
        out, err = capsys.readouterr()
        assert out == ""
        assert [line.split()[0] for line in err.splitlines()] == ["1/3", "2/3", "3/3"]

    def test_a_folder_is_no_map_whatever_its_name(self, facades, labels, tmp_path):
        (labels / "folder.png").mkdir()
        assert call(facades, "--label", labels, "--output", tmp_path / "pictures") == 0
        assert len(list((tmp_path / "pictures").rglob("*.png"))) == 3

    def test_one_refused_map_does_not_stop_the_others(self, facades, labels, tmp_path, capsys):
        facades.answer = refuse("INVALID_ARGUMENT", "no class", times=1)
        assert call(facades, "--label", labels, "--output", tmp_path / "pictures") == 1
        assert len(list((tmp_path / "pictures").rglob("*.png"))) == 2
        assert capsys.readouterr().err.endswith("error: 1 of 3 pictures were not made.\n")

    def test_a_missing_model_stops_at_once(self, facades, labels, tmp_path):
        facades.answer = refuse("NOT_FOUND", "no model")
        assert call(facades, "--label", labels, "--output", tmp_path / "pictures") == 1
        assert len(facades.requests) == 1


class TestLoad:
    def test_table(self, facades, labels, capsys):
        facades.answer = refuse("RESOURCE_EXHAUSTED", "32 requests wait", times=2)
        assert call(facades, "--label", labels, "--requests", "20", "--concurrency", "4") == 1
        out, err = capsys.readouterr()
        rows = dict(re.findall(r"^(.+?)\s{2,}(\S+)", out, re.MULTILINE))
        assert (rows["requests"], rows["ok"], rows["RESOURCE_EXHAUSTED"]) == ("20", "18", "2")
        assert float(rows["pictures/s"]) > 0
        latencies = [float(rows[f"latency {name}"]) for name in ("p50", "p90", "p95", "p99", "max")]
        assert latencies == sorted(latencies)
        assert "2 of 20 requests failed, the first: The server is busy" in err
        assert len(facades.requests) == 20

    def test_requests_are_under_way_at_once(self, facades, labels):
        together = threading.Barrier(3, timeout=10)

        def answer(request, context):
            together.wait()
            return picture_of(request)

        facades.answer = answer
        assert call(facades, "--label", labels, "--requests", "6", "--concurrency", "3") == 0

    def test_ctrl_c_prints_what_was_measured(self, facades, labels):
        many = threading.Event()
        facades.answer = lambda request, context: (
            many.set() if len(facades.requests) > 20 else None,
            picture_of(request),
        )[1]
        flags = ["--server", facades.address, "--model", "facades", "--label", labels, "--requests", str(10**9)]
        command = [sys.executable, str(ROOT / "serving/client.py"), *map(str, flags)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert many.wait(60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in err
        assert int(re.search(r"^ok +(\d+)$", out, re.MULTILINE).group(1)) >= 20

    def test_all_failed_leaves_no_latencies(self):
        rows = client_load.table([(0.1, client.ClientError("full", code="RESOURCE_EXHAUSTED"))], 1.0)
        assert "latency" not in rows

    def test_percentiles_are_nearest_ranks(self):
        values = list(range(1, 101))
        assert [client_load.percentile(values, p) for p in (50, 90, 95, 99)] == [50, 90, 95, 99]
        assert client_load.percentile([5], 50) == client_load.percentile([5], 99) == 5


class TestStatus:
    def test_shows_versions_and_signatures(self, facades, capsys):
        facades.versions = {1: "AVAILABLE", 2: "LOADING"}
        assert call(facades, "--status") == 0
        out = capsys.readouterr().out
        assert "version 2  LOADING\n  version 1  AVAILABLE\n  signatures of version 1\n" in out
        assert "png: label_png string (?) -> image_bytes string (?)" in out
        assert "init_op" not in out

    def test_none_available_has_status_1(self, facades, capsys):
        facades.versions = {1: "END"}
        assert call(facades, "--status") == 1
        out, err = capsys.readouterr()
        assert "version 1  END" in out
        assert err == "error: No version of the model is available.\n"


class Wide(tf.Module):
    """A model whose pictures have more than a megabyte."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "label_png")])
    def png(self, label_png):
        picture = tf.strings.reduce_join(tf.repeat(tf.constant("x" * 1000), 1500))
        return {"image_bytes": tf.fill(tf.shape(label_png), client.PNG_START + picture)}


def test_an_answer_too_large_for_the_small_server_is_not_tried_again(labels, tmp_path, capsys):
    model = Wide()
    tf.saved_model.save(model, str(tmp_path / "facades/1"), signatures={"png": model.png})
    flags = ("--label", labels / "a.png", "--output", tmp_path / "p.png")
    with serving(tmp_path / "facades", max_message_mb=1) as running:
        assert call(types.SimpleNamespace(address=f"127.0.0.1:{running.client.grpc_port}"), *flags) == 1
        which = 'code="RESOURCE_EXHAUSTED",method="grpc.Predict",model="facades",signature="png"'
        assert running.client.metric(f"serving_requests_total{{{which}}}") == 1
    assert "A message is larger than the server or a proxy before it accepts" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_tls(protos, facades, labels, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    command = [*command.split(), "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)

    class Prediction(protos.prediction_service.PredictionServiceServicer):
        def Predict(self, request, context):
            response = protos.predict.PredictResponse()
            response.outputs["image_bytes"].string_val.append(picture_of(request))
            return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    protos.prediction_service.add_PredictionServiceServicer_to_server(Prediction(), server)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    address = types.SimpleNamespace(address=f"localhost:{server.add_secure_port('localhost:0', credentials)}")
    server.start()
    try:
        flags = ("--label", labels / "a.png", "--output", tmp_path / "p.png", "--timeout", "10")
        assert call(address, *flags, "--tls", "--ca", cert) == 0
        assert call(address, *flags, "--tls") == 1  # signed by nobody the system knows
        assert call(address, *flags) == 1
    finally:
        server.stop(grace=None).wait()


def test_help_and_wrong_use_need_no_tensorflow():
    script = """
import contextlib, sys
sys.path.insert(0, sys.argv[1])
from client import main
with contextlib.suppress(SystemExit):
    main(["--help"])
assert main(["--model", "facades", "--label", "none.png", "--output", "p.png"]) == 2
assert not [name for name in ("tensorflow", "grpc", "numpy") if name in sys.modules]
"""
    assert "--version-label" in run_python(script, ROOT / "serving")
