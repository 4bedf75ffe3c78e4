"""Stands between a pile and its central system, and writes down what the pile was answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol


class ListeningProxy:
    """`answered` holds action and payload of each call that the pile got a CALLRESULT for."""

    def __init__(self, far: str, subprotocol: str = "ocpp1.6") -> None:
        self.far = far
        self.port = 0
        self.answered: list[tuple[str, dict[str, Any]]] = []
        self._subprotocol = Subprotocol(subprotocol)
        self._server: Server | None = None

    async def open(self) -> None:
        """Listens on a free port."""
        self._server = await serve(
            self._serve, "127.0.0.1", 0, subprotocols=[self._subprotocol], close_timeout=0.5
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Drops every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, pile: ServerConnection) -> None:
        assert pile.request is not None
        try:
            async with connect(
                self.far + pile.request.path,
                subprotocols=[self._subprotocol],
                proxy=None,
                close_timeout=0.5,
            ) as far:
                await self._pass(pile, far)
        except (OSError, WebSocketException):
            return

    async def _pass(self, pile: ServerConnection, far: ClientConnection) -> None:
        calls: dict[str, tuple[str, dict[str, Any]]] = {}

        async def up() -> None:
            async for text in pile:
                frame = json.loads(text)
                if frame[0] == 2:
                    calls[frame[1]] = (frame[2], frame[3])
                await far.send(text)

        async def down() -> None:
            async for text in far:
                frame = json.loads(text)
                await pile.send(text)
                if frame[0] == 3 and frame[1] in calls:
                    self.answered.append(calls.pop(frame[1]))

        tasks = [
            asyncio.create_task(up(), name="test:up"),
            asyncio.create_task(down(), name="test:down"),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
