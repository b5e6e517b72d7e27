"""grpc.health.v1 from its library, which is given the bytes of a request so that wrong ones are refused in one line."""

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

SERVICE = health.SERVICE_NAME


class Health(health.aio.HealthServicer):
    """Tells whether services answer; set by `set`, ended by `enter_graceful_shutdown`."""

    async def Check(self, body, context):  # noqa: N802 - the protocol's name
        """The status of a service now."""
        return await super().Check(await _request(body, context), context)

    async def Watch(self, body, context):  # noqa: N802
        """The status of a service now, and whenever it changes."""
        await super().Watch(await _request(body, context), context)

    def handlers(self):
        """gRPC's method handlers by name."""
        write = health_pb2.HealthCheckResponse.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self.Check, response_serializer=write),
            "Watch": grpc.unary_stream_rpc_method_handler(self.Watch, response_serializer=write),
        }


async def _request(body, context):
    try:
        return health_pb2.HealthCheckRequest.FromString(body)
    except DecodeError:
        pass
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is not a grpc.health.v1.HealthCheckRequest.")
