"""A websocket without a network: one charge point's end and one central system's end.

Dialling again, wire faults and everything said stay with the product's own line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
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
        self._over = asyncio.Event()
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
            self._over.set()
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

    async def send(self, frame: str | bytes | AsyncIterable[str]) -> None:
        """Sends a frame, whole or in parts; raises ConnectionResetError where all is over."""
        if isinstance(frame, AsyncIterable):
            frame = "".join([part async for part in frame])
        if not self.is_open:
            raise ConnectionResetError("the connection is over")
        self._heard(frame if isinstance(frame, str) else frame.decode())

    async def ping(self) -> Awaitable[float]:
        """A ping whose pong is here already: memory does not go dead."""
        pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        pong.set_result(0.0)
        return pong

    def pause_reading(self) -> None:
        """Nothing to stop: whoever is deaf drops what it hears."""

    def resume_reading(self) -> None:
        """Hears again."""

    async def wait_closed(self) -> None:
        """Returns once the connection is over."""
        await self._over.wait()


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
