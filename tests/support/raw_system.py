"""A listener for charge points that keeps every websocket message as it came, whole or in parts."""

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


@dataclass
class Message:
    """One websocket message: its fragments, and on which connection it came."""

    parts: list[str | bytes]
    connection: int

    @property
    def text(self) -> str:
        """The whole message as text."""
        return "".join(p if isinstance(p, str) else p.decode() for p in self.parts)

    @property
    def is_binary(self) -> bool:
        """Whether it came as a binary message."""
        return isinstance(self.parts[0], bytes)

    @property
    def frame(self) -> Any:
        """The message as JSON; None if it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def calls(self, action: str) -> bool:
        """Whether it is a proper call of that action."""
        frame = self.frame
        return isinstance(frame, list) and len(frame) == 4 and frame[0] == 2 and frame[2] == action


@dataclass
class RawSystem:
    """Answers proper calls so that stations go on; hears the rest."""

    subprotocol: str
    heard: list[Message] = field(default_factory=list)
    broken: list[list[str | bytes]] = field(default_factory=list)
    connections: list[ServerConnection] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    answers: dict[str, Any] = field(default_factory=dict)
    # Subprotocols that the server agrees to besides its own.
    options: dict[str, Any] = field(default_factory=dict)
    server: Server | None = None
    port: int = 0

    async def open(self, port: int = 0) -> None:
        """Listens."""
        self.server = await serve(
            self._serve,
            "127.0.0.1",
            port,
            subprotocols=[Subprotocol(self.subprotocol)],
            close_timeout=0.5,
            max_size=None,
            ping_interval=None,
            **self.options,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self.server is not None:
            self.server.close(close_connections=True)
            await self.server.wait_closed()
            self.server = None

    def url(self, identity: str = "B-01", scheme: str = "ws") -> str:
        """Where a charge point dials."""
        return f"{scheme}://127.0.0.1:{self.port}/{identity}"

    async def say(self, frame: Any) -> None:
        """Sends a frame over the newest connection."""
        text = frame if isinstance(frame, str) else json.dumps(frame)
        await self.connections[-1].send(text)

    async def until(self, fits: Callable[[Message], bool], since: int = 0) -> Message:
        """The first message from a place on that fits, heard already or to come."""
        async with asyncio.timeout(DEADLINE_S), self.news:
            while True:
                for message in self.heard[since:]:
                    if fits(message):
                        return message
                await self.news.wait()

    async def holds(self, condition: Callable[[], bool]) -> None:
        """Returns when the condition holds after something was heard or lost."""
        async with asyncio.timeout(DEADLINE_S), self.news:
            while not condition():
                await self.news.wait()

    async def call(self, action: str, *, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The payload of the first call of an action whose fields have these values."""

        def fits(message: Message) -> bool:
            return message.calls(action) and fields.items() <= message.frame[3].items()

        payload: dict[str, Any] = (await self.until(fits, since)).frame[3]
        return payload

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        number = len(self.connections)
        try:
            while True:
                parts: list[str | bytes] = []
                try:
                    async for part in socket.recv_streaming():
                        parts.append(part)
                except ConnectionClosed:
                    if parts:
                        self.broken.append(parts)
                    raise
                await self._take(socket, Message(parts, number))
        except ConnectionClosed:
            async with self.news:
                self.news.notify_all()

    async def _take(self, socket: ServerConnection, message: Message) -> None:
        frame = message.frame
        if isinstance(frame, list) and len(frame) == 4 and frame[0] == 2:
            if frame[2] == "BrewCoffee":
                await socket.send(json.dumps([4, frame[1], "NotImplemented", "", {}]))
            else:
                await socket.send(json.dumps([3, frame[1], self._answer(frame[2])]))
        async with self.news:
            self.heard.append(message)
            self.news.notify_all()

    def _answer(self, action: str) -> dict[str, Any]:
        if action in self.answers:
            answer: dict[str, Any] = self.answers[action]
            return answer
        now = "2026-05-04T10:00:00Z"
        token = "idTokenInfo" if self.subprotocol == "ocpp2.0.1" else "idTagInfo"
        accepted = {token: {"status": "Accepted"}}
        return {
            "BootNotification": {"status": "Accepted", "currentTime": now, "interval": 300},
            "Heartbeat": {"currentTime": now},
            "StartTransaction": {"transactionId": 7, **accepted},
            "StopTransaction": {},
            "Authorize": accepted,
        }.get(action, {})
