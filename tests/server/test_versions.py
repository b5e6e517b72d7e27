"""Versions come and go under a running server."""

import asyncio
import concurrent.futures
import shutil
import threading

import pytest

from dagan_tf.server import versions
from dagan_tf.server.versions import Versions
from tests.server.helpers import answer_of, export, serving, until


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Version 2, to be copied to where a server looks."""
    return export(tmp_path_factory.mktemp("more"), 2)


def publish(source, folder, number):
    """Puts a version in place as exporters should: under another name first."""
    shutil.copytree(source, folder / f".{number}.tmp")
    (folder / f".{number}.tmp").rename(folder / str(number))


def test_only_numbers_are_versions(tmp_path):
    for name in ("1", "12", "007", "a", ".3.tmp", "4.tmp", "-5", "٣", "9" * 30, "00000123", "123"):
        (tmp_path / name).mkdir()
    (tmp_path / "6").touch()
    found = Versions(tmp_path, "m", None).on_disk()
    assert list(found) == [123, 12, 7, 1]
    assert [path.name for path in found.values()] == ["123", "12", "007", "1"]


def test_zeros_may_lead(folder, two):
    with serving(folder) as running:
        two_with_zeros = folder / ".new"
        shutil.copytree(two, two_with_zeros)
        two_with_zeros.rename(folder / "0002")
        until(lambda: running.client.version() == 2)
        assert running.client.states()[2] == "AVAILABLE"


def test_a_new_version_takes_over_without_a_failed_request(folder, two):
    with serving(folder) as running, concurrent.futures.ThreadPoolExecutor(8) as pool:
        client, stop, seen = running.client, threading.Event(), []

        def ask():
            while not stop.is_set():
                seen.append(client.version())

        try:
            asking = [pool.submit(ask) for _ in range(8)]
            until(lambda: len(seen) > 50)
            publish(two, folder, 2)
            until(lambda: 2 in seen)
        finally:
            stop.set()
        for done in asking:
            done.result()
        assert set(seen) == {1, 2}
        assert client.version() == 2
        until(lambda: client.states() == {1: "END", 2: "AVAILABLE"})
        assert client.metric('serving_version{model="counter"}') == 2


def test_the_old_version_is_unloaded_after_its_last_request(folder, two, tmp_path):
    with serving(folder, workers=2) as running:
        client = running.client
        call = client.wait_for(tmp_path / "go")
        until(lambda: client.batches() == 1)
        publish(two, folder, 2)
        until(lambda: client.version() == 2)
        assert client.states() == {1: "UNLOADING", 2: "AVAILABLE"}
        assert running.server.versions.known[1].servable is not None
        (tmp_path / "go").touch()
        assert answer_of(call) == 1
        until(lambda: client.states() == {1: "END", 2: "AVAILABLE"})
        assert running.server.versions.known[1].servable is None


def test_a_broken_version_is_reported_once_and_the_old_one_serves(folder, two, caplog):
    with serving(folder) as running:
        client = running.client
        (folder / ".2.tmp").mkdir()
        (folder / ".2.tmp/saved_model.pb").write_bytes(b"garbage!")
        (folder / ".2.tmp").rename(folder / "2")
        until(lambda: client.states().get(2) == "END")
        error = next(s.status for s in client.statuses() if s.version == 2)
        assert error.error_code != 0
        assert "saved_model" in error.error_message or "pars" in error.error_message
        code, answer = client.get("/v1/models/counter")
        assert code == 200
        assert [v["state"] for v in answer["model_version_status"]] == ["END", "AVAILABLE"]
        assert answer["model_version_status"][0]["status"]["error_message"] == error.error_message
        running.call(running.server.versions.refresh())
        assert client.version() == 1
        assert sum("could not be loaded" in record.message for record in caplog.records) == 1
        (folder / "2/saved_model.pb").chmod(0o600)  # may be what was wrong
        until(lambda: sum("could not be loaded" in record.message for record in caplog.records) == 2)
        shutil.rmtree(folder / "2")
        publish(two, folder, 2)
        until(lambda: client.version() == 2)


def refreshed(folder, load, times):
    """The states of version 1 after each of some looks at a folder."""

    async def look():
        looking, states = Versions(folder, "m", load), []
        for _ in range(times):
            await looking.refresh()
            states.append(looking.known[1].state)
        await looking.close()
        return states

    return asyncio.run(look())


@pytest.mark.parametrize(("seconds", "states"), [(0, ["END", "AVAILABLE"]), (3600, ["END", "END"])])
def test_a_version_that_failed_is_tried_again_after_a_while(tmp_path, monkeypatch, seconds, states):
    monkeypatch.setattr(versions, "RETRY_SECONDS", seconds)
    (tmp_path / "1").mkdir()
    failures = iter([OSError("away")])

    def load(path, number):
        for failure in failures:
            raise failure

    assert refreshed(tmp_path, load, 2) == states


def test_a_folder_that_is_away_is_logged_once(tmp_path, caplog):
    looks = []

    class Away(Versions):
        async def refresh(self):
            looks.append(1)
            if len(looks) < 4:
                raise OSError("away")

    async def look():
        watching = asyncio.create_task(Away(tmp_path, "m", None).watch(0))
        while len(looks) < 6:
            await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait((watching,))

    asyncio.run(look())
    assert [record.message.removeprefix(f"{tmp_path} ") for record in caplog.records] == [
        "cannot be read: away",
        "can be read again",
    ]


def test_deleting_the_highest_version_rolls_back(folder, two):
    publish(two, folder, 2)
    with serving(folder) as running:
        client = running.client
        assert client.version() == 2
        shutil.rmtree(folder / "2")
        until(lambda: client.version() == 1)
        publish(two, folder, 2)
        until(lambda: client.version() == 2)
        until(lambda: client.states() == {1: "END", 2: "AVAILABLE"})


def test_an_empty_folder_keeps_what_is_served(folder):
    with serving(folder) as running:
        shutil.rmtree(folder)
        running.call(running.server.versions.refresh())
        assert running.client.version() == 1


def test_other_versions_are_not_found_while_both_are_loaded(folder, two, tmp_path):
    with serving(folder, workers=2) as running:
        client = running.client
        call = client.wait_for(tmp_path / "go")
        until(lambda: client.batches() == 1)
        publish(two, folder, 2)
        until(lambda: client.version() == 2)
        code, message = client.refused(inputs={}, version=1)
        assert code.name == "NOT_FOUND"
        assert "Available: 2" in message
        (tmp_path / "go").touch()
        assert answer_of(call) == 1
