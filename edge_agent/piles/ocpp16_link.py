"""One connection of an OCPP 1.6J charge point: frames in order, answers, and our own calls.

The `ocpp` package routes and validates; this file gives it only sound frames, because it drops
broken ones in silence. Handlers never call the charge point: the answer would wait behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import ocpp.messages
import structlog
from ocpp.exceptions import OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action as Word
from websockets.exceptions import ConnectionClosed

from edge_agent.core.directive import (
    Action,
    Answer,
    Cancel,
    Outcome,
    PollNow,
    Reserve,
    SetAvailability,
    SetPeriod,
    reservation_number,
)
from edge_agent.core.facts import BOOT
from edge_agent.core.ocpp_frame import (
    CALL,
    FORMATION_VIOLATION,
    Frame,
    call_error,
    inspect,
)
from edge_agent.core.reading import Detail
from edge_agent.piles.port import StationConnection

if TYPE_CHECKING:
    from edge_agent.piles.ocpp16 import Ocpp16Pile

F = TypeVar("F", bound=Callable[..., Any])
log: Final = structlog.get_logger("edge_agent.ocpp")
CALL_TIMEOUT_S: Final = 10.0
# Stations get this long to boot by themselves before they are asked for anything.
SETTLE_S: Final = 1.0
ID_TAG_CHARS: Final = 20

# Frames are small: a hop to a thread costs more than the validation itself.
ocpp.messages.ASYNC_VALIDATION = False
_quiet = logging.getLogger("edge_agent.ocpp.library")
_quiet.disabled = True


def _on(word: Word) -> Callable[[F], F]:
    """`ocpp.routing.on` with a type."""
    decorator: Callable[[F], F] = on(word)
    return decorator


class Link16(ChargePoint):  # type: ignore[misc]
    """Talks to one charge point over one connection; `frames` counts what it said."""

    def __init__(self, pile: Ocpp16Pile, connection: StationConnection) -> None:
        super().__init__(pile.pile_id, connection, CALL_TIMEOUT_S, _quiet)
        self._pile = pile
        self._ws = connection
        self._asked_s = -1e9
        self.frames = 0

    async def run(self) -> None:
        """Takes frames until the connection ends."""
        greet = asyncio.create_task(self._greet(), name=f"edge_agent:greet-{self._pile.pile_id}")
        try:
            while True:
                await self._take(await self._ws.recv())
        except ConnectionClosed:
            return
        finally:
            greet.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await greet

    async def perform(self, connector_id: int, action: Action) -> Answer:
        """How the charge point answered what the coordinator asked."""
        if isinstance(action, Reserve):
            return await self._reserve(connector_id, action)
        if isinstance(action, Cancel):
            number = reservation_number(action.claim_id)
            return await self._ask(call.CancelReservation(reservation_id=number))
        if isinstance(action, SetAvailability):
            kind = "Operative" if action.operative else "Inoperative"
            return await self._ask(call.ChangeAvailability(connector_id=connector_id, type=kind))
        if isinstance(action, SetPeriod):
            return await self._configure("MeterValueSampleInterval", action.period_s)
        if isinstance(action, PollNow):
            return await self._poll(connector_id)
        return Answer(Outcome.UNSUPPORTED, "OCPP 1.6 has no such thing")

    async def _take(self, raw: str) -> None:
        self.frames += 1
        frame = inspect(raw.encode())
        assert isinstance(frame, Frame)  # broken ones end at the socket
        if frame.kind == CALL and frame.action not in self.route_map:
            why = f"{frame.action[:64]} is not known here"
            await self._ws.send(call_error(frame.unique_id, "NotImplemented", why))
        else:
            await self.route_message(raw)
        self._pile.heard()

    async def _send(self, message: str) -> None:
        if message.startswith("[4,"):
            # The word of OCPP 2.0.1 that the library uses; 1.6 spells it so.
            message = message.replace('"FormatViolation"', f'"{FORMATION_VIOLATION}"', 1)
        await self._ws.send(message)

    async def _greet(self) -> None:
        """Asks a fresh connection for its state: after our restart stations do not boot again."""
        await asyncio.sleep(SETTLE_S)
        settings = self._pile.settings
        answer = await self._ask(call.TriggerMessage(requested_message="StatusNotification"))
        if answer.outcome is not Outcome.DONE:
            self._pile.believe_again()
        await self._configure("HeartbeatInterval", settings.heartbeat_s)
        for key, name in (
            ("MeterValueSampleInterval", "meter_value_sample_interval_s"),
            ("ClockAlignedDataInterval", "clock_aligned_data_interval_s"),
        ):
            wish_s = settings.wishes.get(name, 0.0)
            if wish_s > 0:
                await self._configure(key, wish_s)

    async def _reserve(self, connector_id: int, action: Reserve) -> Answer:
        if len(action.id_token) > ID_TAG_CHARS:
            return Answer(Outcome.UNSUPPORTED, "OCPP 1.6 tokens have at most 20 characters")
        until_ms = self._pile.now_ms() + action.duration_s * 1000.0
        answer = await self._ask(
            call.ReserveNow(
                connector_id=connector_id,
                expiry_date=_iso(until_ms),
                id_tag=action.id_token,
                reservation_id=reservation_number(action.claim_id),
            )
        )
        # Rejected means: this station is set up not to take reservations at all.
        if answer.outcome is Outcome.REFUSED and answer.message == "Rejected":
            return Answer(Outcome.UNSUPPORTED, "the station rejects reservations")
        return answer

    async def _poll(self, connector_id: int) -> Answer:
        floor_s = self._pile.settings.wishes.get("trigger_floor_s", 60.0)
        left_s = self._asked_s + floor_s - time.monotonic()
        if left_s > 0:
            return Answer(Outcome.REFUSED, f"asked too often; again in {left_s:.0f} s")
        self._asked_s = time.monotonic()
        wish = call.TriggerMessage(
            requested_message="StatusNotification", connector_id=connector_id
        )
        return await self._ask(wish)

    async def _configure(self, key: str, seconds: float) -> Answer:
        value = str(max(1, round(seconds)))
        return await self._ask(call.ChangeConfiguration(key=key, value=value))

    async def _ask(self, request: Any) -> Answer:
        """One call, as an answer; whatever the station does, nothing is raised."""
        try:
            reply = await self.call(request, suppress=False)
        except TimeoutError:
            return Answer(Outcome.TIMED_OUT, f"no answer in {CALL_TIMEOUT_S:g} s")
        except OCPPError as error:
            code = getattr(error, "code", "")
            unable = code in ("NotImplemented", "NotSupported")
            outcome = Outcome.UNSUPPORTED if unable else Outcome.REFUSED
            return Answer(outcome, f"{code}: {error.description}")
        except (ConnectionClosed, TypeError, ValueError) as error:
            return Answer(Outcome.TIMED_OUT, f"the answer was lost: {error}")
        status = str(getattr(reply.status, "value", reply.status))
        accepted = status in ("Accepted", "Scheduled", "RebootRequired")
        return Answer(Outcome.DONE if accepted else Outcome.REFUSED, status)

    # -- what the charge point calls -------------------------------------------------------------

    @_on(Word.boot_notification)
    async def _boot(self, charge_point_vendor: str, charge_point_model: str, **more: Any) -> Any:
        told = {
            "maker": charge_point_vendor,
            "model": charge_point_model,
            "serial": more.get("charge_point_serial_number", ""),
            "firmware": more.get("firmware_version", ""),
        }
        self._pile.learn(told, BOOT)
        return call_result.BootNotification(
            current_time=_iso(self._pile.now_ms()),
            interval=max(1, round(self._pile.settings.heartbeat_s)),
            status="Accepted",
        )

    @_on(Word.heartbeat)
    async def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=_iso(self._pile.now_ms()))

    @_on(Word.status_notification)
    async def _status(self, connector_id: int, error_code: str, status: str, **more: Any) -> Any:
        self._pile.status(
            connector_id,
            status,
            error_code,
            more.get("vendor_error_code"),
            more.get("info"),
            more.get("vendor_id"),
            more.get("timestamp"),
        )
        return call_result.StatusNotification()

    @_on(Word.authorize)
    async def _authorize(self, id_tag: str, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info=self._verdict(id_tag))

    @_on(Word.start_transaction)
    async def _start(
        self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: Any
    ) -> Any:
        number = await self._pile.start_transaction(connector_id, id_tag, meter_start, timestamp)
        return call_result.StartTransaction(
            transaction_id=number, id_tag_info=self._verdict(id_tag)
        )

    @_on(Word.stop_transaction)
    async def _stop(self, transaction_id: int, meter_stop: int, timestamp: str, **more: Any) -> Any:
        await self._pile.stop_transaction(
            transaction_id, meter_stop, timestamp, more.get("reason"), more.get("id_tag")
        )
        return call_result.StopTransaction()

    @_on(Word.meter_values)
    async def _meter(self, connector_id: int, meter_value: list[Any], **_: Any) -> Any:
        await self._pile.meter_values(connector_id, meter_value)
        return call_result.MeterValues()

    @_on(Word.data_transfer)
    async def _data(self, vendor_id: str, **_: Any) -> Any:
        return call_result.DataTransfer(status="UnknownVendorId")

    @_on(Word.diagnostics_status_notification)
    async def _diagnostics(self, **_: Any) -> Any:
        return call_result.DiagnosticsStatusNotification()

    @_on(Word.firmware_status_notification)
    async def _firmware(self, **_: Any) -> Any:
        return call_result.FirmwareStatusNotification()

    @_on(Word.log_status_notification)
    async def _log_status(self, **_: Any) -> Any:
        return call_result.LogStatusNotification()

    @_on(Word.security_event_notification)
    async def _security(self, type: str, **more: Any) -> Any:  # noqa: A002 - OCPP's own word
        text = f"{type}: {more.get('tech_info') or ''}".rstrip(": ")
        await self._pile.event(text, Detail(reason="SECURITY_EVENT", text=text))
        return call_result.SecurityEventNotification()

    def _verdict(self, id_tag: str) -> dict[str, str]:
        return {"status": "Accepted" if self._pile.authorized(id_tag) else "Invalid"}


def _iso(at_ms: float) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
