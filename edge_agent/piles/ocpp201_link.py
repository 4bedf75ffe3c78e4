"""What an OCPP 2.0.1 station says over one connection, and what it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action as Word

from edge_agent.core.facts import BOOT
from edge_agent.core.ocpp_clock import iso
from edge_agent.core.ocpp_transaction import TransactionEvent
from edge_agent.piles.ocpp_link import OcppLink, answers
from edge_agent.piles.port import StationConnection

if TYPE_CHECKING:
    from edge_agent.piles.ocpp201 import Ocpp201Pile

_KNOWN: Final = frozenset(word.value for word in Word)
_ORDERED: Final = ("TransactionEvent", "MeterValues")
_KEPT: Final = (
    "FirmwareStatusNotification",
    "NotifyEvent",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
)
# Longest value of a report that is remembered; some stations put whole certificates there.
_VALUE_CHARS: Final = 200
_REPORT_ENTRIES: Final = 2000


class Link201(OcppLink):
    """One connection of a 2.0.1 station."""

    _call = call
    _call_result = call_result
    _ocpp_version = "2.0.1"
    ordered = frozenset((*_ORDERED, *_KEPT))

    def __init__(self, pile: Ocpp201Pile, connection: StationConnection) -> None:
        super().__init__(pile, connection)
        self._pile = pile

    def refusal(self, action: str) -> str:
        """NotSupported for a message of the standard that is not served, else NotImplemented."""
        return "NotSupported" if action in _KNOWN else "NotImplemented"

    async def _send(self, message: str) -> None:
        await self._line.send(message)

    @answers(Word.boot_notification)
    async def _boot(self, charging_station: dict[str, Any], reason: str, **_: Any) -> Any:
        told = {
            "maker": charging_station.get("vendor_name", ""),
            "model": charging_station.get("model", ""),
            "serial": charging_station.get("serial_number", ""),
            "firmware": charging_station.get("firmware_version", ""),
        }
        self._pile.learn(told, BOOT)
        self._pile.counts[f"BootNotification {reason}"] += 1
        if reason != "Triggered":
            self._pile.boot_ends()
        return call_result.BootNotification(
            current_time=iso(self._pile.now_ms()),
            interval=max(1, round(self._pile.settings.heartbeat_s)),
            status="Accepted",
        )

    @answers(Word.heartbeat)
    async def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=iso(self._pile.now_ms()))

    @answers(Word.status_notification)
    async def _status(
        self, connector_status: str, evse_id: int, connector_id: int, **more: Any
    ) -> Any:
        self._pile.status(evse_id, connector_id, connector_status, more.get("timestamp"))
        return call_result.StatusNotification()

    @answers(Word.authorize)
    async def _authorize(self, id_token: dict[str, Any], **_: Any) -> Any:
        self._pile.wishes.presented(str(id_token["id_token"]))
        return call_result.Authorize(id_token_info=self._verdict(id_token))

    @answers(Word.transaction_event)
    async def _transaction(
        self,
        event_type: str,
        timestamp: str,
        seq_no: int,
        transaction_info: dict[str, Any],
        **more: Any,
    ) -> Any:
        token = more.get("id_token")
        event = TransactionEvent(
            kind=event_type,
            timestamp=timestamp,
            seq_no=seq_no,
            transaction_id=transaction_info["transaction_id"],
            charging_state=transaction_info.get("charging_state", ""),
            stopped_reason=transaction_info.get("stopped_reason", ""),
            offline=bool(more.get("offline")),
            evse=int((more.get("evse") or {}).get("id") or 0),
            id_token=None if token is None else str(token["id_token"]),
            reservation=more.get("reservation_id"),
            samples=more.get("meter_value") or (),
        )
        await self._pile.transaction_event(event)
        if token is None:
            return call_result.TransactionEvent()
        # Whatever it is about, an end is taken: the driver may always stop.
        verdict = {"status": "Accepted"} if event_type == "Ended" else self._verdict(token)
        return call_result.TransactionEvent(id_token_info=verdict)

    @answers(Word.meter_values)
    async def _meter(self, evse_id: int, meter_value: list[Any], **_: Any) -> Any:
        await self._pile.keep(self._pile.meter_records(evse_id, meter_value))
        return call_result.MeterValues()

    @answers(Word.notify_event)
    async def _event(self, event_data: list[Any], **_: Any) -> Any:
        for event in self._pile.notify(event_data):
            await self._pile.event(event.text, "STATION_EVENT", event.place.evse or 1)
        return call_result.NotifyEvent()

    @answers(Word.notify_report)
    async def _report(self, report_data: list[Any] | None = None, **_: Any) -> Any:
        for entry in report_data or ():
            name = f"{entry['component']['name']}.{entry['variable']['name']}"
            for attribute in entry.get("variable_attribute") or ():
                wanted = attribute.get("type", "Actual") == "Actual"
                if wanted and len(self._pile.report) < _REPORT_ENTRIES:
                    self._pile.report[name] = str(attribute.get("value", ""))[:_VALUE_CHARS]
        return call_result.NotifyReport()

    @answers(Word.security_event_notification)
    async def _security(self, type: str, **more: Any) -> Any:  # noqa: A002 - OCPP's own word
        text = f"{type}: {more.get('tech_info') or ''}".rstrip(": ")
        await self._pile.event(text, "SECURITY_EVENT")
        return call_result.SecurityEventNotification()

    @answers(Word.firmware_status_notification)
    async def _firmware(self, status: str, **_: Any) -> Any:
        await self._pile.event(status, "FIRMWARE_STATUS")
        return call_result.FirmwareStatusNotification()

    @answers(Word.log_status_notification)
    async def _log_status(self, status: str, **_: Any) -> Any:
        self._pile.counts[f"LogStatusNotification {status}"] += 1
        return call_result.LogStatusNotification()

    @answers(Word.reservation_status_update)
    async def _reservation(
        self, reservation_id: int, reservation_update_status: str, **_: Any
    ) -> Any:
        self._pile.wishes.lapsed(reservation_id)
        text = f"reservation {reservation_id}: {reservation_update_status}"
        await self._pile.event(text, "RESERVATION_LAPSED")
        return call_result.ReservationStatusUpdate()

    @answers(Word.data_transfer)
    async def _data(self, **message: Any) -> Any:
        return call_result.DataTransfer(status=self._pile.data_transfer(message))

    @answers(Word.notify_charging_limit)
    async def _limit(self, **_: Any) -> Any:
        self._pile.counts["NotifyChargingLimit"] += 1
        return call_result.NotifyChargingLimit()

    @answers(Word.notify_ev_charging_needs)
    async def _needs(self, **_: Any) -> Any:
        self._pile.counts["NotifyEVChargingNeeds"] += 1
        # No charging schedule is made here.
        return call_result.NotifyEVChargingNeeds(status="Rejected")

    def _verdict(self, id_token: dict[str, Any]) -> dict[str, str]:
        good = self._pile.authorized(str(id_token["id_token"]))
        return {"status": "Accepted" if good else "Invalid"}
