"""Load for a server: requests from several threads at once, and a table of their latencies."""

import collections
import concurrent.futures
import math
import threading
import time

from client_calls import ClientError


def send(ask, items, concurrency, results):
    """Calls `ask(*item)` in threads; adds `(seconds, ClientError or None)` to the list `results`.

    Each thread takes the next item when it has its answer, as a closed circle of users would. Ctrl-C ends it after the
    requests under way.
    """
    lock, stop = threading.Lock(), threading.Event()

    def work():
        while not stop.is_set():
            with lock:
                item = next(items, None)
            if item is None:
                return
            begun, failure = time.perf_counter(), None
            try:
                ask(*item)
            except ClientError as error:
                failure = error
            results.append((time.perf_counter() - begun, failure))

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(work) for _ in range(concurrency)]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()


def percentile(ordered, percent):
    """The nearest-rank percentile of ascending values."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def table(results, seconds):
    """The results of `send` as lines of name and value; latencies are those of the requests that succeeded."""
    good = sorted(latency for latency, error in results if error is None)
    codes = collections.Counter(error.code or "UNKNOWN" for _, error in results if error)
    rows = [("requests", len(results)), ("ok", len(good)), *sorted(codes.items())]
    rows += [("seconds", f"{seconds:.2f}"), ("pictures/s", f"{len(good) / seconds:.3f}")]
    if good:
        rows += [(f"latency p{p}", f"{percentile(good, p):.3f} s") for p in (50, 90, 95, 99)]
        rows.append(("latency max", f"{good[-1]:.3f} s"))
    return "\n".join(f"{name:<20} {value:>10}" for name, value in rows)
