"""What stands around every method: limits, deadlines, patience, and our errors as statuses.

Bytes that are no message become INVALID_ARGUMENT, our errors statuses (see `errors.py`), a unary
call without a deadline gets one, and who does not read a stream is cut. Servicers stay plain.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog

from coordinator.errors import CoordinatorError, FieldFault
from coordinator.rpc.conduct import Conduct
from coordinator.rpc.crowd import Crowd
from coordinator.rpc.errors import to_status
from coordinator.rpc.limits import BY_RECORD, Limits
from coordinator.rpc.shape import Unfit, guarded_parse
from coordinator.usecases.counters import Counters
from coordinator.usecases.deadline import DUE
from coordinator.usecases.refusals import (
    DeadlinePassed,
    GoingDown,
    MessageTooLarge,
    MessageUnfit,
    ReaderTooSlow,
)
from coordinator.usecases.trace import HEADER, TRACE, trace_of

log = structlog.get_logger()

CLOSING_S = 3.0  # at most, until nobody new has come for
CLOSING_QUIET_S = 0.2  # so long
ABORT_S = 5.0  # that a cut reader has to take the reason
Context = grpc.aio.ServicerContext[Any, Any]

_COUNTED = {
    MessageUnfit: "messages_unfit",
    MessageTooLarge: "messages_too_large",
    DeadlinePassed: "calls_late",
    ReaderTooSlow: "readers_cut",
}


class Guard:
    """Puts itself around handlers; counts what it refuses."""

    def __init__(self, limits: Limits, conduct: Conduct, counters: Counters, crowd: Crowd) -> None:
        self._limits = limits
        self._conduct = conduct
        self._crowd = crowd
        self._counters = counters
        self._closing = False
        self._came_s = 0.0  # when the last call came

    async def close(self) -> None:
        """Takes no new calls; returns when those that had arrived have been looked at.

        The server itself would drop calls that it has heard and not yet handed over.
        """
        self._closing = True
        end_s = time.monotonic() + CLOSING_S
        self._came_s = time.monotonic()
        left_s = CLOSING_QUIET_S
        while left_s > 0.0:
            await asyncio.sleep(left_s)
            left_s = min(end_s, self._came_s + CLOSING_QUIET_S) - time.monotonic()

    def _greet(self, method: str, context: Context) -> None:
        """Raises what speaks against any call of this peer now."""
        self._came_s = time.monotonic()
        if self._closing and not method.startswith("grpc.health."):
            raise GoingDown
        peer = context.peer()
        self._conduct.check(peer)
        self._crowd.check(peer)

    def around(self, service: str, name: str, handler: Any, *, raw: bool) -> Any:
        """The handler with everything around it; `raw` ones get requests as bytes."""
        method = f"{service}/{name}"
        limits = self._limits
        first_s = limits.first_list_s if service in BY_RECORD else limits.first_message_s
        parse = None if raw else guarded_parse(handler.request_deserializer, service, self._limits)
        write = handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            behaviour = self._streams(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(behaviour, parse, write)
        if handler.request_streaming:
            raise NotImplementedError(f"{method}: streams with one answer are not served")
        # Served as streams of requests, so that it is us who wait for the first one: a call that
        # never sends its request would else be waited for without end.
        if handler.response_streaming:
            behaviour = self._stream(method, handler.unary_stream, first_s)
            return grpc.stream_stream_rpc_method_handler(behaviour, parse, write)
        behaviour = self._unary(method, handler.unary_unary, first_s)
        return grpc.stream_unary_rpc_method_handler(behaviour, parse, write)

    def _unary(
        self, method: str, behaviour: Callable[[Any, Context], Awaitable[Any]], first_s: float
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        limits = self._limits

        async def call(requests: Any, context: Context) -> Any:
            _note_trace(context)
            try:
                self._greet(method, context)
                left_s = context.time_remaining()
                request = await self._first(context, first_s)
                if left_s is None:
                    DUE.set(time.monotonic() + limits.unary_s)
                    async with asyncio.timeout(limits.unary_s):
                        return await behaviour(request, context)
                if left_s <= 0.0:
                    raise DeadlinePassed
                DUE.set(time.monotonic() + left_s)
                return await behaviour(request, context)
            except TimeoutError:
                await self._abort(method, DeadlinePassed(), context)
            except Exception as error:  # noqa: BLE001 - the top of the call
                await self._abort(method, error, context)

        return call

    def _stream(
        self, method: str, behaviour: Callable[[Any, Context], AsyncIterator[Any]], first_s: float
    ) -> Callable[[Any, Context], Awaitable[None]]:
        async def call(requests: Any, context: Context) -> None:
            try:
                self._greet(method, context)
                request = await self._first(context, first_s)
                await self._say(context, behaviour, request)
            except Exception as error:  # noqa: BLE001 - the top of the call
                await self._abort(method, error, context)

        return call

    def _streams(
        self, method: str, behaviour: Callable[[AsyncIterator[Any], Context], Any]
    ) -> Callable[[Any, Context], Awaitable[None]]:
        writes = inspect.iscoroutinefunction(behaviour)

        async def checked(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
            async for request in requests:
                yield _fit(request)

        async def converse(requests: Any, context: Context) -> None:
            try:
                self._greet(method, context)
                self._crowd.served(context.peer())
                await self._say(context, behaviour, requests if writes else checked(requests))
            except Exception as error:  # noqa: BLE001 - the top of the call
                await self._abort(method, error, context)

        return converse

    async def _first(self, context: Context, first_s: float) -> Any:
        """The request of a call with one; raises `MessageUnfit` and `DeadlinePassed`."""
        try:
            async with asyncio.timeout(first_s):
                request = await context.read()
        except TimeoutError as error:
            self._counters.add("calls_without_request")
            self._crowd.left_empty(context.peer())
            raise DeadlinePassed from error
        if request is grpc.aio.EOF:
            raise MessageUnfit(FieldFault("message", "is missing"))
        self._crowd.served(context.peer())
        return _fit(request)

    async def _say(
        self, context: Context, behaviour: Callable[[Any, Context], Any], request: Any
    ) -> None:
        """Writes all that there is to say; raises `ReaderTooSlow` if it is not taken.

        A coroutine reads and writes by its context, and keeps time by itself.
        """
        limits, name = self._limits, self._conduct.open(context.peer())
        try:
            words = behaviour(request, context)
            if inspect.isawaitable(words):
                await words
                return
            async for word in words:
                try:
                    async with asyncio.timeout(limits.write_s):
                        await context.write(word)
                except TimeoutError as error:
                    await words.aclose()
                    raise ReaderTooSlow(limits.write_s) from error
        finally:
            self._conduct.close(name)

    async def _abort(self, method: str, error: Exception, context: Context) -> None:
        """Ends the call with the status of the error; one that is not ours is logged, not told."""
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if isinstance(error, CoordinatorError):
            counted = _COUNTED.get(type(error))
            if counted:
                self._counters.add(counted)
            if isinstance(error, (MessageUnfit, MessageTooLarge)):
                self._conduct.strike(context.peer())
            if isinstance(error, ReaderTooSlow):
                log.warning("reader cut", method=method, peer=context.peer(), why=str(error))
                await _cut(error, context)
            await _end(error, context)
        if isinstance(error, NotImplementedError):
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not built yet")
        log.error("call failed", method=method, exc_info=error)
        await context.abort(grpc.StatusCode.INTERNAL, "the coordinator failed; its log says more")


def _fit(request: Any) -> Any:
    """The request; raises what is wrong with it."""
    if type(request) is Unfit:
        raise request.why
    return request


async def _end(error: CoordinatorError, context: Context) -> None:
    status = to_status(error)
    await context.abort(status.code, status.details, status.trailing_metadata)


async def _cut(error: CoordinatorError, context: Context) -> None:
    """Says why, and resets the stream if even that is not taken."""
    try:
        async with asyncio.timeout(ABORT_S):
            await _end(error, context)
    except TimeoutError:
        raise asyncio.CancelledError from error


def _note_trace(context: Context) -> None:
    """Has everything that this call leads to logged under the name that the car gave it."""
    for key, value in context.invocation_metadata() or ():
        if key == HEADER:
            trace_id = trace_of(str(value))
            TRACE.set(trace_id)
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
            return
