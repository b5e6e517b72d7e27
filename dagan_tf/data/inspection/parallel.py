"""Work on many files in threads, with bounded memory: PIL and NumPy let others run while they decode."""

import collections
import concurrent.futures
import os

AHEAD = 4
"""Results a thread that may wait to be taken."""


def in_parallel(function, items, workers=None):
    """Yields `function(item)` of each item, in their order, worked on in threads.

    No more than a few results wait at a time. When it is closed, or interrupted, what has not begun is left out.

    Args:
        function: of one item; what it raises is raised here.
        items: any iterable.
        workers: threads; `None`: one for each core.
    """
    workers = workers or os.cpu_count() or 1
    pool, waiting = concurrent.futures.ThreadPoolExecutor(workers), collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def evenly(count, most):
    """At most `most` of the indices 0 to `count` - 1, spread evenly from the first to the last: a list."""
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / max(1, most - 1)) for i in range(most)]
