"""Calls over gRPC to a server that speaks TensorFlow Serving's protocol: a picture, and the state of a model.

It needs grpcio and tensorflow-serving-api, and nothing of dagan_tf.
"""

import contextlib
import functools
import os
import tempfile
import time
import types

SIGNATURE = "png"
PNG_START = b"\x89PNG\r\n\x1a\n"
RETRY_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try of a request that a full server turned away."""


class ClientError(Exception):
    """What a user is told in one sentence; `status` is the command's exit status."""

    status = 1

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code
        """Name of the gRPC status code, where there is one."""


class UsageError(ClientError):
    """Something given cannot be used."""

    status = 2


@functools.cache
def libraries():
    """grpc and the protocol's modules, imported on first use: they bring TensorFlow, whose import takes seconds."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            import grpc
            from tensorflow.core.framework import types_pb2
            from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
            from tensorflow_serving.apis import model_service_pb2_grpc as model_service
            from tensorflow_serving.apis import prediction_service_pb2_grpc as prediction_service
    except ImportError as error:
        raise UsageError(f"This needs two packages: pip install grpcio tensorflow-serving-api ({error}).") from error
    return types.SimpleNamespace(
        grpc=grpc,
        types=types_pb2,
        predict=predict_pb2,
        metadata=get_model_metadata_pb2,
        model_status=get_model_status_pb2,
        model_service=model_service,
        prediction_service=prediction_service,
    )


@contextlib.contextmanager
def _quiet():
    """Holds back what native code writes to stderr; shows it after all if an exception passes."""
    with tempfile.TemporaryFile() as notes:
        terminal = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(terminal, notes.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def connect(server, tls=False, ca=None):
    """A channel without a limit on message sizes, whose default of 4 MB a large answer exceeds.

    Args:
        server: "host:port" of the gRPC API.
        tls: whether to speak TLS.
        ca: PEM bytes of the certificate authority; None for the system's.
    """
    grpc = libraries().grpc
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    if tls:
        return grpc.secure_channel(server, grpc.ssl_channel_credentials(ca), options)
    return grpc.insecure_channel(server, options)


def prediction_stub(channel):
    """The stub that `predict_png` takes."""
    return libraries().prediction_service.PredictionServiceStub(channel)


def predict_request(model, label_png, instance_png=None, *, version=None, version_label=None):
    """The `PredictRequest` of one picture; label and instance map are the bytes of PNG files."""
    request = libraries().predict.PredictRequest()
    name_model(request.model_spec, model, version, version_label)
    request.model_spec.signature_name = SIGNATURE
    for name, data in (("label_png", label_png), ("instance_png", instance_png)):
        if data is not None:
            tensor = request.inputs[name]
            tensor.dtype = libraries().types.DT_STRING
            tensor.tensor_shape.dim.add(size=1)
            tensor.string_val.append(data)
    return request


def name_model(spec, model, version=None, version_label=None):
    """Fills a `ModelSpec`: the newest version, unless a number or a label is given."""
    spec.name = model
    if version is not None:
        spec.version.value = version
    elif version_label is not None:
        spec.version_label = version_label


def picture_of(response):
    """The PNG bytes in a `PredictResponse`."""
    values = response.outputs["image_bytes"].string_val if "image_bytes" in response.outputs else ()
    if len(values) != 1 or not values[0].startswith(PNG_START):
        raise ClientError("The answer holds no PNG under image_bytes: was this model exported by dagan_tf.export?")
    return values[0]


def predict_png(
    stub, model, label_png, instance_png=None, *, version=None, version_label=None, timeout=60.0, retries=RETRY_WAITS
):
    """The picture of one label map, as PNG bytes.

    Args:
        stub: from `prediction_stub`.
        model: the model's name on the server.
        label_png: bytes of a PNG file with class ids.
        instance_png: bytes of a PNG file with instance ids, if the model reads instance edges.
        version: number of a version; default: the newest one loaded.
        version_label: label of a version, for example "stable"; instead of `version`.
        timeout: seconds for each try.
        retries: seconds to wait before each further try of a request that a full server turned away.

    Raises `ClientError` with a sentence.
    """
    request = predict_request(model, label_png, instance_png, version=version, version_label=version_label)
    for wait in (*retries, None):
        try:
            return picture_of(stub.Predict(request, timeout=timeout))
        except libraries().grpc.RpcError as error:
            if wait is None or not is_busy(error):
                raise explain(error, timeout) from error
            time.sleep(wait)


def is_busy(error):
    """Whether an `RpcError` says that the server's queue is full, so that another try may succeed."""
    code, details = error.code().name, (error.details() or "").lower()
    if code == "RESOURCE_EXHAUSTED":  # also said of messages over a limit, which no second try makes smaller
        return "larger than max" not in details
    return code == "UNAVAILABLE" and "queue" in details  # TensorFlow Serving's word for a full batching queue


def explain(error, timeout):
    """An `RpcError` as a `ClientError` with one sentence."""
    code, details = error.code().name, " ".join((error.details() or "").split())[:400]
    busy = is_busy(error)
    unreachable = any(word in details.lower() for word in ("connect", "dns", "resol", "socket closed"))
    if busy:
        message = f"The server is busy and turned the request away: {details}"
    elif code == "RESOURCE_EXHAUSTED":
        message = f"A message is larger than the server or a proxy before it accepts: {details}"
    elif code == "UNAVAILABLE" and unreachable:
        message = f"Nothing answers there: is the server running, and is this its gRPC port? ({details})"
    elif code == "DEADLINE_EXCEEDED":
        message = f"No answer within {timeout:g} seconds: give a larger --timeout, or the server less to do."
    elif code == "UNIMPLEMENTED":
        message = f"What answers there does not speak TensorFlow Serving's protocol: {details}"
    elif code == "NOT_FOUND":
        message = f"The server has no such model or version: {details}"
    elif code == "INVALID_ARGUMENT":
        message = f"The server refused the request: {details}"
    else:
        message = f"The server failed with {code}: {details}"
    return ClientError(message, code="RESOURCE_EXHAUSTED" if busy else code)


def model_versions(channel, model, *, version=None, version_label=None, timeout=60.0):
    """The `ModelVersionStatus` of a model's versions: of all, or of the one that is named."""
    modules = libraries()
    request = modules.model_status.GetModelStatusRequest()
    name_model(request.model_spec, model, version, version_label)
    stub = modules.model_service.ModelServiceStub(channel)
    return _call(stub.GetModelStatus, request, timeout).model_version_status


def state_name(version):
    """The name of a `ModelVersionStatus`'s state."""
    return version.State.Name(version.state)


def server_health(channel, timeout):
    """The standard gRPC health service's word on the server; None where it, or its package, is missing."""
    try:
        from grpc_health.v1 import health_pb2, health_pb2_grpc
    except ImportError:
        return None
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout)
    except libraries().grpc.RpcError:
        return None
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def signatures(channel, model, version, *, timeout=60.0):
    """Lines that describe the signatures of a version."""
    modules = libraries()
    request = modules.metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
    name_model(request.model_spec, model, version)
    answer = _call(prediction_stub(channel).GetModelMetadata, request, timeout)
    found = modules.metadata.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(found)
    yield f"  signatures of version {version}"
    for name, signature in sorted(found.signature_def.items()):
        if signature.inputs:
            yield f"    {name}: {_tensors(signature.inputs)} -> {_tensors(signature.outputs)}"


def _tensors(infos):
    return ", ".join(f"{name} {_kind(info)}" for name, info in sorted(infos.items()))


def _kind(info):
    dtype = libraries().types.DataType.Name(info.dtype).removeprefix("DT_").lower()
    return f"{dtype} ({', '.join('?' if d.size < 0 else str(d.size) for d in info.tensor_shape.dim)})"


def _call(method, request, timeout):
    try:
        return method(request, timeout=timeout)
    except libraries().grpc.RpcError as error:
        raise explain(error, timeout) from error
