"""Writing files and folders so that they are whole or absent, also after a crash or a power cut.

`replaced` is the one way in which this package writes what must never be found half-written: beside its place, under a
hidden name, and renamed into place when all of it is on the disk.
"""

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
import time
import uuid

from dagan_tf.errors import UserError

HIDDEN = "."
"""What the names of unfinished files begin with."""
WITHOUT_FOLDER_FLUSH = (errno.EINVAL, errno.EOPNOTSUPP)
"""What some network file systems answer when a folder is to be flushed; there it is the server that orders writes."""


def check_writable(path):
    """Makes sure that a folder can be written to, or made, before work is done whose result goes there.

    A file is made in the nearest folder that is there, and removed.

    Args:
        path: of the folder.

    Raises:
        UserError: it cannot: a file is in the way, a name is too long, the disk is full or may not be written to.
    """
    path = pathlib.Path(path).expanduser().absolute()
    try:
        present = next(place for place in (path, *path.parents) if os.path.lexists(place) and place.stat())
        if not present.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(present))
        with tempfile.TemporaryFile(dir=present):
            pass
        path.exists()  # raises if a name is too long
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename or path})"
        raise UserError(
            f"Expected a folder that can be written at {path}. Received: {reason}. Give another."
        ) from error


@contextlib.contextmanager
def replaced(path):
    """Writes a file or folder that appears at `path` whole, or not at all.

    When the block ends, what it wrote is flushed to the disk and renamed to `path`, and the folder around it is
    flushed, too. When the block raises, what it wrote is removed and `path` is as it was.

    A file replaces a file in one step: at every moment one of the two is there. No system does the same for folders
    that are not empty: the old folder is moved out of the way first, so that a crash between the two steps leaves
    neither, but never a mixture.

    Args:
        path: of the file or folder; the folder around it is made where it is missing.

    Yields:
        A `pathlib.Path` beside `path` at which nothing is yet: make a file or a folder there. Its name begins with
        `HIDDEN` and is unique, so any number of processes and hosts may write to one place: the last one counts.

    Raises:
        OSError: it could not be written, or `path` is a folder and a file was to replace it, or the other way round.
    """
    path = pathlib.Path(path)
    with aside(path) as unfinished:
        yield unfinished
        flush_all(unfinished)
        if unfinished.is_dir() and path.is_dir():
            _replace_folder(unfinished, path)
        else:
            unfinished.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def aside(path):
    """A free, unique, hidden path beside `path`, for what is not to be found there; it is removed at the end.

    The first half of `replaced`, for writers that choose the final name later.

    Args:
        path: whose folder is made where it is missing, and whose name the hidden one contains.

    Yields:
        A `pathlib.Path` at which nothing is yet. What is there when the block ends, or raises, is removed.

    Raises:
        OSError: the folder could not be made.
    """
    path = pathlib.Path(path)
    unfinished = path.with_name(f"{HIDDEN}{path.name}.{uuid.uuid4().hex[:12]}")
    _make_folder(path.parent)
    try:
        yield unfinished
    finally:
        _remove(unfinished)


def flush_all(path):
    """Makes sure that a file, or a folder and everything in it, is on the disk and not on its way there."""
    for inside in path.rglob("*"):
        flush(inside)
    flush(path)


def flush(path):
    """Makes sure that the content of a file, or the names in a folder, are on the disk and not on their way there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in WITHOUT_FOLDER_FLUSH or not os.path.isdir(path):
            raise
    finally:
        os.close(descriptor)


def remove_folder(path):
    """Removes a folder so that no part of it is ever found under its name; does nothing where there is none."""
    if path.is_dir():
        with aside(path) as old:
            path.rename(old)


def unfinished(folder, names="*"):
    """The hidden paths in a folder that `aside` has made for names of this pattern and that are still there."""
    return pathlib.Path(folder).glob(f"{HIDDEN}{names}")


def remove_unfinished(folder, names="*", older_than=0.0):
    """Removes what processes that were killed while they wrote have left.

    Args:
        folder: where they wrote; it may be missing.
        names: pattern of the names that they wrote to, for example `step-*`.
        older_than: seconds since something was last written to it; less may be the work of a process that lives.
    """
    for left in unfinished(folder, names):
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            if time.time() - left.stat().st_mtime >= older_than:
                _remove(left)


def _replace_folder(new, path):
    with aside(path) as old:
        try:  # a signal may raise at any moment
            path.rename(old)
            new.rename(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.rename(path)
            raise


def _make_folder(folder):
    """Makes a folder and those above it, and flushes the names of the new ones."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
