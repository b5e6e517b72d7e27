"""What both protocols do with a request: find the version, read the inputs, run them, write the answer."""

import asyncio
import concurrent.futures
import contextlib
import logging

from dagan_tf.server.status import RequestError, StatusCode, invalid, not_found, shown
from dagan_tf.server.tensors import byte_size

SMALL = 1 << 16
"""Bytes below which reading or writing is done at once instead of in a thread."""

CODECS = 2
"""Large messages that are read, or written, at the same time: while it is read JSON takes ten times its size."""

log = logging.getLogger(__name__)


class Service:
    """Answers requests about one model. All methods belong to one event loop's thread.

    Attributes:
        name: of the model.
        max_bytes: most bytes of a message, and of a tensor.
        accepting: False once the server is to stop.
    """

    def __init__(self, name, versions, batcher, metrics, max_bytes):
        self.name, self.max_bytes = name, max_bytes
        self.versions, self.metrics = versions, metrics
        self.accepting = True
        self._batcher = batcher
        self._threads = concurrent.futures.ThreadPoolExecutor(CODECS, "codec")
        self._reading = asyncio.Semaphore(CODECS)
        self._idle = asyncio.Event()
        self._idle.set()
        self._active = 0

    @contextlib.contextmanager
    def request(self, method):
        """Counts a request; whatever goes wrong inside leaves as a `RequestError`."""
        with self.metrics.request(method) as call:
            try:
                yield call
            except RequestError:
                raise
            except Exception:
                log.exception("%s failed", method)
                raise RequestError(StatusCode.INTERNAL, "The server failed; its log has the reason.") from None

    async def predict(self, method, read, parse):
        """Answers a request to run a signature.

        Args:
            method: name in the metrics.
            read: coroutine function that gives the bytes of the message; called once there is a place in the queue.
            parse: makes of the bytes a request with `name`, `version`, `label` and `signature`, `wanted` (names of
                outputs, none for all), and the methods `decode(signature)` to a dictionary of arrays, which is called
                once and lets go of the message, and `encode(servable, signature, outputs)` to bytes.

        Returns:
            The bytes of the answer.
        """
        with contextlib.ExitStack() as stack:
            call = stack.enter_context(self.request(method))
            stack.enter_context(self._flight())
            place = stack.enter_context(self._batcher.place())
            body = await read()
            size = len(body)
            async with self._turn(size):
                request = await self._offload(size, parse, body)
                del body
                servable = stack.enter_context(self.use(request))
                signature = servable.signature(request.signature)
                call.signature = signature.name
                inputs = await self._offload(size, request.decode, signature)
            outputs = await self._batcher.run(signature, inputs, place)
            outputs = {name: outputs[name] for name in request.wanted or outputs}
            size = self._checked(sum(map(byte_size, outputs.values())))
            answer = await self._offload(size, request.encode, servable, signature, outputs)
            self._checked(len(answer))
            return answer

    def _checked(self, size):
        """The size of an answer, if it may be sent. Clients know "larger than max" as gRPC's own words."""
        if size > self.max_bytes:
            raise RequestError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"The answer of {size} bytes is larger than max ({self.max_bytes}, --max-message-mb): send fewer "
                f"examples or, over gRPC, name the outputs you need in output_filter.",
            )
        return size

    def use(self, target):
        """The version that a request names by `name`, `version` and `label`: see `Versions.use`."""
        self.check_name(target.name)
        return self.versions.use(target.version, target.label)

    def check_name(self, name):
        """Raises unless `name` is the model's."""
        if not name:
            raise invalid(f"The request names no model. Available: {self.name}.")
        if name != self.name:
            raise not_found(f"There is no model {shown(name)} here. Available: {self.name}.")

    @contextlib.contextmanager
    def _flight(self):
        """A request that the server waits for before it stops."""
        if not self.accepting:
            raise RequestError(StatusCode.UNAVAILABLE, "The server is shutting down.")
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    def _turn(self, size):
        """Large messages are read in turn; between parsing and decoding they take the most memory."""
        return contextlib.nullcontext() if size < SMALL else self._reading

    async def _offload(self, size, function, *arguments):
        """Calls a function, in a thread if it has many bytes to look at."""
        if size < SMALL:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def finish(self, seconds):
        """Waits for the requests in flight; returns how many are left after that time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._active

    def close(self):
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
