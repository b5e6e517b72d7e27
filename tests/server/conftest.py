"""A small SavedModel, and servers of it in threads of their own, asked through real sockets."""

import pathlib
import shutil

import pytest

from tests.server.helpers import export, release, serving


@pytest.fixture(autouse=True)
def no_request_waits_on():
    """Ends what a failed test has left running."""
    yield
    release()


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A folder with version 1 of `Counter`; not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "counter"
    export(folder, 1)
    return folder


@pytest.fixture(scope="session")
def shared(exported):
    """A server of version 1 for all tests that change nothing."""
    with serving(exported, max_message_mb=4) as running:
        yield running


@pytest.fixture
def client(shared):
    """The client of the shared server."""
    return shared.client


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of the exported folder, to be changed."""
    return pathlib.Path(shutil.copytree(exported, tmp_path / "counter"))
