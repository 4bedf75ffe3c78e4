"""One charge point's websocket, as its link and a relay use it: sound frames of text only.

A frame that cannot be understood is answered here and goes no further. Who may connect belongs to
`ocpp_server.py`.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from websockets.asyncio.server import ServerConnection

from edge_agent.core.frames import IN, NO_TAP, OUT, FrameTap
from edge_agent.core.ocpp_frame import BrokenFrame, answer_to, inspect

log: Final = structlog.get_logger("edge_agent.ocpp")


class StationSocket:
    """A `StationConnection` over a websocket; `broken` counts frames that were no OCPP."""

    def __init__(
        self, identity: str, socket: ServerConnection, subprotocol: str, tap: FrameTap = NO_TAP
    ) -> None:
        self.identity = identity
        self.subprotocol = subprotocol
        self.broken = 0
        self._socket = socket
        self._tap = tap

    @property
    def remote_address(self) -> Any:
        """Address and port of the charge point."""
        return self._socket.remote_address

    async def recv(self) -> str:
        """The next sound frame; raises `ConnectionClosed` of websockets."""
        while True:
            # Undecoded: bad UTF-8 is answered like any other broken frame.
            raw = await self._socket.recv(decode=False)
            self._tap.frame(IN, raw)
            frame = inspect(raw)
            if not isinstance(frame, BrokenFrame):
                return raw.decode()
            self.broken += 1
            if self.broken == 1:
                log.warning("broken OCPP frame", identity=self.identity, why=frame.why)
            answer = answer_to(frame, self.subprotocol)
            if answer is not None:
                await self.send(answer)

    async def send(self, text: str) -> None:
        """Sends one frame; raises `ConnectionClosed` of websockets."""
        self._tap.frame(OUT, text.encode())
        await self._socket.send(text)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Says why and hangs up."""
        await self._socket.close(code, reason)
