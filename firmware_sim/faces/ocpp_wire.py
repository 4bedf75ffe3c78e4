"""A websocket as the `ocpp` package wants it, with the wire faults that are present."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection

from firmware_sim.core.wire import WireFault

_SEND_TIMEOUT_S = 10.0


class Link:
    """One connection; `fault` says which wire fault is present now."""

    def __init__(self, socket: ClientConnection, fault: Callable[[], WireFault | None]) -> None:
        self._socket = socket
        self._fault = fault

    async def recv(self) -> str:
        """The next frame; frames that arrive while the wire is silent are gone."""
        while True:
            frame = await self._socket.recv()
            fault = self._fault()
            if fault is None or fault.kind != "silent":
                return frame if isinstance(frame, str) else frame.decode()

    async def send(self, frame: str) -> None:
        """Sends a frame; while the wire is silent it is lost without a word."""
        fault = self._fault()
        if fault is not None and fault.kind == "silent":
            return
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.delay_s)
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await self._socket.send(frame)
