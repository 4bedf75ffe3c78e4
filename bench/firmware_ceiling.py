"""The ceiling of the firmware bench: as many ports that answer each request with a ready frame.

`python -m bench.firmware_ceiling PILES COUNT`: what a bare asyncio process costs that reads a
request and writes an answer of COUNT registers, without piles behind it. Says its addresses once
all are bound and ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final

_REQUEST: Final = 12


class Echo(asyncio.Protocol):
    """One connection: the number of the request comes back before the same words as always."""

    def __init__(self, count: int) -> None:
        self._tail = (
            (3 + 2 * count).to_bytes(2, "big") + bytes((1, 3, 2 * count)) + bytes(2 * count)
        )
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers whole requests."""
        self._heard += data
        while len(self._heard) >= _REQUEST:
            self._transport.write(self._heard[:4] + self._tail)
            self._heard = self._heard[_REQUEST:]


async def serve(piles: int, count: int) -> None:
    """Listens on as many ports until stdin ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Echo(count), "127.0.0.1", 0) for _ in range(piles)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    addresses = [{"address": f"127.0.0.1:{port}"} for port in ports]
    print(json.dumps({"piles": addresses}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
