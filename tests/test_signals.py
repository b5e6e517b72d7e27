"""Signals are handled inside the block only, and given back whatever happened in it."""

import contextlib
import os
import signal

import pytest

from dagan_tf.signals import STOP, handling


@pytest.fixture
def before():
    """Handlers of the test's own, as a program around the block has them: what each received."""
    received = []
    present = {number: signal.signal(number, lambda number, frame: received.append(number)) for number in STOP}
    yield received
    for number, handler in present.items():
        signal.signal(number, handler)


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def test_both_are_handled_inside_and_given_back(before):
    inside = []
    with handling(lambda number, frame: inside.append(number)):
        send(signal.SIGINT, signal.SIGTERM)
    assert (inside, before) == ([signal.SIGINT, signal.SIGTERM], [])
    send(signal.SIGTERM, signal.SIGINT)
    assert (len(inside), before) == (2, [signal.SIGTERM, signal.SIGINT])


def test_they_are_given_back_after_an_error(before):
    def stop(number, frame):
        raise SystemExit(128 + number)

    with pytest.raises(SystemExit) as exit_, handling(stop):
        send(signal.SIGTERM)
    assert exit_.value.code == 143
    send(signal.SIGTERM)
    assert before == [signal.SIGTERM]


def test_one_alone_leaves_the_other_and_gives_back_what_a_library_took(before):
    with handling(signal.SIG_IGN, [signal.SIGINT]):
        send(signal.SIGINT, signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as TensorFlow does
        send(signal.SIGTERM)
    assert before == [signal.SIGTERM]
    send(signal.SIGTERM, signal.SIGINT)
    assert before == [signal.SIGTERM, signal.SIGTERM, signal.SIGINT]


def test_a_handler_can_give_them_back_at_the_first_signal(before):
    inside, stack = [], contextlib.ExitStack()

    def first(number, frame):
        inside.append(number)
        stack.close()

    with stack:
        stack.enter_context(handling(first))
        send(signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    assert (inside, before) == ([signal.SIGINT], [signal.SIGINT, signal.SIGTERM])
