"""The server as a whole: start, run, stop."""

import asyncio
import functools
import logging
import os
import pathlib
import socket

from aiohttp import web

from dagan_tf.server import rest_api
from dagan_tf.server.batching import Batcher
from dagan_tf.server.grpc_api import GrpcApi
from dagan_tf.server.metrics import Metrics
from dagan_tf.server.servable import Servable
from dagan_tf.server.service import Service
from dagan_tf.server.versions import Versions

log = logging.getLogger(__name__)


class StartError(Exception):
    """A server cannot start with its options; the message says why and, in backticks, which option to change."""


class Server:
    """A server of one model. Make, start and stop it inside one event loop.

    Args:
        options: `server.options.Options`.
    """

    def __init__(self, options):
        self.options = options
        self.name = options.name or os.path.basename(os.path.abspath(options.model))
        max_bytes = options.max_message_mb << 20
        self._metrics = Metrics(self.name)
        load = functools.partial(Servable, max_bytes=max_bytes)
        self.versions = Versions(options.model, self.name, load, self._metrics.served)
        self._batcher = Batcher(
            options.max_batch, options.batch_timeout, options.max_queue, options.workers, self._metrics.count_batch
        )
        self._metrics.watch_queue(lambda: self._batcher.waiting)
        self._service = Service(self.name, self.versions, self._batcher, self._metrics, max_bytes)
        self._grpc = GrpcApi(self._service)
        self._rest = rest_api.make_runner(self._service)
        self._socket = self._watcher = None

    async def start(self):
        """Takes the ports, loads the model and serves it; raises `StartError` with nothing left running."""
        try:
            self._check_name()
            self._check_folder()
            self._bind()
            await self.versions.refresh()
            self._check_loaded()
            await self._rest.setup()
            await web.SockSite(self._rest, self._socket, backlog=1024).start()
            await self._grpc.start()
        except BaseException:
            await self._close()
            raise
        self._watcher = asyncio.create_task(self.versions.watch(self.options.poll))

    def _check_name(self):
        if not self.name or set(self.name) & set("/:"):
            raise StartError(f"`name` must not be empty nor have / or : in it. Received: {self.name!r}.")

    def _check_folder(self):
        folder = pathlib.Path(self.options.model)
        try:
            is_folder = folder.is_dir()
            inside = is_folder and sorted(path.name for path in folder.iterdir())
            versions = self.versions.on_disk()
        except OSError as error:
            raise StartError(f"{folder} cannot be read: {error.strerror}. Check `model`.") from None
        if not is_folder:
            raise StartError(f"Expected the folder of an exported model at {folder}. There is none: check `model`.")
        if not versions:
            found = ", ".join(inside[:5]) or "nothing"
            is_version = "saved_model.pb" in inside
            hint = "It is a version itself: give the folder above it." if is_version else "Export a model there."
            raise StartError(f"Expected folders named by numbers (1, 2, ...) in {folder}. Received: {found}. {hint}")

    def _bind(self):
        host = self.options.host
        try:  # gRPC logs a line of its own about a host that it cannot find
            families = {entry[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except (OSError, UnicodeError) as error:
            raise StartError(f"Expected an address of this machine as `host`. Received: {host!r} ({error}).") from None
        try:
            self.grpc_port = self._grpc.bind(host, self.options.grpc_port)
        except RuntimeError:
            raise StartError(_in_use("gRPC", host, self.options.grpc_port, "grpc_port")) from None
        try:
            self._socket = socket.create_server(
                (host, self.options.rest_port),
                family=socket.AF_INET if socket.AF_INET in families else socket.AF_INET6,
                dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
            )
        except OSError as error:
            reason = f" ({error.strerror})"
            raise StartError(_in_use("REST", host, self.options.rest_port, "rest_port", reason)) from None
        self.rest_port = self._socket.getsockname()[1]

    def _check_loaded(self):
        if self.versions.current is None:
            errors = "; ".join(f"version {v.number}: {v.error}" for v in self.versions.states())
            raise StartError(f"No version of {self.options.model} could be loaded: export it again. {errors}")

    def describe(self):
        """One line for people: what is served, and where."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        rest = f"http://{host}:{self.rest_port}"
        return (
            f"{self.name} version {self.versions.current.number}: gRPC {host}:{self.grpc_port}, "
            f"REST {rest}/v1/models/{self.name}, metrics {rest}{rest_api.METRICS_PATH}"
        )

    async def stop(self):
        """Accepts no more requests, lets those in flight finish, closes; returns how many did not finish in time."""
        self._service.accepting = False
        await self._stop_watching()
        await self._grpc.report_stopping()
        left = await self._service.finish(self.options.grace)
        if left:
            log.warning("%d requests did not finish in %g seconds", left, self.options.grace)
        await self._close()
        return left

    async def _stop_watching(self):
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)

    async def _close(self):
        await self._stop_watching()
        await self._grpc.stop(rest_api.SETTLE)
        await self._rest.cleanup()
        if self._socket is not None:
            self._socket.close()
        await self.versions.close()
        self._batcher.close()
        self._service.close()


def _in_use(protocol, host, port, option, reason=""):
    where = f"{host} port {port}{reason}"
    return f"{protocol} cannot listen on {where}. Is another server using it? Choose another `{option}`."
