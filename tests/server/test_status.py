"""Messages of TensorFlow become sentences, codes become HTTP statuses."""

import tensorflow as tf
from grpc import StatusCode

from dagan_tf.server import status


def raised(function, *arguments):
    try:
        tf.function(function)(*map(tf.constant, arguments))
    except tf.errors.OpError as error:
        return status.from_tensorflow(error)
    raise AssertionError("nothing was raised")


def test_an_assertion_keeps_what_its_author_wrote():
    def check(x):
        tf.debugging.Assert(x < 3, ["x must be below 3, received", x])
        return x

    error = raised(check, 7)
    assert (error.code, error.message) == (StatusCode.INVALID_ARGUMENT, "x must be below 3, received 7")


def test_an_operation_s_own_message():
    error = raised(tf.io.decode_png, b"no picture")
    assert error.code == StatusCode.INVALID_ARGUMENT
    assert error.message.startswith("Unknown image file format.")
    assert not any(text in error.message for text in ("{{", "[Op:", "Detected at", "File "))


def test_the_first_of_several_errors():
    message = (
        "2 root error(s) found.\n  (0) INVALID_ARGUMENT:  assertion failed: [a is] [1]\n\t [[{{node a}}]]\n"
        "  (1) INVALID_ARGUMENT: assertion failed: [b is] [2]\n\t [[{{node b}}]]\n0 successful operations."
    )
    assert status.clean(message) == "a is 1"


def test_messages_are_one_short_line():
    error = status.invalid("a\n b" + "c" * 10000)
    assert error.message.startswith("a bccc")
    assert len(error.message) == status.MAX_MESSAGE


def test_http_statuses_are_tf_servings():
    expected = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503}
    expected |= {"INTERNAL": 500, "FAILED_PRECONDITION": 400, "UNKNOWN": 500, "DEADLINE_EXCEEDED": 504}
    assert {name: status.RequestError(StatusCode[name], "").http_status for name in expected} == expected
