"""Answers malformed messages and our own errors with proper gRPC statuses.

Without it grpc answers UNKNOWN and names classes of this program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from inspect import isasyncgenfunction
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from firmware_sim.errors import (
    BadArgumentError,
    BenchError,
    NotPossibleNowError,
    TooManyError,
    UnknownNameError,
)

PATIENCE_S = 20.0
_LAST_WORD_S = 1.0
_DETAILS = "grpc-status-details-bin"


class _Malformed:
    """Stands for a request that could not be read."""


async def abort_with(context: grpc.aio.ServicerContext[Any, Any], error: BenchError) -> NoReturn:
    """Ends the call with the status that belongs to `error`."""
    match error:
        case UnknownNameError():
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        case BadArgumentError():
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=error.field, description=str(error)
            )
            detail = error_details_pb2.BadRequest(field_violations=[violation])
            status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=str(error))
            status.details.add().Pack(detail)
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                str(error),
                ((_DETAILS, status.SerializeToString()),),
            )
        case NotPossibleNowError():
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        case TooManyError():
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
    raise error


class Guard(grpc.aio.ServerInterceptor):
    """Wraps every method: unreadable bytes and BenchError become statuses.

    Whoever asks for a stream and reads nothing of it for `patience_s` real seconds is cut off.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a method, guarded."""
        handler = await continuation(details)
        if handler is None or handler.request_streaming:
            return handler
        read = _guarded_reader(handler.request_deserializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(handler.unary_stream, self._patience_s),
                read,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            _guarded_unary(handler.unary_unary), read, handler.response_serializer
        )


def _guarded_reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def guarded(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return _Malformed()

    return guarded


def _guarded_unary(call: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Any]:
    async def guarded(request: Any, context: Any) -> Any:
        await _refuse_malformed(request, context)
        try:
            return await call(request, context)
        except BenchError as error:
            await abort_with(context, error)

    return guarded


def _guarded_stream(
    call: Callable[[Any, Any], Any], patience_s: float
) -> Callable[[Any, Any], Any]:
    async def guarded(request: Any, context: Any) -> None:
        await _refuse_malformed(request, context)
        if not isasyncgenfunction(call):
            await call(request, context)
            return
        try:
            async with aclosing(call(request, context)) as responses:
                async for response in responses:
                    async with asyncio.timeout(patience_s):
                        await context.write(response)
        except BenchError as error:
            await abort_with(context, error)
        except TimeoutError:
            why = f"nothing was read for {patience_s:g} s; watch again and read faster"
            # The status reaches the reader once it reads again; nobody waits for that.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, why)

    return guarded


async def _refuse_malformed(request: Any, context: Any) -> None:
    if isinstance(request, _Malformed):
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no message of this type"
        )
