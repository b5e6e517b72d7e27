"""Starting and stopping."""

import os
import socket

import grpc
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dagan_tf.server.app import StartError
from tests.server.helpers import WAIT, answer_of, serving, until


def started(folder, **options):
    with serving(folder, **options):
        raise AssertionError("the server started")


@pytest.mark.parametrize("option", ["grpc_port", "rest_port"])
def test_a_port_in_use(counter, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"`{option}`") as error:
            started(counter, **{option: port})
        assert str(port) in str(error.value)


def test_the_system_s_reason_is_in_the_sentence(counter):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError, match="Address already in use"):
        started(counter, rest_port=taken.getsockname()[1])


def test_an_unknown_host(counter, capfd):
    with pytest.raises(StartError, match=r"`host`\. Received: 'no\.such\.host\.invalid'"):
        started(counter, host="no.such.host.invalid")
    assert capfd.readouterr().err == ""


def test_two_servers_cannot_share_the_grpc_port(shared, counter):
    with pytest.raises(StartError, match="`grpc_port`"):
        started(counter, grpc_port=shared.server.grpc_port)


def test_folders_that_are_no_model(counter, tmp_path):
    with pytest.raises(StartError, match="There is none"):
        started(tmp_path / "nothing")
    (tmp_path / "a").mkdir()
    with pytest.raises(StartError, match=r"Received: a\. Export"):
        started(tmp_path)
    with pytest.raises(StartError, match="give the folder above"):
        started(counter / "1")
    (tmp_path / "1").mkdir()
    with pytest.raises(StartError, match="version 1"):
        started(tmp_path)


def test_folders_that_cannot_be_read(counter, tmp_path):
    with pytest.raises(StartError, match="cannot be read: File name too long"):
        started("a" * 300)
    if os.geteuid():  # modes do not bind root
        tmp_path.chmod(0)
        try:
            for folder in (tmp_path, tmp_path / "below"):
                with pytest.raises(StartError, match="cannot be read: Permission denied"):
                    started(folder)
        finally:
            tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["a/b", "a:b"])
def test_names_that_no_address_can_have(counter, name):
    with pytest.raises(StartError, match="`name`"):
        started(counter, name=name)


def test_a_link_gives_its_own_name(counter, tmp_path):
    (tmp_path / "facades").symlink_to(counter)
    with serving(f"{tmp_path}/facades/") as running:
        assert running.server.name == "facades"
        assert running.client.version() == 1


def has_ipv6():
    """Whether this machine has an IPv6 address of its own: containers often have the protocol and no address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return socket.has_dualstack_ipv6()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 address")
def test_both_kinds_of_address(counter):
    with serving(counter, host="::") as running:
        for host in ("127.0.0.1", "::1"):
            for port in (running.server.rest_port, running.server.grpc_port):
                with socket.create_connection((host, port)) as connection:
                    assert connection.getpeername()[:2] == (host, port)


def test_the_line_for_people(shared):
    line = shared.server.describe()
    assert line.startswith("counter version 1: gRPC 127.0.0.1:")
    address = line.split("metrics ")[1]
    assert "serving_version" in requests.get(address, timeout=WAIT).text


def test_a_name_of_its_own(counter):
    with serving(counter, name="other") as running:
        assert running.client.version() == 1


def test_stopping_finishes_what_is_in_flight_and_refuses_the_rest(counter, tmp_path):
    with serving(counter) as running:
        client = running.client
        call = client.wait_for(tmp_path / "go")
        until(lambda: client.batches() == 1)
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        stopping = running.stop()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        until(lambda: client.get("/v1/models/counter")[0] == 200)
        assert client.post({"instances": [[[0] * 4] * 4]})[0] == 503
        assert client.refused()[0] == grpc.StatusCode.UNAVAILABLE
        (tmp_path / "go").touch()
        assert answer_of(call) == 1
        assert stopping.result(WAIT) == 0


def test_the_grace_is_limited(counter, tmp_path):
    with serving(counter, grace=0.05) as running:
        call = running.client.wait_for(tmp_path / "go")
        until(lambda: running.client.batches() == 1)
        assert running.stop().result(WAIT) == 1
        assert call.code() != grpc.StatusCode.OK
        (tmp_path / "go").touch()  # lets the thread end
