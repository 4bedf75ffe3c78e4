"""A minimal central system written from the OCPP-J frames alone, to hear charge points with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DEADLINE_S = 60.0
CALL, RESULT, ERROR = 2, 3, 4


@dataclass
class Heard:
    """One request of a charge point."""

    action: str
    payload: dict[str, Any]
    message_id: str
    connection: int


@dataclass
class CentralSystem:
    """Answers what charge points ask, keeps what they said, asks them things.

    `answers` overrides the answer to an action: a dictionary, None for a CALLERROR, a text for one
    with that code, or "never". `options` go to websockets.
    """

    heard: list[Heard] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    replies: asyncio.Queue[list[Any]] = field(default_factory=asyncio.Queue)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    connections: list[ServerConnection] = field(default_factory=list)
    next_transaction: int = 100
    server: Server | None = None
    port: int = 0
    subprotocol: str = "ocpp1.6"
    options: dict[str, Any] = field(default_factory=dict)

    async def open(self, port: int = 0) -> None:
        """Listens, on the port of before if one is given."""
        self.server = await serve(
            self._serve,
            "127.0.0.1",
            port,
            subprotocols=[Subprotocol(self.subprotocol)],
            close_timeout=0.5,
            **self.options,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self.server is not None:
            self.server.close(close_connections=True)
            await self.server.wait_closed()
            self.server = None

    def url(self, identity: str) -> str:
        """Where a charge point dials."""
        return f"ws://127.0.0.1:{self.port}/{identity}"

    async def ask(self, action: str, payload: dict[str, Any]) -> Any:
        """Calls the charge point that connected last; gives its answer's payload, or the error."""
        await self.connections[-1].send(json.dumps([CALL, f"cs-{action}", action, payload]))
        async with asyncio.timeout(DEADLINE_S):
            reply = await self.replies.get()
        assert reply[1] == f"cs-{action}"
        return reply[2]

    async def wait_for(self, action: str, fits: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """The first request with that action that fits, heard already or to come."""
        async with asyncio.timeout(DEADLINE_S), self.news:
            while True:
                for heard in self.heard:
                    if heard.action == action and fits(heard):
                        return heard
                await self.news.wait()

    async def wait_for_status(self, connector_id: int, status: str) -> Heard:
        """The first StatusNotification of a connector with that status."""
        return await self.wait_for(
            "StatusNotification",
            lambda h: h.payload["connectorId"] == connector_id and h.payload["status"] == status,
        )

    def actions(self, connection: int | None = None) -> list[str]:
        """What was heard, by action, on one connection or on all."""
        return [h.action for h in self.heard if connection in (None, h.connection)]

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.headers.append(dict(socket.request.headers.raw_items()))
        self.connections.append(socket)
        number = len(self.connections)
        try:
            async for frame in socket:
                await self._take(socket, json.loads(frame), number)
        except ConnectionClosed:
            return

    async def _take(self, socket: ServerConnection, frame: list[Any], number: int) -> None:
        if frame[0] != CALL:
            await self.replies.put(frame)
            return
        _, message_id, action, payload = frame
        answer = self.answers[action] if action in self.answers else self._answer(action)
        if answer is None or (isinstance(answer, str) and answer != "never"):
            code = answer or "InternalError"
            await socket.send(json.dumps([ERROR, message_id, code, "", {}]))
        elif answer != "never":
            await socket.send(json.dumps([RESULT, message_id, answer]))
        async with self.news:
            self.heard.append(Heard(action, payload, message_id, number))
            self.news.notify_all()

    def _answer(self, action: str) -> dict[str, Any]:
        now = "2026-05-04T10:00:00Z"
        accepted = {"idTagInfo": {"status": "Accepted"}}
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": now, "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": now}
        if action == "StartTransaction":
            self.next_transaction += 1
            return {"transactionId": self.next_transaction, **accepted}
        return accepted if action in ("Authorize", "StopTransaction") else {}
