"""A TCP proxy that spoils a link on demand: delay, silence, cuts, a narrow pipe, another far end.

It knows nothing of what passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PIECE = 16_384


@dataclass
class Direction:
    """What happens to bytes of one direction; change it while they flow."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0  # 0 means as fast as they come
    silent: bool = False  # bytes vanish, the connection stays
    cut_after: int | None = None  # the connection breaks when so many more bytes have passed
    passed: int = 0


@dataclass
class ChaosProxy:
    """Passes connections on to `target`; `up` is towards it. `refusing` closes what comes."""

    target: tuple[str, int]
    up: Direction = field(default_factory=Direction)
    down: Direction = field(default_factory=Direction)
    refusing: bool = False
    connections: int = 0
    port: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def _serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            near_out.close()
            return
        try:
            far_in, far_out = await asyncio.open_connection(*self.target)
        except OSError:
            near_out.close()
            return
        ends = {near_out, far_out}
        self._open |= ends
        ways = [
            asyncio.create_task(self._pass(near_in, far_out, self.up), name="chaos:up"),
            asyncio.create_task(self._pass(far_in, near_out, self.down), name="chaos:down"),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open -= ends
            for end in ends:
                end.close()

    async def _pass(
        self, come: asyncio.StreamReader, go: asyncio.StreamWriter, how: Direction
    ) -> None:
        """Returns when one end has closed, or was cut."""
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        out = asyncio.create_task(self._deliver(late, go, how), name="chaos:deliver")
        loop = asyncio.get_running_loop()
        try:
            while piece := await come.read(PIECE):
                if how.bytes_per_s:
                    await asyncio.sleep(len(piece) / how.bytes_per_s)
                if how.silent:
                    continue
                if how.cut_after is not None:
                    piece = piece[: how.cut_after]
                    how.cut_after -= len(piece)
                late.put_nowait((loop.time() + how.delay_s, piece))
                how.passed += len(piece)
                if how.cut_after == 0:
                    how.cut_after = None
                    return
        finally:
            out.cancel()

    async def _deliver(
        self, late: asyncio.Queue[tuple[float, bytes]], go: asyncio.StreamWriter, how: Direction
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while True:
                due_s, piece = await late.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                go.write(piece)
                await go.drain()

    def cut(self) -> None:
        """Breaks every connection at once."""
        for end in tuple(self._open):
            end.transport.abort()


@asynccontextmanager
async def chaos_proxy(target: str) -> AsyncIterator[ChaosProxy]:
    """A proxy on a free port before `host:port`."""
    host, _, port = target.rpartition(":")
    proxy = ChaosProxy((host, int(port)))
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.cut()
        server.close()
