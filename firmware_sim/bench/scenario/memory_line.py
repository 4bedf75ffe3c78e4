"""A websocket without a network: one charge point's end and one central system's end.

Dialling again, wire faults and everything said stay with the product's own line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.typing import Subprotocol

from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.faces.ocpp_line import KeptLine, LineMaker
from firmware_sim.fleet import Fleet


class MemorySocket:
    """The charge point's end; frames to it come from `give`, frames from it go to `heard`."""

    def __init__(self, subprotocol: str, heard: Callable[[str], None]) -> None:
        self.subprotocol = subprotocol
        self._heard = heard
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self.is_open = True

    @property
    def transport(self) -> MemorySocket:
        """What `abort` is called on."""
        return self

    def give(self, frame: str) -> None:
        """Hands the charge point a frame."""
        self._frames.put_nowait(frame)

    def abort(self) -> None:
        """Ends the connection for both sides."""
        if self.is_open:
            self.is_open = False
            self._frames.put_nowait(None)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Ends the connection for both sides."""
        self.abort()

    async def recv(self) -> str:
        """The next frame; raises ConnectionResetError once the connection is over."""
        frame = await self._frames.get()
        if frame is None:
            self._frames.put_nowait(None)
            raise ConnectionResetError("the connection is over")
        return frame

    async def send(self, frame: str) -> None:
        """Sends a frame; raises ConnectionResetError once the connection is over."""
        if not self.is_open:
            raise ConnectionResetError("the connection is over")
        self._heard(frame)


# Gives the socket of (pile id, identity, subprotocol); raises OSError where it is refused.
Accept = Callable[[str, str, str], MemorySocket]


class _MemoryLine(KeptLine):
    """The product's line, dialling a central system in the same process."""

    def __init__(
        self,
        fleet: Fleet,
        config: PileConfig,
        table: OcppTable,
        subprotocol: str,
        seed: int,
        accept: Accept,
    ) -> None:
        super().__init__(fleet, config, table, subprotocol, seed)
        self._accept = accept
        self._url = config.table.url

    def _dial(self, offered: list[Subprotocol] | None) -> AbstractAsyncContextManager[Any]:
        return self._connection(str(self._subprotocol))

    @asynccontextmanager
    async def _connection(self, subprotocol: str) -> AsyncIterator[MemorySocket]:
        identity = unquote(urlsplit(self._url).path.strip("/"))
        socket = self._accept(self._pile_id, identity, subprotocol)
        try:
            yield socket
        finally:
            socket.abort()


def memory_lines(accept: Accept) -> LineMaker:
    """Lines whose central system is `accept`."""

    def make(
        fleet: Fleet, config: PileConfig, table: OcppTable, subprotocol: str, seed: int
    ) -> KeptLine:
        return _MemoryLine(fleet, config, table, subprotocol, seed, accept)

    return make
