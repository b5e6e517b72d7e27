"""What a request can fail with: one error class, gRPC's codes, and their HTTP equivalents."""

import re
import reprlib

from grpc import StatusCode

MAX_MESSAGE = 1000
"""Characters of an error message. gRPC sends it among the headers, which clients limit to 8 KiB."""

HTTP_STATUS = {
    StatusCode.CANCELLED: 499,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.UNAUTHENTICATED: 401,
}
"""TF-Serving's HTTP statuses; codes that are not here are 500."""

_BOILERPLATE = (
    r"^Graph execution error:\s*",
    r"Detected at node [^\n]*\n(<stack traces unavailable>\n|  [^\n]*\n|\n)*",  # where Python made the node
    r"\s*\[\[\{\{node.*$",  # the node's name, and the other errors of the same run
    r"\s*\[Op:.*$",
    r"^.*?root error\(s\) found\.\s*\(0\)\s*\w+:\s*",
)

_CODES = {code.value[0]: code for code in StatusCode}


class RequestError(Exception):
    """A request that cannot be answered: `code`, a `grpc.StatusCode`, and `message`, one line for the client."""

    def __init__(self, code, message, http_status=None):
        self.code = code
        self.message = " ".join(message.split())[:MAX_MESSAGE]
        self.http_status = http_status or HTTP_STATUS.get(code, 500)
        """The status of a REST answer."""
        super().__init__(self.message)


def invalid(message):
    """A `RequestError` for what is wrong with the request itself."""
    return RequestError(StatusCode.INVALID_ARGUMENT, message)


def not_found(message):
    """A `RequestError` for a model or version that is not served."""
    return RequestError(StatusCode.NOT_FOUND, message)


def shown(value):
    """`repr`, shortened: what a client sent may be as long as a message."""
    return reprlib.repr(value)


def from_tensorflow(error):
    """The `RequestError` of a `tf.errors.OpError`: its code, and its message without the graph's node names."""
    return RequestError(_CODES.get(error.error_code, StatusCode.UNKNOWN), clean(error.message or type(error).__name__))


def clean(message):
    """The sentence inside an error message of TensorFlow's."""
    for pattern in _BOILERPLATE:
        message = re.sub(pattern, "", message, flags=re.DOTALL)
    asserted = re.fullmatch(r"assertion failed:\s*\[(.*)\]", message.strip(), flags=re.DOTALL)
    if asserted:
        message = asserted.group(1).replace("] [", " ")
    return message.strip()
