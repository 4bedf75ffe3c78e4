"""What an OCPP 1.6J charge point says over one connection, and what it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action as Word

from edge_agent.core.facts import BOOT
from edge_agent.core.ocpp_clock import iso
from edge_agent.core.ocpp_frame import FORMATION_VIOLATION
from edge_agent.piles.ocpp_link import OcppLink, answers
from edge_agent.piles.port import StationConnection

if TYPE_CHECKING:
    from edge_agent.piles.ocpp16 import Ocpp16Pile

_ORDERED: Final = ("StartTransaction", "StopTransaction", "MeterValues")
_KEPT: Final = ("SecurityEventNotification", "FirmwareStatusNotification")


class Link16(OcppLink):
    """One connection of a 1.6 station."""

    _call = call
    _call_result = call_result
    _ocpp_version = "1.6"
    ordered = frozenset((*_ORDERED, *_KEPT))

    def __init__(self, pile: Ocpp16Pile, connection: StationConnection) -> None:
        super().__init__(pile, connection)
        self._pile = pile

    async def _send(self, message: str) -> None:
        if message.startswith("[4,"):
            # The word of OCPP 2.0.1 that the library uses; 1.6 spells it so.
            message = message.replace('"FormatViolation"', f'"{FORMATION_VIOLATION}"', 1)
        await self._line.send(message)

    @answers(Word.boot_notification)
    async def _boot(self, charge_point_vendor: str, charge_point_model: str, **more: Any) -> Any:
        told = {
            "maker": charge_point_vendor,
            "model": charge_point_model,
            "serial": more.get("charge_point_serial_number", ""),
            "firmware": more.get("firmware_version", ""),
        }
        self._pile.learn(told, BOOT)
        return call_result.BootNotification(
            current_time=iso(self._pile.now_ms()),
            interval=max(1, round(self._pile.settings.heartbeat_s)),
            status="Accepted",
        )

    @answers(Word.heartbeat)
    async def _heartbeat(self, **_: Any) -> Any:
        return call_result.Heartbeat(current_time=iso(self._pile.now_ms()))

    @answers(Word.status_notification)
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

    @answers(Word.authorize)
    async def _authorize(self, id_tag: str, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info=self._verdict(id_tag))

    @answers(Word.start_transaction)
    async def _start(
        self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **more: Any
    ) -> Any:
        number = await self._pile.start_transaction(
            connector_id, id_tag, meter_start, timestamp, more.get("reservation_id")
        )
        return call_result.StartTransaction(
            transaction_id=number, id_tag_info=self._verdict(id_tag)
        )

    @answers(Word.stop_transaction)
    async def _stop(self, transaction_id: int, meter_stop: int, timestamp: str, **more: Any) -> Any:
        id_tag = more.get("id_tag")
        await self._pile.stop_transaction(
            transaction_id, meter_stop, timestamp, more.get("reason"), id_tag
        )
        # Whatever it is about, a stop is taken: a station that is refused sends it for ever.
        info = {"status": "Accepted"} if id_tag else None
        return call_result.StopTransaction(id_tag_info=info)

    @answers(Word.meter_values)
    async def _meter(self, connector_id: int, meter_value: list[Any], **_: Any) -> Any:
        await self._pile.keep(self._pile.meter_records(connector_id, meter_value))
        return call_result.MeterValues()

    @answers(Word.data_transfer)
    async def _data(self, **message: Any) -> Any:
        return call_result.DataTransfer(status=self._pile.data_transfer(message))

    @answers(Word.diagnostics_status_notification)
    async def _diagnostics(self, status: str, **_: Any) -> Any:
        self._pile.counts[f"DiagnosticsStatusNotification {status}"] += 1
        return call_result.DiagnosticsStatusNotification()

    @answers(Word.log_status_notification)
    async def _log_status(self, status: str, **_: Any) -> Any:
        self._pile.counts[f"LogStatusNotification {status}"] += 1
        return call_result.LogStatusNotification()

    @answers(Word.firmware_status_notification)
    async def _firmware(self, status: str, **_: Any) -> Any:
        await self._pile.event(status, "FIRMWARE_STATUS")
        return call_result.FirmwareStatusNotification()

    @answers(Word.security_event_notification)
    async def _security(self, type: str, **more: Any) -> Any:  # noqa: A002 - OCPP's own word
        text = f"{type}: {more.get('tech_info') or ''}".rstrip(": ")
        await self._pile.event(text, "SECURITY_EVENT")
        return call_result.SecurityEventNotification()

    def _verdict(self, id_tag: str) -> dict[str, str]:
        return {"status": "Accepted" if self._pile.authorized(id_tag) else "Invalid"}
