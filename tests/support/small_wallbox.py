"""A Modbus TCP device of a few lines: holding registers in a dictionary, unset ones are 0."""

from __future__ import annotations

import asyncio
import contextlib
import struct


class SmallWallbox:
    """Looks like an ABB Terra AC whose car is away; `reads` counts questions."""

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.reads = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hangs up."""
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                function, address, count = struct.unpack(
                    ">BHH", (await reader.readexactly(length - 1))[:5]
                )
                self.reads += 1
                words = [self.registers.get(address + i, 0) for i in range(count)]
                body = struct.pack(f">BB{count}H", function, 2 * count, *words)
                writer.write(struct.pack(">HHHB", number, 0, len(body) + 1, unit) + body)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()
