"""TF-Serving's REST API, and the page for Prometheus."""

import asyncio
import dataclasses
import functools
import json
import logging

from aiohttp import web
from google.protobuf import json_format
from prometheus_client import CONTENT_TYPE_LATEST
from tensorflow_serving.apis import get_model_metadata_pb2

from dagan_tf.server import grpc_api, json_tensors
from dagan_tf.server.status import RequestError, StatusCode, invalid, shown
from dagan_tf.server.tensors import check_names

log = logging.getLogger(__name__)

METRICS_PATH = "/monitoring/prometheus/metrics"
MODEL_PATH = r"/v1/models/{name:[^/:]+}"
SETTLE = 1.0
"""Seconds that a stopping server gives to answers which are still on their way out."""
READ_SECONDS = 60.0
"""Seconds that a body may take to arrive: it holds a place in the queue."""
TARGETS = ("", r"/versions/{version:[0-9]{1,19}}", r"/labels/{label:[^/:]+}")


@dataclasses.dataclass
class Target:
    """The version that an address names."""

    name: str
    version: int | None
    label: str

    @classmethod
    def of(cls, request):
        """Reads the address of a request."""
        parts = request.match_info
        version = parts.get("version")
        return cls(parts["name"], None if version is None else int(version), parts.get("label", ""))


class PredictRequest:
    """A JSON body for `Service.predict`: rows under "instances", or columns under "inputs"."""

    wanted = ()

    def __init__(self, target, max_bytes, body):
        document = json_tensors.parse(body, max_bytes)
        self.name, self.version, self.label = target.name, target.version, target.label
        self.signature = document.get("signature_name", "")
        self._max_bytes = max_bytes
        if not isinstance(self.signature, str):
            raise invalid(f"signature_name must be a string. Received: {shown(self.signature)}.")
        if ("instances" in document) == ("inputs" in document):
            raise invalid('The body must have one of "instances" (rows) and "inputs" (columns).')
        self._by_row = "instances" in document
        self._content = document["instances" if self._by_row else "inputs"]

    def decode(self, signature):
        """The arrays of the request."""
        content, self._content = self._content, None
        columns = (_columns_of_rows if self._by_row else _columns)(content, signature)
        specs = signature.inputs
        return {name: json_tensors.to_array(columns[name], specs[name], self._max_bytes) for name in specs}

    def encode(self, servable, signature, outputs):
        """The bytes of the JSON answer."""
        text = _rows_text(outputs) if self._by_row else _columns_text(outputs)
        return f'{{"{"predictions" if self._by_row else "outputs"}":{text}}}'.encode()


def _is_named(value):
    """Whether a value is an object of named tensors, not a string in base64."""
    return isinstance(value, dict) and set(value) != {"b64"}


def _columns(content, signature):
    """The inputs by name, of "inputs"."""
    if not _is_named(content):
        content = {_only_name(signature, "inputs"): content}
    check_names(signature.inputs, content)
    return content


def _columns_of_rows(rows, signature):
    """The inputs by name, of "instances"."""
    if not isinstance(rows, list) or not rows:
        raise invalid('"instances" must be a list of at least one instance.')
    if len({_is_named(row) for row in rows}) > 1:
        raise invalid('"instances" must be either all objects of named inputs or all plain values.')
    if not _is_named(rows[0]):
        return {_only_name(signature, "instances"): rows}
    for row in rows:
        check_names(signature.inputs, row)
    return {name: [row[name] for row in rows] for name in signature.inputs}


def _only_name(signature, key):
    if len(signature.inputs) != 1:
        raise invalid(f'"{key}" must name the inputs of {signature.name}: {", ".join(signature.inputs)}.')
    return next(iter(signature.inputs))


def _rows_text(outputs):
    """One entry for each example: the plain value of a single output, or an object of several."""
    sizes = {len(array) if array.ndim else None for array in outputs.values()}
    if len(sizes) > 1 or None in sizes:
        raise invalid('The outputs of this signature have no common axis 0: ask with "inputs" instead of "instances".')
    if len(outputs) == 1:
        return _columns_text(outputs)
    rows = ({name: array[i, ...] for name, array in outputs.items()} for i in range(sizes.pop()))
    return "[" + ",".join(map(_object_text, rows)) + "]"


def _columns_text(outputs):
    if len(outputs) > 1:
        return _object_text(outputs)
    name, array = next(iter(outputs.items()))
    return json_tensors.to_text(array, name)


def _object_text(arrays):
    parts = (f"{json.dumps(name)}:{json_tensors.to_text(array, name)}" for name, array in arrays.items())
    return "{" + ",".join(parts) + "}"


def make_runner(service):
    """What runs the API of a `Service` on a socket."""
    # aiohttp logs a traceback for each request that is not HTTP; errors of the server itself are logged below.
    quiet = logging.getLogger(f"{__name__}.protocol")
    quiet.setLevel(logging.CRITICAL)
    return web.AppRunner(
        make_app(service), access_log=None, logger=quiet, handler_cancellation=True, shutdown_timeout=SETTLE
    )


def make_app(service):
    """The aiohttp application of a `Service`."""
    app = web.Application(middlewares=[_errors_as_json], client_max_size=service.max_bytes)
    answers = {"": ("rest.GetModelStatus", _status), "/metadata": ("rest.GetModelMetadata", _metadata)}
    for target in TARGETS:
        app.router.add_post(f"{MODEL_PATH}{target}:predict", functools.partial(_predict, service))
        for ending, (method, answer) in answers.items():
            handler = functools.partial(_get, service, method, answer)
            app.router.add_get(f"{MODEL_PATH}{target}{ending}", handler)
    app.router.add_get(METRICS_PATH, functools.partial(_metrics, service))
    return app


@web.middleware
async def _errors_as_json(request, handler):
    try:
        return await handler(request)
    except RequestError as error:
        answer = _error(error.http_status, error.message)
        if request.content.exception() or not request.content.is_eof():
            answer.force_close()  # tells the client, too, that nothing can follow a body which was not read
        return answer
    except web.HTTPException as error:
        return _error(error.status, f"{error.reason}: {request.method} {shown(request.path)}")
    except Exception:
        log.exception("%s failed", request.path)
        return _error(500, "The server failed; its log has the reason.")


def _error(status, message):
    return web.json_response({"error": message}, status=status)


async def _predict(service, request):
    read = functools.partial(_read, service, request)
    parse = functools.partial(PredictRequest, Target.of(request), service.max_bytes)
    return web.Response(body=await service.predict("rest.Predict", read, parse), content_type="application/json")


async def _read(service, request):
    """The body of a request."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await request.read()
    except TimeoutError:
        message = f"The body may take {READ_SECONDS:g} seconds to arrive."
        raise RequestError(StatusCode.DEADLINE_EXCEEDED, message, 408) from None
    except web.HTTPRequestEntityTooLarge:
        message = f"The body may have {service.max_bytes} bytes. Received more."
        raise RequestError(StatusCode.RESOURCE_EXHAUSTED, message, 413) from None
    except (web.RequestPayloadError, ConnectionError) as error:
        raise invalid(f"The body cannot be read: {error}") from None


async def _get(service, method, answer, request):
    with service.request(method):
        return web.json_response(answer(service, Target.of(request)))


def _status(service, target):
    service.check_name(target.name)
    versions = service.versions.states(target.version, target.label)
    return {"model_version_status": [_version_status(version) for version in versions]}


def _version_status(version):
    error = version.error
    code, message = (StatusCode.OK.name, "") if error is None else (error.code.name, error.message)
    status = {"error_code": code, "error_message": message}
    return {"version": str(version.number), "state": version.state, "status": status}


def _metadata(service, target):
    response = grpc_api.metadata(service, target)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    as_dict = functools.partial(
        json_format.MessageToDict, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    spec = {"name": service.name, "signature_name": "", "version": str(response.model_spec.version.value)}
    return {"model_spec": spec, "metadata": {"signature_def": as_dict(signatures)}}


async def _metrics(service, request):
    return web.Response(body=service.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})
