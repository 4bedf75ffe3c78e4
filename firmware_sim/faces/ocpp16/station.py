"""What the charge point answers when the central system calls it: holding, starting, unlocking.

Power is in `station_power.py`, what concerns drivers' lists, certificates and upkeep in the files
beside it. State changes go through the fleet, messages leave through `sender.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from ocpp import exceptions
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import (
    Action,
    AvailabilityStatus,
    AvailabilityType,
    CancelReservationStatus,
    RemoteStartStopStatus,
    ReservationStatus,
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
from firmware_sim.core.spec import Lock
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.outbox import TransactionKey
from firmware_sim.faces.ocpp16.routing import answers, follows
from firmware_sim.faces.ocpp16.station_drivers import DriverAnswers
from firmware_sim.faces.ocpp16.station_keys import CertificateAnswers
from firmware_sim.faces.ocpp16.station_power import PowerAnswers
from firmware_sim.faces.ocpp16.station_upkeep import UpkeepAnswers
from firmware_sim.faces.ocpp_calls import AnswerWait
from firmware_sim.faces.ocpp_profiles import instant_ms

_log = structlog.get_logger(__name__)
# Habits that answer every ReserveNow in one word.
_ALWAYS = {
    "reserve_occupied": ReservationStatus.occupied,
    "reserve_rejected": ReservationStatus.rejected,
    "reserve_faulted": ReservationStatus.faulted,
    "reserve_unavailable": ReservationStatus.unavailable,
}


class Station(
    DriverAnswers,
    PowerAnswers,
    UpkeepAnswers,
    CertificateAnswers,
    AnswerWait,
    ChargePoint,  # type: ignore[misc]
):
    """One connection's worth of charge point."""

    def __init__(self, desk: Desk, link: Any, response_timeout_s: float) -> None:
        super().__init__(desk.pile_id, link, response_timeout=response_timeout_s)
        self._desk = desk

    @answers(Action.reserve_now)
    def on_reserve_now(
        self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, **_: Any
    ) -> call_result.ReserveNow:
        """Keeps a connector for a token until the date, by the pile's clock.

        Connector 0, where that is supported, keeps one that is free now.
        """
        if "reserve_not_implemented" in self._desk.habits:
            raise exceptions.NotImplementedError(description="no reservations here")
        evse = self._desk.evse(connector_id)
        if connector_id == 0 and self._desk.settings.is_on("ReserveConnectorZeroSupported"):
            evse = self._best_to_keep(reservation_id)
        expires_ms = instant_ms(expiry_date)
        status = _reservable(evse, reservation_id)
        for habit, word in _ALWAYS.items():
            if habit in self._desk.habits:
                status = word
        left_s = (expires_ms - self._desk.now_ms()) / 1000 if expires_ms is not None else 0.0
        if status is ReservationStatus.accepted and left_s <= 0:
            status = ReservationStatus.rejected
        if evse is not None and status is ReservationStatus.accepted:
            kept = Reservation(reservation_id, id_tag, left_s)
            self._move_reservation(evse, kept)
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
            self._desk.fleet.change(evse.spec.evse_id, partial(set_operative, operative=operative))
        return call_result.ChangeAvailability(status)

    @answers(Action.remote_start_transaction)
    def on_remote_start_transaction(
        self,
        id_tag: str,
        connector_id: int | None = None,
        charging_profile: dict[str, Any] | None = None,
        **_: Any,
    ) -> call_result.RemoteStartTransaction:
        """Lets a driver begin; without a cable the pile waits for one."""
        evse = self._desk.evse(connector_id)
        if connector_id is None:
            fit = (e for e in self._desk.pile.evses if _startable(e, id_tag))
            evse = next(fit, None)
        if evse is None or not _startable(evse, id_tag):
            return call_result.RemoteStartTransaction(RemoteStartStopStatus.rejected)
        if charging_profile is not None and not self.profile_for_start(evse, charging_profile):
            return call_result.RemoteStartTransaction(RemoteStartStopStatus.rejected)
        return call_result.RemoteStartTransaction(RemoteStartStopStatus.accepted)

    @follows(Action.remote_start_transaction)
    def after_remote_start_transaction(
        self, id_tag: str, connector_id: int | None = None, **_: Any
    ) -> None:
        """Begins, once the answer is on its way; with AuthorizeRemoteTxRequests it asks first."""
        evses = self._desk.pile.evses if connector_id is None else (self._desk.evse(connector_id),)
        evse = next((e for e in evses if e is not None and _startable(e, id_tag)), None)
        if evse is None:
            return
        evse_id, waits = evse.spec.evse_id, evse.session is not None
        if waits and self._desk.settings.is_on("AuthorizeRemoteTxRequests") and evse.session:
            self._desk.ask_about(TransactionKey(evse_id, evse.session.number), id_tag)
            return
        window_s = self._desk.settings.seconds("ConnectionTimeOut")
        self._desk.fleet.change(evse_id, partial(authorise_ahead, token=id_tag, window_s=window_s))

    @answers(Action.remote_stop_transaction)
    def on_remote_stop_transaction(
        self, transaction_id: int, **_: Any
    ) -> call_result.RemoteStopTransaction:
        """Ends a transaction by its number."""
        key = self._desk.outbox.key_of(transaction_id)
        if key is None:
            return call_result.RemoteStopTransaction(RemoteStartStopStatus.rejected)
        self._desk.fleet.change(key.evse_id, partial(stop, reason="Remote"))
        return call_result.RemoteStopTransaction(RemoteStartStopStatus.accepted)

    @answers(Action.unlock_connector)
    def on_unlock_connector(self, connector_id: int, **_: Any) -> call_result.UnlockConnector:
        """Lets the cable go, which ends a running transaction; a lock that is stuck does not."""
        evse = self._desk.evse(connector_id)
        if evse is None:
            return call_result.UnlockConnector(UnlockStatus.not_supported)
        if any(fault.kind.name == "ConnectorLockFailure" for fault in evse.faults):
            return call_result.UnlockConnector(UnlockStatus.unlock_failed)
        after = self._desk.fleet.change(evse.spec.evse_id, partial(stop, reason="UnlockCommand"))
        held = after.lock is Lock.LOCKED
        return call_result.UnlockConnector(
            UnlockStatus.unlock_failed if held else UnlockStatus.unlocked
        )

    def _best_to_keep(self, reservation_id: int) -> Evse | None:
        """The first that can be kept, else the first at all."""
        evses = self._desk.pile.evses
        free = (e for e in evses if _reservable(e, reservation_id) is ReservationStatus.accepted)
        return next(free, evses[0])

    def _move_reservation(self, evse: Evse, kept: Reservation) -> None:
        """A number is kept once: where it was kept before, it no longer is."""
        for other in self._desk.pile.evses:
            held = other.reservation
            same = held is not None and held.reservation_id == kept.reservation_id
            if same and other.spec.evse_id != evse.spec.evse_id:
                self._desk.fleet.change(other.spec.evse_id, cancel_reservation)
        self._desk.fleet.change(evse.spec.evse_id, partial(reserve, reservation=kept))


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
