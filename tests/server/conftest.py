"""A small SavedModel, and servers of it in threads of their own, asked through real sockets."""

import pathlib
import shutil

import pytest

from tests.server.helpers import release, serving


@pytest.fixture(autouse=True)
def no_request_waits_on():
    """Ends what a failed test has left running."""
    yield
    release()


@pytest.fixture(scope="session")
def shared(counter):
    """A server of version 1 for all tests that change nothing."""
    with serving(counter, max_message_mb=4) as running:
        yield running


@pytest.fixture
def client(shared):
    """The client of the shared server."""
    return shared.client


@pytest.fixture
def folder(counter, tmp_path):
    """A copy of the folder of `counter`, to be changed."""
    return pathlib.Path(shutil.copytree(counter, tmp_path / "counter"))
