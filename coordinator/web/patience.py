"""How long the pages wait: for a request's headers, and for its body; and how long a body may be.

A connection that says nothing, or one byte now and then, would else hold its place for ever.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

from coordinator.web.gate import Refused

HEADER_S = 8.0  # from a connection's first instant, or the end of a request's answer
HEADER_BYTES = 16 * 1024
BODY_S = 10.0
BODY_BYTES = 64 * 1024


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not come."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Goes on waiting while what came is no whole request."""
        super().data_received(data)
        if self._answering():
            self._wait_no_more()
        elif self._waits is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._waits = self.loop.call_later(HEADER_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waits is not None:
            self._waits.cancel()
            self._waits = None

    def _give_up(self) -> None:
        self._waits = None
        if not self._answering():
            self.transport.abort()


def bounded(receive: Receive, loop_s: float) -> Receive:
    """Takes the body in until it is whole; raises `Refused` for one too long or too slow.

    `loop_s` is the event loop's time when the request began.
    """
    taken, whole = 0, False

    async def take() -> Message:
        nonlocal taken, whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(loop_s + BODY_S):
                message = await receive()
        except TimeoutError as error:
            text = f"the body did not come within {BODY_S:g} s"
            raise Refused(408, "WEB-007", text, "send it at once") from error
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > BODY_BYTES:
            text = f"the body is longer than {BODY_BYTES} bytes"
            raise Refused(413, "WEB-008", text, "send less at once")
        return message

    return take
