"""SIGINT (Ctrl-C) and SIGTERM (sent by schedulers and `kill`): how a block of code takes them and gives them back."""

import contextlib
import signal

STOP = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a process to stop."""


@contextlib.contextmanager
def handling(handler, signals=STOP):
    """Handles signals inside a block; afterwards SIGINT and SIGTERM are handled as they were before it.

    To give them back earlier, from the handler itself, enter the block through a `contextlib.ExitStack` and close that.

    Args:
        handler: what `signal.signal` takes: a function of (number, frame), `signal.SIG_DFL` or `signal.SIG_IGN`.
        signals: those that it handles. Both are given back in any case, since a library may take one inside the block.
    """
    before = {number: signal.getsignal(number) for number in STOP}
    try:
        for number in signals:
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
