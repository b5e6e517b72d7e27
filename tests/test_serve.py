"""The command in a process of its own."""

import os
import re
import signal
import subprocess
import sys

import grpc
import pytest

from dagan_tf import serve
from tests.conftest import ROOT, run_python
from tests.serving.server.conftest import WAIT, Client, answer_of, exported, until  # noqa: F401 - a fixture


@pytest.fixture
def start(tmp_path):
    """Starts servers; gives the process and its client, or None where it ended."""
    started = []

    def start(folder, *flags):
        command = [sys.executable, "-m", "dagan_tf.serve", "--model", str(folder), *flags]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        log = (tmp_path / "log").open("w")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        started.append((process, log))
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
    [["--rest-port", "70000"], ["--poll", "0"], ["--batch-timeout", "-1"], ["--max-batch", "0"], ["--grace", "x"]],
)
def test_flags_that_make_no_sense(flags, capsys):
    with pytest.raises(SystemExit) as error:
        serve.parser().parse_args(["--model", "m", *flags])
    assert error.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_sigterm_finishes_what_is_in_flight(start, exported, tmp_path):  # noqa: F811
    process, client = start(exported, "--grpc-port", "0", "--rest-port", "0")
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


def test_what_cannot_be_used_is_a_sentence(start, tmp_path):
    process, client = start(tmp_path / "nothing", "--grpc-port", "0", "--rest-port", "0")
    assert client is None
    assert process.wait(WAIT) == 2
    log = (tmp_path / "log").read_text()
    assert log.startswith("error: Expected the folder of an exported model")
    assert log.count("\n") == 1
