"""The versions of a model on disk: the highest one is served, newer ones are taken up, old ones drained."""

import asyncio
import concurrent.futures
import contextlib
import gc
import logging
import pathlib
import time

from dagan_tf.server.status import RequestError, StatusCode, clean, not_found, shown

START, LOADING, AVAILABLE, UNLOADING, END = "START", "LOADING", "AVAILABLE", "UNLOADING", "END"

RETRY_SECONDS = 60.0
"""Seconds after which a version that could not be loaded is tried again, though its files are the same."""

log = logging.getLogger(__name__)


class Version:
    """A version's life: `number`, `state`, what went wrong (a `RequestError` or None), and the loaded model."""

    def __init__(self, number):
        self.number, self.state, self.error, self.servable = number, START, None, None
        self.users = 0
        self.fingerprint, self.tried = None, time.monotonic()
        self.unused = asyncio.Event()
        self.unused.set()


class Versions:
    """Serves the highest version in a folder. All methods belong to one event loop's thread.

    Args:
        folder: has a folder for each version, named by its number (zeros may lead); other names are ignored.
        name: of the model, for messages.
        load: called in a thread with a folder and a number; returns a `Servable`.
        on_serve: called with the number of each version that is served from now on.
    """

    def __init__(self, folder, name, load, on_serve=lambda number: None):
        self.folder, self.name = pathlib.Path(folder), name
        self.known = {}
        self.current = None
        self._load, self._on_serve = load, on_serve
        self._retiring = set()
        # A pool of its own: that of the event loop is waited for when the loop ends.
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "load")

    @contextlib.contextmanager
    def use(self, number=None, label=None):
        """The served `Servable`, which is not unloaded inside the `with`.

        Raises:
            RequestError: NOT_FOUND if another version, or a label, is asked for.
        """
        _refuse(label)
        version = self.current
        if number is not None and number != version.number:
            raise not_found(f"Version {number} of {self.name} is not served. Available: {version.number}.")
        version.users += 1
        version.unused.clear()
        try:
            yield version.servable
        finally:
            version.users -= 1
            if not version.users:
                version.unused.set()

    def states(self, number=None, label=None):
        """All versions known, the highest first, or the one of that number; raises as `use` does."""
        _refuse(label)
        if number is None:
            return [self.known[known] for known in sorted(self.known, reverse=True)]
        if number not in self.known:
            raise not_found(f"Version {number} of {self.name} is not known. Known: {sorted(self.known)}.")
        return [self.known[number]]

    def on_disk(self):
        """The versions in the folder, the highest first: `{number: path}`."""
        paths = sorted(self.folder.iterdir()) if self.folder.is_dir() else ()
        found = {int(path.name): path for path in paths if _is_number(path.name) and path.is_dir()}
        return dict(sorted(found.items(), reverse=True))

    async def refresh(self):
        """Looks at the folder once: loads and serves the highest version that can be loaded."""
        for number, path in self.on_disk().items():
            if self.current is not None and number == self.current.number:
                return
            if await self._try(number, path):
                return

    async def watch(self, seconds):
        """Looks at the folder again and again, until cancelled."""
        problem = None
        while True:
            await asyncio.sleep(seconds)
            before, problem = problem, None
            try:
                await self.refresh()
            except OSError as error:  # the folder may be on a disk that is away for a while
                problem = str(error)
            if problem != before:
                log.error("%s %s", self.folder, f"cannot be read: {problem}" if problem else "can be read again")

    async def close(self):
        """Ends the draining of old versions; does not wait for a version that is being loaded."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _try(self, number, path):
        """Loads and serves a version; False if that failed, now or lately with the same files."""
        print_now = _fingerprint(path)
        known = self.known.get(number)
        failed = known is not None and known.error is not None
        if failed and known.fingerprint == print_now and time.monotonic() - known.tried < RETRY_SECONDS:
            return False
        if known is not None and known.state == UNLOADING:
            return True  # it comes back when it has been drained
        version = self.known[number] = Version(number)
        version.fingerprint, version.state = print_now, LOADING
        try:
            version.servable = await asyncio.get_running_loop().run_in_executor(self._pool, self._load, path, number)
        except Exception as error:
            version.state, version.error, version.tried = END, _load_error(error), time.monotonic()
            log.error("%s version %d could not be loaded: %s", self.name, number, version.error)
            return False
        self._serve(version)
        return True

    def _serve(self, version):
        old, self.current = self.current, version
        version.state = AVAILABLE
        self._on_serve(version.number)
        log.info("%s version %d is served", self.name, version.number)
        if old is not None:
            task = asyncio.create_task(self._retire(old))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, version):
        version.state = UNLOADING
        log.info("%s version %d is drained: %d requests to finish", self.name, version.number, version.users)
        await version.unused.wait()
        version.servable = None
        gc.collect()  # a SavedModel is a web of cycles
        version.state = END
        log.info("%s version %d is unloaded", self.name, version.number)


def _refuse(label):
    if label:
        raise not_found(
            f"Received version label {shown(label)}. Labels are part of TF-Serving's model configuration, which this "
            f"server has not: ask for a version by its number."
        )


def _is_number(name):
    """Whether a folder's name is a version: a number of 64 bits."""
    return name.isascii() and name.isdecimal() and int(name) < 2**63


def _fingerprint(path):
    """Changes whenever a file in the folder is written, added, removed or given other rights."""
    found = []
    for file in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):  # still being written, or not readable
            status = file.stat()
            found.append((str(file), status.st_mtime_ns, status.st_ctime_ns, status.st_mode, status.st_size))
    return sorted(found)


def _load_error(error):
    """Why a version cannot be loaded, as one line for its status."""
    if isinstance(error, RequestError):  # of a warm-up request
        return RequestError(error.code, f"A warm-up request failed: {error.message}")
    return RequestError(StatusCode.UNKNOWN, clean(str(error)) or type(error).__name__)
