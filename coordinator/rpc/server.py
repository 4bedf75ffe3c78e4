"""The gRPC server: limits, health, reflection, and a guard around every method.

The guard turns bytes that are no message into INVALID_ARGUMENT, our errors into statuses (see
`errors.py`), and gives a unary call without a deadline one of 10 s. Servicers stay plain.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from coordinator.errors import AddressRefused, CoordinatorError, FieldFault, FieldInvalid
from coordinator.rpc.errors import to_status
from coordinator.usecases.trace import HEADER, TRACE, trace_of

log = structlog.get_logger()

UNARY_DEADLINE_S = 10.0
MESSAGE_LIMIT = 4 * 1024 * 1024
Context = grpc.aio.ServicerContext[Any, Any]


def server_options(rng: random.Random) -> list[tuple[str, int]]:
    """Channel arguments: dead, idle and silent connections go away; ages are spread."""
    age_ms = int(3_600_000 * rng.uniform(0.9, 1.1))
    return [
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # The time-out of the ping itself, which is what counts where the peer's kernel answers.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.max_connection_idle_ms", 10_000),
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.so_reuseport", 0),
    ]


@dataclass(frozen=True, slots=True)
class _Malformed:
    """Stands for bytes that are no message of the expected type."""

    message_type: str


class GuardedServer:
    """Takes servicers and puts guards around their methods.

    It stands where the generated `add_…_to_server` functions expect a server.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self._raw: Collection[str] = ()
        self.service_names: list[str] = []

    def serve(
        self, add: Callable[[Any, Any], None], servicer: object, raw: Collection[str] = ()
    ) -> None:
        """Serves a servicer by its generated function; methods in `raw` get requests as bytes."""
        self._raw = raw
        add(servicer, self)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the same methods come by the next function."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Called by generated code with all methods of a service."""
        guarded = {
            name: guard(f"{service}/{name}", handler, raw=name in self._raw)
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, guarded),)
        )
        self.service_names.append(service)


def guard(method: str, handler: Any, *, raw: bool) -> Any:
    """The handler with the guard around it; `method` is for the log."""
    parse = None if raw else _guarded_parse(handler.request_deserializer)
    if handler.request_streaming and handler.response_streaming:
        behaviour = _guard_streams(method, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(behaviour, parse, handler.response_serializer)
    if handler.request_streaming:
        raise NotImplementedError(f"{method}: streams of requests with one answer are not served")
    if handler.response_streaming:
        behaviour = _guard_stream(method, handler.unary_stream)
        return grpc.unary_stream_rpc_method_handler(behaviour, parse, handler.response_serializer)
    behaviour = _guard_unary(method, handler.unary_unary)
    return grpc.unary_unary_rpc_method_handler(behaviour, parse, handler.response_serializer)


def _guarded_parse(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    owner = getattr(parse, "__self__", None)
    name = getattr(owner, "__name__", "message")

    def parse_or_mark(raw: bytes) -> Any:
        try:
            return parse(raw)
        except DecodeError:
            return _Malformed(name)

    return parse_or_mark


def _check(request: Any) -> None:
    if type(request) is _Malformed:
        fault = FieldFault("message", f"is not a valid {request.message_type}")
        raise FieldInvalid(fault)


def _guard_unary(
    method: str, behaviour: Callable[[Any, Context], Awaitable[Any]]
) -> Callable[[Any, Context], Awaitable[Any]]:
    async def call(request: Any, context: Context) -> Any:
        _note_trace(context)
        try:
            _check(request)
            if context.time_remaining() is None:
                async with asyncio.timeout(UNARY_DEADLINE_S):
                    return await behaviour(request, context)
            return await behaviour(request, context)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time")
        except Exception as error:  # noqa: BLE001 - the top of the call
            await _abort(method, error, context)

    return call


def _note_trace(context: Context) -> None:
    """Has everything that this call leads to logged under the name that the car gave it."""
    for key, value in context.invocation_metadata() or ():
        if key == HEADER:
            trace_id = trace_of(str(value))
            TRACE.set(trace_id)
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
            return


def _guard_stream(
    method: str, behaviour: Callable[[Any, Context], AsyncIterator[Any]]
) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        try:
            _check(request)
            async for response in behaviour(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 - the top of the call
            await _abort(method, error, context)

    return call


def _guard_streams(
    method: str, behaviour: Callable[[AsyncIterator[Any], Context], Any]
) -> Callable[[AsyncIterator[Any], Context], Any]:
    async def checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            _check(request)
            yield request

    async def call(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(checked(requests), context):
                yield response
        except Exception as error:  # noqa: BLE001 - the top of the call
            await _abort(method, error, context)

    async def converse(requests: AsyncIterator[Any], context: Context) -> None:
        try:
            await behaviour(requests, context)
        except Exception as error:  # noqa: BLE001 - the top of the call
            await _abort(method, error, context)

    # A coroutine reads and writes through its context; a generator takes and yields.
    return converse if inspect.iscoroutinefunction(behaviour) else call


async def _abort(method: str, error: Exception, context: Context) -> None:
    """Ends the call with the status of the error; one that is not ours is logged, not told."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, CoordinatorError):
        status = to_status(error)
        await context.abort(status.code, status.details, status.trailing_metadata)
    if isinstance(error, NotImplementedError):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not built yet")
    log.error("call failed", method=method, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "the coordinator failed; its log says more")


class RpcServer:
    """A server with health and reflection; add servicers to `guarded`, `bind`, `start`."""

    def __init__(self, rng: random.Random) -> None:
        self._server = grpc.aio.server(options=server_options(rng))
        self.guarded = GuardedServer(self._server)
        self._health = health.aio.HealthServicer()
        self.guarded.serve(health_pb2_grpc.add_HealthServicer_to_server, self._health)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """The port that is listened at after `start`; raises `AddressRefused`."""
        try:
            if credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise AddressRefused(address, "the port is in use, or not ours") from error

    async def start(self) -> None:
        """Takes calls at every address bound."""
        names = [*self.guarded.service_names, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        await self._server.start()
        for name in names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def say_ending(self) -> None:
        """Says NOT_SERVING, so that nobody new comes."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, and gives those under way so long to end."""
        await self._server.stop(grace_s)
