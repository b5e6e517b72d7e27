"""What a disk or another host does to a run, as a sentence; everything else stays as it is."""

import errno

import pytest
import tensorflow as tf

from dagan_tf.errors import HostLostError, StorageError
from dagan_tf.runs.devices import Distribution
from dagan_tf.runs.failures import plain_disk_errors, plain_host_errors
from dagan_tf.runs.folder import Run

ABORTED = "Graph execution error:\n\nDetected at node X\n{{node X}} Collective ops is aborted by: Connection reset"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        tf.errors.ResourceExhaustedError(None, None, "events.out; No space left on device"),
    ],
)
def test_a_full_disk(tmp_path, error):
    with (
        pytest.raises(StorageError, match=rf"no checkpoint yet.*`resume` {tmp_path}"),
        plain_disk_errors(Run(tmp_path)),
    ):
        raise error


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone"), tf.errors.ResourceExhaustedError(None, None, "OOM")])
def test_other_errors_of_files_and_memory(tmp_path, error):
    with pytest.raises(type(error)), plain_disk_errors(Run(tmp_path)):
        raise error


def test_a_file_elsewhere_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"^/data/a.png cannot be written or read"), plain_disk_errors(Run(tmp_path)):
        raise OSError(errno.EACCES, "Permission denied", "/data/a.png")


def test_a_lost_host(tmp_path):
    hosts = Distribution(tf.distribute.get_strategy(), hosts=2)
    lost = tf.errors.UnavailableError(None, None, ABORTED)
    match = r"Another host has ended.*again, with the same command\. .*Connection reset$"
    with pytest.raises(HostLostError, match=match), plain_host_errors(hosts, Run(tmp_path)):
        raise lost
    (tmp_path / "config.json").touch()
    match = rf"Another host has ended.*again, with `resume` {tmp_path}\. .*Connection reset$"
    with pytest.raises(HostLostError, match=match), plain_host_errors(hosts, Run(tmp_path)):
        raise lost
    alone = Distribution(tf.distribute.get_strategy())
    with pytest.raises(tf.errors.UnavailableError), plain_host_errors(alone, Run(tmp_path)):
        raise lost
