"""Replicas and hosts against one device: the same global batch, ten steps, every variable; each in its own processes.

Losses within 1e-4, weights within 1e-3 of a variable's largest value.
"""

import json
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from dagan_tf.runs import session
from tests.helpers import ROOT
from tests.training.ten_steps import RATE, STEPS, WARM, config, variables

pytestmark = pytest.mark.long

# norm_1 takes the mean away that this bias adds: its gradient is rounding, its updates are that rounding's sign.
WITHOUT_GRADIENT = re.compile("conv_0[/_]bias")


def start(folder, *flags, **environment):
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.ten_steps", str(folder), *flags]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def finish(*processes):
    try:
        for process in processes:
            _, errors = process.communicate(timeout=1500)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where `WARM` and the steps of one device, one.npz, are."""
    path = tmp_path_factory.mktemp("steps")
    finish(start(path, "--warm-up", "--name", "one"))
    assert (path / WARM).is_file()
    return path


def assert_equal_steps(folder, name, to="one"):
    one, other = (np.load(folder / f"{n}.npz") for n in (to, name))
    np.testing.assert_allclose(other["losses"], one["losses"], rtol=0, atol=1e-4)
    assert set(one.files) == set(other.files)
    kinds = {"moving_mean", "moving_variance", "u", "kernel", "kernel_velocity", "kernel_momentum", "step", "iteration"}
    assert {kind for kind in kinds if any(key.endswith(kind) for key in one.files)} == kinds
    assert any(key.startswith("ema_generator") for key in one.files)
    compared = [key for key in one.files if key != "losses" and not WITHOUT_GRADIENT.search(key)]
    for key in compared:
        a, b = one[key].astype("float64"), other[key].astype("float64")
        # A momentum is the last step's gradient, in whose smallest entries rounding shows.
        tolerance = 1e-2 if key.endswith("momentum") else 1e-3
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * np.abs(a).max() + 1e-30, err_msg=key)


@pytest.mark.parametrize(
    "flags",
    [
        ["--devices", "2", "--semantics", "patch_table"],
        # Eight trace eight times what one does, minutes for what two show, too.
        pytest.param(["--devices", "8"], marks=pytest.mark.slow),
        # XLA compiles clusters of a step for minutes. The single device's step with XLA is a test of its own.
        pytest.param(["--devices", "2", "--xla", "on"], marks=pytest.mark.slow),
        pytest.param(["--devices", "8", "--xla", "on"], marks=pytest.mark.slow),
    ],
    ids=["2 with the patch table", "8", "2 with XLA", "8 with XLA"],
)
def test_logical_devices_equal_one(folder, flags):
    name = "-".join(flags).replace("--", "")
    finish(start(folder, *flags, "--name", name))
    assert_equal_steps(folder, name)
    assert_loads_on_one_device(folder, name)


@pytest.mark.slow  # Two more processes, a minute and a half; each of the two is compared by tests that are not slow.
def test_micro_batches_of_two_devices_equal_those_of_one(folder):
    flags = ["--accumulate", "2"]
    finish(
        start(folder, *flags, "--name", "micro-batches"),
        start(folder, *flags, "--devices", "2", "--name", "micro-batches-of-devices"),
    )
    assert_equal_steps(folder, "micro-batches-of-devices", to="micro-batches")


def assert_loads_on_one_device(folder, name):
    """What several devices have saved is what one device goes on with."""
    model = session.build_model(config(RATE), STEPS)
    model.load_weights(folder / f"{name}.weights.h5")
    saved = np.load(folder / f"{name}.npz")
    for key, value in variables(model).items():
        np.testing.assert_array_equal(saved[key], value, err_msg=key)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def tf_configs():
    """TF_CONFIG of two hosts on this machine."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}) for index in range(2)
    ]


def test_two_hosts_equal_one_device(folder):
    finish(*[start(folder, "--name", "hosts", TF_CONFIG=text) for text in tf_configs()])
    assert_equal_steps(folder, "hosts")
