"""The gRPC services: TF-Serving's PredictionService and ModelService, and grpc.health.v1."""

import functools

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from dagan_tf.server import health
from dagan_tf.server import servable as servables
from dagan_tf.server.status import RequestError, invalid, shown
from dagan_tf.server.tensors import to_proto

PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
STATES = get_model_status_pb2.ModelVersionStatus.State


class Spec:
    """The version and signature that a `ModelSpec` names."""

    def __init__(self, request):
        if not request.HasField("model_spec"):
            raise invalid("The request has no model_spec.")
        spec = request.model_spec
        self.name, self.label, self.signature = spec.name, spec.version_label, spec.signature_name
        self.version = spec.version.value if spec.HasField("version") else None


class PredictRequest(Spec):
    """A PredictRequest for `Service.predict`."""

    def __init__(self, max_bytes, body):
        self._message = read(predict_pb2.PredictRequest, body)
        self.wanted = list(self._message.output_filter)
        self._max_bytes = max_bytes
        super().__init__(self._message)

    def decode(self, signature):
        """The arrays of the request."""
        if set(self.wanted) - set(signature.outputs) or len(set(self.wanted)) < len(self.wanted):
            expected = ", ".join(signature.outputs)
            raise invalid(f"output_filter takes each of {expected} at most once. Received: {shown(self.wanted)}.")
        inputs = servables.read_inputs(self._message.inputs, signature, self._max_bytes)
        del self._message
        return inputs

    def encode(self, servable, signature, outputs):
        """The bytes of the PredictResponse."""
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, self.name, servable.version, signature.name)
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(to_proto(array))
        return response.SerializeToString()


def read(message_class, body):
    """The message in a request's bytes."""
    try:
        return message_class.FromString(body)
    except DecodeError:
        raise invalid(f"The message is not a {message_class.DESCRIPTOR.full_name}.") from None


def _fill_spec(spec, name, version, signature=""):
    spec.name, spec.version.value, spec.signature_name = name, version, signature


def metadata(service, target):
    """A GetModelMetadataResponse with the SignatureDefs of the version that `target` names."""
    with service.use(target) as servable:
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in servable.signature_defs.items():
            signatures.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _fill_spec(response.model_spec, service.name, servable.version)
        response.metadata["signature_def"].Pack(signatures)
        return response


def status(service, target):
    """A GetModelStatusResponse of all versions, or of the one that `target` names."""
    service.check_name(target.name)
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in service.versions.states(target.version, target.label):
        entry = response.model_version_status.add(version=version.number, state=STATES.Value(version.state))
        if version.error is not None:
            entry.status.error_code = version.error.code.value[0]
            entry.status.error_message = version.error.message
    return response


def _metadata_answer(service, body):
    request = read(get_model_metadata_pb2.GetModelMetadataRequest, body)
    target = Spec(request)
    if list(request.metadata_field) != ["signature_def"]:
        raise invalid(f"metadata_field must be signature_def. Received: {shown(list(request.metadata_field))}.")
    return metadata(service, target).SerializeToString()


def _status_answer(service, body):
    return status(service, Spec(read(get_model_status_pb2.GetModelStatusRequest, body))).SerializeToString()


def _handlers(service):
    """The methods by their full names: coroutines from bytes to bytes."""

    async def predict(body):
        async def read():
            return body

        return await service.predict("grpc.Predict", read, functools.partial(PredictRequest, service.max_bytes))

    def plain(method, answer):
        async def call(body):
            with service.request(method):
                return answer(service, body)

        return call

    return {
        (PREDICTION, "Predict"): predict,
        (PREDICTION, "GetModelMetadata"): plain("grpc.GetModelMetadata", _metadata_answer),
        (MODEL, "GetModelStatus"): plain("grpc.GetModelStatus", _status_answer),
    }


def _aborting(handler):
    """A gRPC method whose `RequestError`s become statuses."""

    async def call(body, context):
        try:
            return await handler(body)
        except RequestError as error:
            code, message = error.code, error.message
        await context.abort(code, message)

    return call


class GrpcApi:
    """The gRPC side of the server."""

    def __init__(self, service):
        size = [
            ("grpc.max_receive_message_length", service.max_bytes),
            ("grpc.max_send_message_length", service.max_bytes),
        ]
        self._server = grpc.aio.server(options=[*size, ("grpc.so_reuseport", 0)])
        self._health = health.Health()
        self._register(health.SERVICE, self._health.handlers())
        for (name, method), handler in _handlers(service).items():
            # Without a deserialiser the bytes come as they are: grpc's own would log a traceback for wrong ones.
            self._register(name, {method: grpc.unary_unary_rpc_method_handler(_aborting(handler))})

    def _register(self, service, methods):
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))

    def bind(self, host, port):
        """Takes a port, 0 for any, and returns it; raises RuntimeError if it is in use."""
        return self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def start(self):
        """Answers requests from now on."""
        await self._server.start()
        for name in ("", PREDICTION, MODEL):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def report_stopping(self):
        """Health is NOT_SERVING from now on."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace):
        """Ends all connections after at most `grace` seconds."""
        await self._server.stop(grace)
