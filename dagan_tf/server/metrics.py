"""What the server counts, for Prometheus."""

import asyncio
import contextlib
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from dagan_tf.server.status import RequestError


class Metrics:
    """The counters of one server, in a registry of their own.

    Not counted: health checks, this page, addresses and methods that there are none of, and what gRPC or HTTP refuses
    before it is a request (a gRPC message over the limit, bytes of another protocol).

    Args:
        model: the name of the model, a label of all that is counted.
    """

    def __init__(self, model):
        self._registry = CollectorRegistry()
        self._model = model
        requests = ["model", "method", "signature", "code"]
        self._requests = Counter("serving_requests", "Requests answered.", requests, registry=self._registry)
        seconds = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
        self._seconds = Histogram(
            "serving_request_seconds",
            "Seconds from arrival to answer.",
            ["model", "method"],
            buckets=seconds,
            registry=self._registry,
        )
        sizes = (1, 2, 4, 8, 16, 32, 64, 128)
        self._batches = self._labelled(Histogram, "serving_batch_size", "Examples in a batch.", buckets=sizes)
        self._queue = self._labelled(Gauge, "serving_queue_length", "Requests that are read or wait.")
        self._version = self._labelled(Gauge, "serving_version", "The version that is served.")
        ProcessCollector(registry=self._registry)

    def _labelled(self, kind, name, description, **options):
        return kind(name, description, ["model"], registry=self._registry, **options).labels(self._model)

    def count_batch(self, size):
        """A batch of `size` examples is run."""
        self._batches.observe(size)

    def served(self, version):
        """A version is served from now on."""
        self._version.set(version)

    def watch_queue(self, length):
        """Reads the queue's length with the function `length` whenever it is asked for."""
        self._queue.set_function(length)

    @contextlib.contextmanager
    def request(self, method):
        """Counts a request. Yields an object whose `signature` is to be set once a signature of the model is known.

        What clients name freely is no label: it could be something else each time.
        """
        call, code, start = _Call(), "OK", time.perf_counter()
        try:
            yield call
        except RequestError as error:
            code = error.code.name
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            self._requests.labels(self._model, method, call.signature, code).inc()
            self._seconds.labels(self._model, method).observe(time.perf_counter() - start)

    def page(self):
        """The metrics in Prometheus' text format, as bytes."""
        return generate_latest(self._registry)


class _Call:
    signature = ""
