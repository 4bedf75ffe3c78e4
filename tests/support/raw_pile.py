"""A charge point made of frames alone: calls one at a time, answers what it is asked."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DEADLINE_S = 60.0


class RawPile:
    """Connects with `dial`; `asked` holds what others called, `replies` what it answers to them."""

    def __init__(self, subprotocol: str = "ocpp1.6") -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.replies: dict[str, dict[str, Any]] = {}
        self._subprotocol = subprotocol
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}

    async def dial(self, url: str, **options: Any) -> None:
        """Connects, once more if it was connected before."""
        self._socket = await connect(
            url, subprotocols=[Subprotocol(self._subprotocol)], proxy=None, **options
        )
        self._reader = asyncio.create_task(self._read(self._socket), name="test:raw pile")

    async def hang_up(self) -> None:
        """Closes the connection."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)

    async def frame(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """The whole answer to a call."""
        assert self._socket is not None
        unique_id = f"p{next(self._ids)}"
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[unique_id] = answer
        await self._socket.send(json.dumps([2, unique_id, action, payload]))
        async with asyncio.timeout(DEADLINE_S):
            return await answer

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload of the answer to a call, which has to be a CALLRESULT."""
        answer = await self.frame(action, payload)
        assert answer[0] == 3, answer
        result: dict[str, Any] = answer[2]
        return result

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                await self._take(socket, json.loads(text))
        except ConnectionClosed:
            pass
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the connection ended"))
        self._waiting.clear()

    async def _take(self, socket: ClientConnection, frame: list[Any]) -> None:
        if frame[0] != 2:
            answer = self._waiting.pop(frame[1], None)
            if answer is not None:
                answer.set_result(frame)
            return
        self.asked.append((frame[2], frame[3]))
        reply = self.replies.get(frame[2], {"status": "Accepted"})
        await socket.send(json.dumps([3, frame[1], reply]))
