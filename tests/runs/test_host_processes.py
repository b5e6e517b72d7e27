"""Two hosts through the script that clusters use: a killed one ends the other, one that is told to stop stops both."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from dagan_tf.runs import checkpoint
from dagan_tf.runs.folder import Run
from tests.helpers import ROOT, tiny_config
from tests.training.test_replicas import free_ports

pytestmark = pytest.mark.long


@pytest.fixture
def start():
    """A function that starts a command; what still runs at the end of the test is killed."""
    processes = []

    def begin(command, **environment):
        path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", **environment}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, **pipes))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def start_hosts(start, run, *flags_of_each):
    hosts = " ".join(f"127.0.0.1:{port}" for port in free_ports(2))
    place = {"HOSTS": hosts, "RUN": str(run.path), "OPTIONS": "--checkpoint-every 2"}
    flags = flags_of_each or ([], [])
    return [start(["clusters/train.sh", *flags[index]], INDEX=str(index), **place) for index in range(2)]


def wait_for_step(run, step, processes):
    end = time.monotonic() + 240
    while not run.checkpoints.is_dir() or not (newest := checkpoint.latest(run.checkpoints)) or _step(newest) < step:
        assert time.monotonic() < end, f"step {step} did not come"
        assert [process.poll() for process in processes] == [None] * len(processes)
        time.sleep(0.1)
    return _step(newest)


def _step(path):
    return checkpoint.read_state(path)["step"]


def assert_the_other_ends(hosts, killed, run):
    """Kills one of two hosts; returns the step of the newest checkpoint, which the other one names as it ends."""
    hosts[killed].kill()
    _, errors = hosts[1 - killed].communicate(timeout=120)
    assert hosts[1 - killed].returncode == 3
    assert "Traceback" not in errors
    message = errors.strip().splitlines()[-1]
    newest = checkpoint.latest(run.checkpoints)
    assert message.startswith("error: Another host has ended or cannot be reached")
    assert f"newest checkpoint is {newest.name}" in message
    assert f"--resume {run.path}" in message
    return _step(newest)


def assert_they_stop_together(hosts, run):
    """Sends SIGTERM to one of two hosts; returns the step at which both stopped."""
    hosts[1].send_signal(signal.SIGTERM)
    outputs = [host.communicate(timeout=120)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [143, 143]
    stopped = [int(re.search(r"Stopped at step (\d+)", text)[1]) for text in outputs]
    assert stopped[0] == stopped[1] == _step(checkpoint.latest(run.checkpoints))
    return stopped[0]


def killed_and_resumed(start, run, killed):
    """Kills one of two hosts, resumes both and stops them; returns the step at which they stopped."""
    run.write_config(tiny_config(epochs=4000))
    hosts = start_hosts(start, run)
    wait_for_step(run, 4, hosts)
    step = assert_the_other_ends(hosts, killed, run)
    hosts = start_hosts(start, run)
    wait_for_step(run, step + 4, hosts)
    return assert_they_stop_together(hosts, run)


def test_two_hosts_end_together_and_resume(start, tmp_path):
    assert killed_and_resumed(start, Run(tmp_path / "run"), killed=1) >= 8


@pytest.mark.slow  # Five starts of a process and what two hosts of it compile take minutes.
def test_hosts_whose_chief_is_killed_end_and_one_host_goes_on(start, tmp_path):
    run = Run(tmp_path / "run")
    step = killed_and_resumed(start, run, killed=0)

    # What two hosts have trained two devices of one host go on with.
    alone = [sys.executable, "-m", "dagan_tf.train", "--resume", str(run.path), "--checkpoint-every", "1"]
    alone = start([*alone, "--devices", "2"])
    wait_for_step(run, step + 3, [alone])
    alone.send_signal(signal.SIGINT)
    alone.communicate(timeout=120)
    assert alone.returncode == 130
    epochs = [json.loads(line)["epoch"] for line in run.history.read_text().splitlines()]
    assert epochs == list(range(1, len(epochs) + 1))  # each once, though two of the processes were cut off


@pytest.mark.parametrize("difference", ["--seed", "--base-filters"])  # the second: weights of other shapes
def test_hosts_that_disagree_say_so_and_train_nothing(start, tmp_path, difference):
    flags = ["--dataset", "procedural", "--num-examples", "8", "--image-size", "32"]
    flags += ["--perceptual", "off", "--semantics", "dense"]
    run = Run(tmp_path / "run")
    hosts = start_hosts(start, run, [*flags, difference, "2"], [*flags, difference, "4"])
    for host in hosts:
        _, errors = host.communicate(timeout=120)
        assert host.returncode == 2
        assert "All hosts must begin at the same step" in errors
    assert not run.path.exists()


def test_a_host_that_waits_for_others_says_so_and_can_be_interrupted(start, tmp_path):
    place = {"HOSTS": f"127.0.0.1:{free_ports(1)[0]} 127.0.0.1:1", "INDEX": "0", "RUN": str(tmp_path / "run")}
    host = start(["clusters/train.sh", "--dataset", "procedural", "--perceptual", "off"], **place)
    assert host.stdout.readline().startswith("Waiting for all 2 hosts (Ctrl-C ends it): TF_CONFIG is")
    time.sleep(2)
    host.send_signal(signal.SIGINT)
    host.communicate(timeout=30)
    assert host.returncode == -signal.SIGINT
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # Two processes that are traced for it alone; a full disk on one host is a test of sessions.
def test_no_host_calls_itself_finished_if_the_last_checkpoint_is_not_written(start, small_disk):
    run = Run(small_disk(200_000) / "run")
    run.write_config(tiny_config(epochs=1, decay_epochs=0))
    hosts = start_hosts(start, run)
    errors = [host.communicate(timeout=240)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [2, 3], errors
    assert "written" in errors[0].splitlines()[-1]
    assert checkpoint.latest(run.checkpoints) is None
