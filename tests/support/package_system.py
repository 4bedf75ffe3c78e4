"""An operator's OCPP 2.0.1 system made of the `ocpp` package, which checks every schema."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from ocpp.routing import on
from ocpp.v201 import ChargePoint, call_result
from ocpp.v201.enums import Action
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DEADLINE_S = 60.0
NOW = "2026-05-04T10:00:00Z"


@dataclass
class Frames:
    """All that was said over one connection, as the wire had it."""

    up: list[list[Any]] = field(default_factory=list)
    down: list[list[Any]] = field(default_factory=list)


class Far(ChargePoint):  # type: ignore[misc]
    """One connection of a station, as the operator's system sees it."""

    def __init__(self, identity: str, socket: ServerConnection, system: PackageSystem) -> None:
        super().__init__(identity, socket, response_timeout=DEADLINE_S)
        self.frames = Frames()
        self._system = system

    async def route_message(self, raw_msg: str) -> None:
        """Keeps the frame, then lets the package do its work."""
        self.frames.up.append(json.loads(raw_msg))
        await super().route_message(raw_msg)
        async with self._system.news:
            self._system.news.notify_all()

    async def _send(self, message: str) -> None:
        self.frames.down.append(json.loads(message))
        await super()._send(message)

    @on(Action.boot_notification)
    def _boot(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=NOW, interval=300, status="Accepted")

    @on(Action.heartbeat)
    def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=NOW)

    @on(Action.status_notification)
    def _status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on(Action.authorize)
    def _authorize(self, id_token: dict[str, Any], **_: Any) -> Any:
        return call_result.Authorize({"status": self._system.verdict(id_token["id_token"])})

    @on(Action.transaction_event)
    def _transaction(self, **told: Any) -> Any:
        token = told.get("id_token")
        if token is None:
            return call_result.TransactionEvent(total_cost=1.5)
        verdict = {"status": self._system.verdict(token["id_token"])}
        return call_result.TransactionEvent(total_cost=1.5, id_token_info=verdict)

    @on(Action.meter_values)
    def _meter(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on(Action.notify_event)
    def _event(self, **_: Any) -> Any:
        return call_result.NotifyEvent()

    @on(Action.notify_report)
    def _report(self, **_: Any) -> Any:
        return call_result.NotifyReport()

    @on(Action.security_event_notification)
    def _security(self, **_: Any) -> Any:
        return call_result.SecurityEventNotification()


class PackageSystem:
    """Serves stations; `stations` are their connections, oldest first; `refused` tokens."""

    def __init__(self) -> None:
        self.stations: list[Far] = []
        self.refused: set[str] = set()
        self.news = asyncio.Condition()
        self.port = 0
        self._server: Server | None = None

    async def open(self, port: int = 0) -> None:
        """Listens, on the port of before if one is given."""
        words = [Subprotocol("ocpp2.0.1")]
        self._server = await serve(
            self._serve, "127.0.0.1", port, subprotocols=words, close_timeout=0.5
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close(close_connections=True)
            await self._server.wait_closed()
            self._server = None

    def verdict(self, token: str) -> str:
        """What it says of a driver."""
        return "Invalid" if token in self.refused else "Accepted"

    def heard(self, *actions: str, since: int = 0) -> list[dict[str, Any]]:
        """Payloads of the station's calls of some actions, over all connections from one on."""
        calls = [frame for far in self.stations[since:] for frame in far.frames.up]
        return [frame[3] for frame in calls if frame[0] == 2 and frame[2] in actions]

    async def ask(self, request: Any) -> Any:
        """The station's answer to a call."""
        return await self.stations[-1].call(request, suppress=False)

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        far = Far(socket.request.path, socket, self)
        self.stations.append(far)
        try:
            await far.start()
        except ConnectionClosed:
            return
