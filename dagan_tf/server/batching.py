"""Dynamic batching: requests that arrive together run together, and wait in a queue of bounded length."""

import asyncio
import collections
import concurrent.futures
import contextlib
import itertools
import logging

import numpy as np

from dagan_tf.server.status import RequestError, StatusCode, invalid

log = logging.getLogger(__name__)


class Batcher:
    """Runs requests in batches on worker threads. All methods belong to one event loop's thread.

    Args:
        max_batch: most examples in a batch.
        timeout: most seconds that a request waits for others to join it, while a worker is free.
        max_queue: most requests that wait; the next one is refused.
        workers: batches that run at the same time. TensorFlow spreads each over the cores by itself.
        on_batch: called with the number of examples of each batch.
    """

    def __init__(self, max_batch=8, timeout=0.005, max_queue=128, workers=1, on_batch=lambda size: None):
        self.max_batch, self.timeout, self.max_queue = max_batch, timeout, max_queue
        self.waiting = 0
        self._on_batch = on_batch
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "tensorflow")
        self._free = workers
        self._queues = {}  # of the tasks that may share a batch, by what they have in common
        self._arrivals = itertools.count()

    @contextlib.contextmanager
    def place(self):
        """A place in the queue, from a request's arrival until its batch starts or the request ends."""
        if self.waiting >= self.max_queue:
            raise RequestError(
                StatusCode.RESOURCE_EXHAUSTED, f"{self.waiting} requests are waiting, as many as may: try again later."
            )
        place = _Place(self)
        try:
            yield place
        finally:
            place.leave()

    async def run(self, signature, inputs, place):
        """The outputs of a signature for one request's inputs; cancelling it takes the request out of the queue."""
        loop = asyncio.get_running_loop()
        task = _Task(
            self._size(signature, inputs), signature, inputs, place, next(self._arrivals), loop.create_future()
        )
        self._queues.setdefault(task.key, collections.deque()).append(task)
        timer = loop.call_later(self.timeout, self._ripen, task)
        self._dispatch()
        try:
            return await task.result
        finally:
            timer.cancel()
            self._remove(task)

    def _size(self, signature, inputs):
        """The number of a request's examples, 1 where the signature has no axis for them."""
        if not signature.batched:
            return 1
        sizes = {name: len(array) for name, array in inputs.items()}
        size = next(iter(sizes.values()))
        if len(set(sizes.values())) > 1:
            raise invalid(f"All inputs must have the same number of examples on axis 0. Received: {sizes}.")
        if not 1 <= size <= self.max_batch:
            raise invalid(f"A request may have 1 to {self.max_batch} examples (--max-batch). Received {size}.")
        return size

    def _ripen(self, task):
        task.ripe = True
        self._dispatch()

    def _dispatch(self):
        """Starts batches while there are free workers and requests that are not to wait any longer."""
        while self._free:
            ready = [queue for queue in self._queues.values() if self._is_ready(queue)]
            if not ready:
                return
            self._start(self._take(min(ready, key=lambda queue: queue[0].arrival)))

    def _is_ready(self, queue):
        return queue[0].ripe or sum(task.size for task in queue) >= self.max_batch

    def _take(self, queue):
        """The oldest tasks of a queue, as many as fit into a batch."""
        tasks, room = [], self.max_batch
        while queue and queue[0].size <= room:
            room -= queue[0].size
            tasks.append(queue.popleft())
        if not queue:
            del self._queues[tasks[0].key]
        return tasks

    def _remove(self, task):
        queue = self._queues.get(task.key, ())
        if task in queue:
            queue.remove(task)
            if not queue:
                del self._queues[task.key]

    def _start(self, tasks):
        self._free -= 1
        self._on_batch(sum(task.size for task in tasks))
        for task in tasks:
            task.place.leave()
        running = asyncio.get_running_loop().run_in_executor(self._pool, _run, tasks)
        running.add_done_callback(lambda done: self._finish(tasks, done))

    def _finish(self, tasks, done):
        self._free += 1
        if not done.cancelled():
            for task, outcome in zip(tasks, done.result(), strict=True):
                if not task.result.done():  # its client may have gone
                    _settle(task.result, outcome)
        self._dispatch()

    def close(self):
        """Starts no more batches."""
        self._free = 0
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Place:
    """The place that one request takes in the queue, until it leaves."""

    def __init__(self, batcher):
        self._batcher = batcher
        batcher.waiting += 1

    def leave(self):
        if self._batcher is not None:
            self._batcher.waiting -= 1
            self._batcher = None


class _Task:
    """A request that waits for its turn."""

    def __init__(self, size, signature, inputs, place, arrival, result):
        self.size, self.signature, self.inputs, self.place, self.arrival = size, signature, inputs, place, arrival
        self.result = result
        self.ripe = not signature.batched
        # A signature belongs to one version of the model, so versions never share a batch.
        alike = tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(inputs.items()))
        self.key = (id(signature), alike if signature.batched else arrival)


def _settle(future, outcome):
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _run(tasks):
    """The outputs, or the exception, of each task. Never raises: nobody would hear of it."""
    try:
        return _outcomes(tasks)
    except Exception:
        log.exception("a batch failed")
        return [RequestError(StatusCode.INTERNAL, "The server failed; its log has the reason.") for _ in tasks]


def _outcomes(tasks):
    """Runs tasks together; where that fails each alone, to spare the others."""
    signature, tasks_inputs = tasks[0].signature, [task.inputs for task in tasks]
    if len(tasks) > 1:
        joined = {name: np.concatenate([inputs[name] for inputs in tasks_inputs]) for name in tasks_inputs[0]}
        outputs = _attempt(signature, joined)
        total = sum(task.size for task in tasks)
        if isinstance(outputs, dict) and all(len(array) == total for array in outputs.values()):
            ends = np.cumsum([task.size for task in tasks])
            return [_rows(outputs, end - task.size, end) for task, end in zip(tasks, ends, strict=True)]
    return [None if task.result.done() else _attempt(signature, task.inputs) for task in tasks]


def _attempt(signature, inputs):
    try:
        return signature.run(inputs)
    except RequestError as error:
        return error.with_traceback(None)  # whose frames would keep the arrays


def _rows(outputs, start, end):
    return {name: array[start:end] for name, array in outputs.items()}
