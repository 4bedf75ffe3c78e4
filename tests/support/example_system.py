"""Central systems in the shape of the `ocpp` package's own examples, one for each version.

Handlers are routed by the package and every frame of the station is held against its schemas.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ocpp.messages import Call, CallResult, validate_payload
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call_result as result16
from ocpp.v16.enums import Action as Action16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as result201
from ocpp.v201.enums import Action as Action201
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

DEADLINE_S = 60.0
SCHEMAS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1"}


def now() -> str:
    """The present instant."""
    return datetime.now(UTC).isoformat()


@dataclass
class ExampleSystem:
    """Listens for one station; keeps what it said and what no schema admits."""

    version: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    frames: int = 0
    boot_answers: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    stations: list[Any] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    options: dict[str, Any] = field(default_factory=dict)
    handshakes: list[dict[str, str]] = field(default_factory=list)
    number: int = 0
    port: int = 0
    server: Server | None = None

    async def open(self, port: int = 0) -> None:
        """Listens."""
        words = [Subprotocol(self.version)]
        self.server = await serve(
            self._on_connect,
            "127.0.0.1",
            port,
            subprotocols=words,
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

    def url(self, scheme: str = "ws", host: str = "127.0.0.1") -> str:
        """Where a charge point dials."""
        return f"{scheme}://{host}:{self.port}/B-01"

    async def ask(self, request: Any) -> Any:
        """The station's answer to a call; raises OCPPError for a CALLERROR."""
        return await self.stations[-1].call(request, suppress=False)

    def heard(self, action: str) -> list[dict[str, Any]]:
        """The payloads of all calls of an action."""
        return [payload for told, payload in self.calls if told == action]

    async def until(self, holds: Callable[[], Any], within_s: float = DEADLINE_S) -> Any:
        """What `holds` gives, once it is something."""
        async with asyncio.timeout(within_s), self.news:
            while not (found := holds()):
                await self.news.wait()
            return found

    async def wait_for(self, action: str, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The first call of an action, from the n-th on, whose fields have these values."""

        def found() -> list[dict[str, Any]]:
            told = self.heard(action)[since:]
            return [payload for payload in told if fields.items() <= payload.items()]

        return dict((await self.until(found))[0])

    def boot_answer(self) -> dict[str, Any]:
        """What the next boot is told: from the list, else accepted."""
        accepted = {"interval": 300, "status": "Accepted"}
        return {
            "current_time": now(),
            **(self.boot_answers.pop(0) if self.boot_answers else accepted),
        }

    def verdict(self, token: str) -> dict[str, str]:
        """What is said of a driver."""
        return {"status": self.verdicts.get(token, "Accepted")}

    async def note(self, raw: str | bytes) -> None:
        """Holds a frame of the station against the package's schemas."""
        self.frames += 1
        frame = json.loads(raw)
        if frame[0] == 2:
            message: Any = Call(*frame[1:])
            self.calls.append((frame[2], frame[3]))
        elif frame[0] == 3:
            action = self.stations[-1].asked.get(frame[1], "")
            message = CallResult(frame[1], frame[2], action)
        else:
            message = None
        if message is not None and message.action:
            try:
                await validate_payload(message, SCHEMAS[self.version])
            except Exception as error:  # noqa: BLE001 - whatever it is, the frame is wrong
                self.wrong.append(f"{raw!r}: {error!r}")
        async with self.news:
            self.news.notify_all()

    async def _on_connect(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.handshakes.append(dict(socket.request.headers.raw_items()))
        kind = Example16 if self.version == "ocpp1.6" else Example201
        station = kind(socket.request.path.strip("/"), socket, self)
        self.stations.append(station)
        try:
            await station.start()
        except ConnectionClosed:
            async with self.news:
                self.news.notify_all()


class Listening:
    """Beside the package's `ChargePoint`: notes what was asked, and every frame that comes."""

    system: ExampleSystem

    async def route_message(self, raw_msg: str) -> None:
        """Checks, then lets the package do its work."""
        await self.system.note(raw_msg)
        await super().route_message(raw_msg)  # type: ignore[misc]

    async def _send(self, message: str) -> None:
        frame = json.loads(message)
        if frame[0] == 2:
            self.asked[frame[1]] = frame[2]
        if frame[0] == 4:
            self.system.wrong.append(message)
        await super()._send(message)  # type: ignore[misc]

    @property
    def asked(self) -> dict[str, str]:
        """Actions of the calls made, by id."""
        known: dict[str, str] = self.__dict__.setdefault("_asked", {})
        return known


class Example16(Listening, ChargePoint16):  # type: ignore[misc]
    """OCPP 1.6."""

    def __init__(self, identity: str, socket: Any, system: ExampleSystem) -> None:
        super().__init__(identity, socket, response_timeout=DEADLINE_S)
        self.system = system

    @on(Action16.boot_notification)
    def _boot(self, **_: Any) -> Any:
        return result16.BootNotification(**self.system.boot_answer())

    @on(Action16.heartbeat)
    def _heartbeat(self) -> Any:
        return result16.Heartbeat(current_time=now())

    @on(Action16.status_notification)
    def _status(self, **_: Any) -> Any:
        return result16.StatusNotification()

    @on(Action16.authorize)
    def _authorize(self, id_tag: str) -> Any:
        return result16.Authorize(self.system.verdict(id_tag))

    @on(Action16.start_transaction)
    def _start(self, id_tag: str, **_: Any) -> Any:
        self.system.number += 1
        return result16.StartTransaction(self.system.number, self.system.verdict(id_tag))

    @on(Action16.stop_transaction)
    def _stop(self, **_: Any) -> Any:
        return result16.StopTransaction()

    @on(Action16.meter_values)
    def _meter(self, **_: Any) -> Any:
        return result16.MeterValues()

    @on(Action16.firmware_status_notification)
    def _firmware(self, **_: Any) -> Any:
        return result16.FirmwareStatusNotification()

    @on(Action16.signed_firmware_status_notification)
    def _signed_firmware(self, **_: Any) -> Any:
        return result16.SignedFirmwareStatusNotification()

    @on(Action16.diagnostics_status_notification)
    def _diagnostics(self, **_: Any) -> Any:
        return result16.DiagnosticsStatusNotification()

    @on(Action16.log_status_notification)
    def _log(self, **_: Any) -> Any:
        return result16.LogStatusNotification()

    @on(Action16.security_event_notification)
    def _security(self, **_: Any) -> Any:
        return result16.SecurityEventNotification()

    @on(Action16.sign_certificate)
    def _sign(self, **_: Any) -> Any:
        return result16.SignCertificate("Accepted")


class Example201(Listening, ChargePoint201):  # type: ignore[misc]
    """OCPP 2.0.1."""

    def __init__(self, identity: str, socket: Any, system: ExampleSystem) -> None:
        super().__init__(identity, socket, response_timeout=DEADLINE_S)
        self.system = system

    @on(Action201.boot_notification)
    def _boot(self, **_: Any) -> Any:
        return result201.BootNotification(**self.system.boot_answer())

    @on(Action201.heartbeat)
    def _heartbeat(self, **_: Any) -> Any:
        return result201.Heartbeat(current_time=now())

    @on(Action201.status_notification)
    def _status(self, **_: Any) -> Any:
        return result201.StatusNotification()

    @on(Action201.authorize)
    def _authorize(self, id_token: dict[str, Any], **_: Any) -> Any:
        return result201.Authorize(self.system.verdict(id_token["id_token"]))

    @on(Action201.transaction_event)
    def _transaction(self, id_token: dict[str, Any] | None = None, **_: Any) -> Any:
        if id_token is None:
            return result201.TransactionEvent()
        return result201.TransactionEvent(id_token_info=self.system.verdict(id_token["id_token"]))

    @on(Action201.meter_values)
    def _meter(self, **_: Any) -> Any:
        return result201.MeterValues()

    @on(Action201.notify_event)
    def _event(self, **_: Any) -> Any:
        return result201.NotifyEvent()

    @on(Action201.notify_report)
    def _report(self, **_: Any) -> Any:
        return result201.NotifyReport()

    @on(Action201.notify_customer_information)
    def _customer(self, **_: Any) -> Any:
        return result201.NotifyCustomerInformation()

    @on(Action201.report_charging_profiles)
    def _profiles(self, **_: Any) -> Any:
        return result201.ReportChargingProfiles()

    @on(Action201.reservation_status_update)
    def _reservation(self, **_: Any) -> Any:
        return result201.ReservationStatusUpdate()

    @on(Action201.firmware_status_notification)
    def _firmware(self, **_: Any) -> Any:
        return result201.FirmwareStatusNotification()

    @on(Action201.log_status_notification)
    def _log(self, **_: Any) -> Any:
        return result201.LogStatusNotification()

    @on(Action201.security_event_notification)
    def _security(self, **_: Any) -> Any:
        return result201.SecurityEventNotification()

    @on(Action201.sign_certificate)
    def _sign(self, **_: Any) -> Any:
        return result201.SignCertificate("Accepted")
