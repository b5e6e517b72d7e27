"""Failures of disks and hosts during a run as sentences."""

import contextlib
import errno

import tensorflow as tf

from dagan_tf.errors import HostLostError, StorageError
from dagan_tf.runs import checkpoint

NOT_WRITTEN = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE,
)  # fmt: skip
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@contextlib.contextmanager
def plain_disk_errors(run):
    """A context in which what a full disk raises, where a run is recorded, becomes a `StorageError`."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        failed = error.errno in NOT_WRITTEN if isinstance(error, OSError) else "No space left" in str(error)
        if not failed:
            raise
        place = getattr(error, "filename", None) or run.path
        raise StorageError(
            f"{place} cannot be written or read any more: {error}. {_newest(run)} Make room, or see to the disk, and "
            f"continue with `resume` {run.path}."
        ) from error


@contextlib.contextmanager
def plain_host_errors(distribution, run):
    """A context in which what TensorFlow raises when another host has ended becomes a `HostLostError`."""
    try:
        yield
    except tf.errors.OpError as error:
        lost = isinstance(error, LOST) or "ollective" in str(error)  # the second: whatever kind the network's fault is
        if distribution.hosts == 1 or not lost:
            raise
        raise HostLostError(
            f"Another host has ended or cannot be reached; its own output says why. {_newest(run)} Start all hosts "
            f"again, {f'with `resume` {run.path}' if run.exists else 'with the same command'}. TensorFlow said: "
            f"{_cause(error)}"
        ) from error


def _cause(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "aborted" in line or "onnect" in line), lines[0] if lines else "nothing")


def _newest(run):
    found = checkpoint.latest(run.checkpoints)
    return f"The newest checkpoint is {found.name}." if found else "There is no checkpoint yet."
