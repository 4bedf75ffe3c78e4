"""The other end of systemd's notification socket, for tests."""

from __future__ import annotations

import asyncio
import socket


class Systemd:
    """The other end of `$NOTIFY_SOCKET`."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Everything that came since the last call."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    async def next(self, start: str, within_s: float = 10.0) -> str:
        """The next message that starts so."""
        async with asyncio.timeout(within_s):
            while True:
                for message in self.heard():
                    if message.startswith(start):
                        return message
                await asyncio.sleep(0.005)

    def close(self) -> None:
        self._socket.close()
