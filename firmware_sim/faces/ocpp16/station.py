"""What the charge point answers when the central system calls it.

Decisions are made here; state changes go through the fleet, messages leave through `face.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from ocpp import exceptions
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import (
    Action,
    AvailabilityStatus,
    AvailabilityType,
    CancelReservationStatus,
    DataTransferStatus,
    MessageTrigger,
    RemoteStartStopStatus,
    ReservationStatus,
    ResetStatus,
    TriggerMessageStatus,
    UnlockStatus,
)

from firmware_sim.core.controller import (
    authorise_ahead,
    cancel_reservation,
    reserve,
    set_operative,
    stop,
)
from firmware_sim.core.evse import Evse, Phase, Reservation
from firmware_sim.core.pile import Pile
from firmware_sim.faces.ocpp16.outbox import Outbox
from firmware_sim.faces.ocpp16.routing import answers, follows
from firmware_sim.faces.ocpp16.settings import Settings
from firmware_sim.faces.ocpp_calls import AnswerWait
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
# Domain seconds that a remotely accepted driver has to plug in.
_CONNECTION_TIMEOUT_S = 180.0
_TRIGGERS = (
    MessageTrigger.boot_notification,
    MessageTrigger.heartbeat,
    MessageTrigger.meter_values,
    MessageTrigger.status_notification,
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the handlers work with: the pile's state, its clock, its settings and its mail."""

    fleet: Fleet
    pile_id: str
    now_ms: Callable[[], int]
    stamp: Callable[[], str]
    habits: Habits
    settings: Settings
    outbox: Outbox
    on_trigger: Callable[[MessageTrigger, int | None], None]
    on_reset: Callable[[], None]

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self.fleet.pile(self.pile_id)

    def evse(self, connector_id: int | None) -> Evse | None:
        """The EVSE behind a connector number, None if there is none."""
        if connector_id is None or not 1 <= connector_id <= len(self.pile.evses):
            return None
        return self.pile.evses[connector_id - 1]


class Station(AnswerWait, ChargePoint):  # type: ignore[misc]
    """One connection's worth of charge point."""

    def __init__(self, desk: Desk, link: Any, response_timeout_s: float) -> None:
        super().__init__(desk.pile_id, link, response_timeout=response_timeout_s)
        self._desk = desk

    @answers(Action.reserve_now)
    def on_reserve_now(
        self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, **_: Any
    ) -> call_result.ReserveNow:
        """Keeps a connector for a token until the date, by the pile's clock."""
        if "reserve_not_implemented" in self._desk.habits:
            raise exceptions.NotImplementedError(description="no reservations here")
        evse = self._desk.evse(connector_id)
        expires_ms = _instant_ms(expiry_date)
        status = _reservable(evse, reservation_id)
        if "reserve_occupied" in self._desk.habits:
            status = ReservationStatus.occupied
        left_s = (expires_ms - self._desk.now_ms()) / 1000 if expires_ms is not None else 0.0
        if status is ReservationStatus.accepted and left_s <= 0:
            status = ReservationStatus.rejected
        if evse is not None and status is ReservationStatus.accepted:
            kept = Reservation(reservation_id, id_tag, left_s)
            self._desk.fleet.change(evse.spec.evse_id, lambda e: reserve(e, kept))
        _log.info("reserve", pile=self.id, connector=connector_id, answer=str(status))
        return call_result.ReserveNow(status=status)

    @answers(Action.cancel_reservation)
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> call_result.CancelReservation:
        """Frees the connector that was kept under that number."""
        for evse in self._desk.pile.evses:
            if evse.reservation and evse.reservation.reservation_id == reservation_id:
                self._desk.fleet.change(evse.spec.evse_id, cancel_reservation)
                return call_result.CancelReservation(CancelReservationStatus.accepted)
        return call_result.CancelReservation(CancelReservationStatus.rejected)

    @answers(Action.change_availability)
    def on_change_availability(
        self,
        connector_id: int,
        type: AvailabilityType,  # noqa: A002 - OCPP's word
        **_: Any,
    ) -> call_result.ChangeAvailability:
        """Takes a connector (0: all) in or out of service, after its transaction if one runs."""
        evses = self._desk.pile.evses if connector_id == 0 else (self._desk.evse(connector_id),)
        operative = type == AvailabilityType.operative
        status = AvailabilityStatus.accepted
        for evse in evses:
            if evse is None:
                return call_result.ChangeAvailability(AvailabilityStatus.rejected)
            if evse.is_running and not operative:
                status = AvailabilityStatus.scheduled
            self._desk.fleet.change(evse.spec.evse_id, lambda e: set_operative(e, operative))
        return call_result.ChangeAvailability(status)

    @answers(Action.remote_start_transaction)
    def on_remote_start_transaction(
        self, id_tag: str, connector_id: int | None = None, **_: Any
    ) -> call_result.RemoteStartTransaction:
        """Lets a driver begin; without a cable the pile waits for one."""
        if connector_id is None:
            fit = (e for e in self._desk.pile.evses if _startable(e, id_tag))
            evse = next(fit, None)
        else:
            evse = self._desk.evse(connector_id)
        if evse is None or not _startable(evse, id_tag):
            return call_result.RemoteStartTransaction(RemoteStartStopStatus.rejected)
        self._desk.fleet.change(
            evse.spec.evse_id, lambda e: authorise_ahead(e, id_tag, _CONNECTION_TIMEOUT_S)
        )
        return call_result.RemoteStartTransaction(RemoteStartStopStatus.accepted)

    @answers(Action.remote_stop_transaction)
    def on_remote_stop_transaction(
        self, transaction_id: int, **_: Any
    ) -> call_result.RemoteStopTransaction:
        """Ends a transaction by its number."""
        key = self._desk.outbox.key_of(transaction_id)
        if key is None:
            return call_result.RemoteStopTransaction(RemoteStartStopStatus.rejected)
        self._desk.fleet.change(key.evse_id, lambda e: stop(e, "Remote"))
        return call_result.RemoteStopTransaction(RemoteStartStopStatus.accepted)

    @answers(Action.unlock_connector)
    def on_unlock_connector(self, connector_id: int, **_: Any) -> call_result.UnlockConnector:
        """Lets the cable go, which ends a running transaction."""
        evse = self._desk.evse(connector_id)
        if evse is None:
            return call_result.UnlockConnector(UnlockStatus.not_supported)
        if any(fault.kind.name == "ConnectorLockFailure" for fault in evse.faults):
            return call_result.UnlockConnector(UnlockStatus.unlock_failed)
        self._desk.fleet.change(evse.spec.evse_id, lambda e: stop(e, "UnlockCommand"))
        return call_result.UnlockConnector(UnlockStatus.unlocked)

    @answers(Action.trigger_message)
    def on_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> call_result.TriggerMessage:
        """Promises a message; it is sent after this answer."""
        if requested_message not in _TRIGGERS:
            return call_result.TriggerMessage(TriggerMessageStatus.not_implemented)
        if connector_id and self._desk.evse(connector_id) is None:
            return call_result.TriggerMessage(TriggerMessageStatus.rejected)
        return call_result.TriggerMessage(TriggerMessageStatus.accepted)

    @follows(Action.trigger_message)
    def after_trigger_message(
        self, requested_message: str, connector_id: int | None = None, **_: Any
    ) -> None:
        """Queues the promised message."""
        if requested_message in _TRIGGERS:
            self._desk.on_trigger(MessageTrigger(requested_message), connector_id)

    @answers(Action.get_configuration)
    def on_get_configuration(
        self, key: list[str] | None = None, **_: Any
    ) -> call_result.GetConfiguration:
        """The values of some keys, or of all."""
        known, unknown = self._desk.settings.read(key)
        return call_result.GetConfiguration(configuration_key=known, unknown_key=unknown)

    @answers(Action.change_configuration)
    def on_change_configuration(
        self, key: str, value: str, **_: Any
    ) -> call_result.ChangeConfiguration:
        """Takes a new value for a key."""
        return call_result.ChangeConfiguration(self._desk.settings.write(key, value))

    @answers(Action.data_transfer)
    def on_data_transfer(self, **_: Any) -> call_result.DataTransfer:
        """No vendor's extensions are known."""
        return call_result.DataTransfer(DataTransferStatus.unknown_vendor_id)

    @answers(Action.reset)
    def on_reset(self, type: str, **_: Any) -> call_result.Reset:  # noqa: A002 - OCPP's word
        """Ends what runs; the pile boots again afterwards."""
        for evse in self._desk.pile.evses:
            self._desk.fleet.change(evse.spec.evse_id, lambda e: stop(e, f"{type}Reset"))
        return call_result.Reset(ResetStatus.accepted)

    @follows(Action.reset)
    def after_reset(self, **_: Any) -> None:
        """Boots again."""
        self._desk.on_reset()


def _reservable(evse: Evse | None, reservation_id: int) -> ReservationStatus:
    if evse is None:
        return ReservationStatus.rejected
    if evse.is_broken:
        return ReservationStatus.faulted
    if not evse.is_operative:
        return ReservationStatus.unavailable
    other = evse.reservation is not None and evse.reservation.reservation_id != reservation_id
    if evse.car is not None or evse.token_ahead is not None or other:
        return ReservationStatus.occupied
    return ReservationStatus.accepted


def _startable(evse: Evse, token: str) -> bool:
    if evse.is_broken or not evse.is_operative:
        return False
    # After an end the cable must come out before a new transaction can begin.
    if evse.session is not None and evse.session.phase is not Phase.WAITING:
        return False
    return evse.reservation is None or evse.reservation.token == token


def _instant_ms(text: str) -> int | None:
    """Milliseconds since 1970; an instant without a zone is taken as UTC, nonsense as None."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)
