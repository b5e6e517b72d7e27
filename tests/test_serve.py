"""The command in a process of its own."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import grpc
import numpy as np
import pytest

from dagan_tf import serve
from tests.helpers import ROOT, run_python
from tests.server.helpers import WAIT, Client, answer_of, export, until
from tests.server.test_servable import log_of, records

CANCELLED = 'serving_requests_total{code="CANCELLED",method="grpc.Predict",model="counter",signature="wait"}'


@pytest.fixture
def start(tmp_path):
    """Starts servers; gives the process and its client, or None where it ended or is not to be `ready`."""
    started = []

    def start(model, *flags, ready=True):
        ports = ["--grpc-port", "0", "--rest-port", "0"]
        command = [sys.executable, "-m", "dagan_tf.serve", "--model", str(model), *ports, *flags]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        started.append((process, log))
        if not ready:
            return process, None
        line = process.stdout.readline()
        if not line:
            return process, None
        ports = [int(re.search(rf"{kind}\D+127\.0\.0\.1:(\d+)", line).group(1)) for kind in ("gRPC", "REST")]
        client = Client(*ports)
        started[-1] += (client,)
        return process, client

    yield start
    for process, log, *clients in started:
        for client in clients:
            client.close()
        process.kill()
        process.wait()
        process.stdout.close()
        log.close()


def test_help_needs_no_heavy_import():
    script = "import sys; from dagan_tf import serve; serve.parser().format_help(); print(*sys.modules)"
    assert not {"tensorflow", "grpc", "aiohttp", "keras"} & set(run_python(script).split())


def test_defaults_are_in_the_help():
    text = " ".join(serve.parser().format_help().split())
    for default in ("8500", "8501", "127.0.0.1", "128", "64"):
        assert f"(default: {default})" in text


@pytest.mark.parametrize(
    "flags",
    [
        ["--rest-port", "70000"],
        ["--poll", "0"],
        ["--batch-timeout", "-1"],
        ["--max-batch", "0"],
        ["--grace", "x"],
        ["--max-message-mb", "2048"],
    ],
)
def test_flags_that_make_no_sense(flags, capsys):
    with pytest.raises(SystemExit) as error:
        serve.parser().parse_args(["--model", "m", *flags])
    assert error.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_sigterm_finishes_what_is_in_flight(start, counter, tmp_path):
    process, client = start(counter)
    calls = [client.wait_for(tmp_path / "go") for _ in range(3)]
    # All have arrived: in the first batch, or behind it.
    until(lambda: client.metric('serving_batch_size_sum{model="counter"}') + client.waiting() == 3)
    process.send_signal(signal.SIGTERM)
    until(lambda: client.health() == "NOT_SERVING")
    assert client.post({"instances": [[[0] * 4] * 4]})[0] == 503
    assert client.refused()[0] == grpc.StatusCode.UNAVAILABLE
    (tmp_path / "go").touch()
    assert [answer_of(call) for call in calls] == [1, 1, 1]
    assert process.wait(WAIT) == 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert [line.split(" ", 2)[2] for line in log.splitlines()] == ["counter version 1 is served"]


@pytest.fixture
def slow(tmp_path):
    """A version whose warm-up takes until there is a file `go`."""
    entries = [log_of("wait", path=np.array([str(tmp_path / "go").encode()], object))]
    return export(tmp_path / "slow", 2, records(tmp_path / "warm_up", *entries))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_batch_that_nobody_waits_for_does_not_hold_up_the_end(start, counter, tmp_path, number):
    process, client = start(counter)
    call = client.wait_for(tmp_path / "never")
    until(lambda: client.batches() == 1)
    call.cancel()
    until(lambda: client.metric(CANCELLED) == 1)
    process.send_signal(number)
    assert process.wait(WAIT) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_requests_that_were_cut_off_are_status_1(start, counter, tmp_path):
    process, client = start(counter, "--grace", "0.1")
    call = client.wait_for(tmp_path / "never")
    until(lambda: client.batches() == 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 1
    assert call.code() != grpc.StatusCode.OK
    assert "1 requests did not finish in 0.1 seconds" in (tmp_path / "log").read_text()


def test_the_second_signal_ends_it_at_once(start, counter, tmp_path):
    process, client = start(counter, "--grace", str(10 * WAIT))
    call = client.wait_for(tmp_path / "never")
    until(lambda: client.batches() == 1)
    process.send_signal(signal.SIGINT)
    until(lambda: client.health() == "NOT_SERVING")
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) == 128 + signal.SIGINT
    assert call.code() != grpc.StatusCode.OK


def answers(address):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address):
        return True


def test_a_signal_during_the_first_load(start, slow, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    process, _ = start(slow.parent, "--rest-port", str(address[1]), ready=False)
    until(lambda: answers(address))  # ports are taken before the load
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0
    assert (tmp_path / "log").read_text() == ""


def test_a_signal_while_a_new_version_loads(start, counter, slow, tmp_path):
    folder = pathlib.Path(shutil.copytree(counter, tmp_path / "counter"))
    process, client = start(folder, "--poll", "0.05")
    slow.rename(folder / "2")
    until(lambda: client.states().get(2) == "LOADING")
    assert client.version() == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_cannot_be_used_is_a_sentence(start, tmp_path):
    process, client = start(tmp_path / "nothing")
    assert client is None
    assert process.wait(WAIT) == 2
    log = (tmp_path / "log").read_text()
    assert log.startswith("error: Expected the folder of an exported model")
    assert log.count("\n") == 1
