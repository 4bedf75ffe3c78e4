"""What the station answers when the central system calls it: holding, starting, unlocking.

Power, drivers' lists, certificates and upkeep are in the files beside it. State changes go through
the fleet, messages leave through `sender.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from ocpp import exceptions
from ocpp.v201 import ChargePoint, call_result
from ocpp.v201.enums import Action

from firmware_sim.core.controller import (
    authorise_ahead,
    cancel_reservation,
    reserve,
    set_operative,
    stop,
)
from firmware_sim.core.evse import Evse, Phase, Reservation
from firmware_sim.core.spec import Lock
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.messages import word
from firmware_sim.faces.ocpp201.routing import answers, follows
from firmware_sim.faces.ocpp201.station_drivers import DriverAnswers
from firmware_sim.faces.ocpp201.station_keys import CertificateAnswers
from firmware_sim.faces.ocpp201.station_model import ModelAnswers
from firmware_sim.faces.ocpp201.station_power import PowerAnswers
from firmware_sim.faces.ocpp201.station_upkeep import UpkeepAnswers
from firmware_sim.faces.ocpp_calls import AnswerWait
from firmware_sim.faces.ocpp_profiles import instant_ms

_log = structlog.get_logger(__name__)
# Habits that answer every ReserveNow in one word.
_ALWAYS = {
    "reserve_occupied": "Occupied",
    "reserve_rejected": "Rejected",
    "reserve_faulted": "Faulted",
    "reserve_unavailable": "Unavailable",
}


class Station(
    DriverAnswers,
    PowerAnswers,
    ModelAnswers,
    UpkeepAnswers,
    CertificateAnswers,
    AnswerWait,
    ChargePoint,  # type: ignore[misc]
):
    """One connection's worth of charging station."""

    def __init__(self, desk: Desk, link: Any, response_timeout_s: float) -> None:
        super().__init__(desk.pile_id, link, response_timeout=response_timeout_s)
        self._desk = desk

    @answers(Action.reserve_now)
    def on_reserve_now(
        self,
        id: int,  # noqa: A002 - OCPP's word
        expiry_date_time: str,
        id_token: dict[str, Any],
        evse_id: int | None = None,
        **_: Any,
    ) -> Any:
        """Keeps an EVSE for a token until the date, by the pile's clock.

        Without an EVSE, where that is supported, it keeps one that is free now.
        """
        if "reserve_not_implemented" in self._desk.habits:
            raise exceptions.NotImplementedError(description="no reservations here")
        settings = self._desk.settings
        evse = self._desk.evse(evse_id)
        if evse_id is None and settings.is_on("ReservationCtrlr.NonEvseSpecific"):
            evse = self._best_to_keep(id)
        left_s = ((instant_ms(expiry_date_time) or 0) - self._desk.now_ms()) / 1000
        status = _reservable(evse, id)
        if not settings.is_on("ReservationCtrlr.Enabled"):
            status = "Rejected"
        for habit, told in _ALWAYS.items():
            if habit in self._desk.habits:
                status = told
        if status == "Accepted" and left_s <= 0:
            status = "Rejected"
        if evse is not None and status == "Accepted":
            self._move_reservation(evse, Reservation(id, str(id_token["id_token"]), left_s))
        _log.info("reserve", pile=self.id, evse=evse_id, answer=status)
        return call_result.ReserveNow(status=word(status))

    @answers(Action.cancel_reservation)
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> Any:
        """Frees the EVSE that was kept under that number."""
        for evse in self._desk.pile.evses:
            if evse.reservation and evse.reservation.reservation_id == reservation_id:
                self._give_up(evse)
                return call_result.CancelReservation(word("Accepted"))
        return call_result.CancelReservation(word("Rejected"))

    @answers(Action.change_availability)
    def on_change_availability(
        self, operational_status: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> Any:
        """Takes an EVSE (none named: all) in or out of service, after its transaction."""
        named = (self._desk.evse(evse["id"]),) if evse else self._desk.pile.evses
        operative = operational_status == "Operative"
        status = "Accepted"
        for found in named:
            if found is None:
                return call_result.ChangeAvailability(word("Rejected"))
            if found.is_running and not operative:
                status = "Scheduled"
            self._desk.fleet.change(found.spec.evse_id, partial(set_operative, operative=operative))
        return call_result.ChangeAvailability(word(status))

    @answers(Action.request_start_transaction)
    def on_request_start_transaction(
        self,
        id_token: dict[str, Any],
        evse_id: int | None = None,
        charging_profile: dict[str, Any] | None = None,
        **_: Any,
    ) -> Any:
        """Lets a driver begin; without a cable the pile waits for one."""
        evse = self._startable_at(evse_id, str(id_token["id_token"]))
        if evse is None:
            return call_result.RequestStartTransaction(word("Rejected"))
        if charging_profile is not None and not self.profile_for_start(evse, charging_profile):
            return call_result.RequestStartTransaction(word("Rejected"))
        running = self._desk.journal.running.get(evse.spec.evse_id)
        known = running.transaction_id if running else None
        return call_result.RequestStartTransaction(word("Accepted"), transaction_id=known)

    @follows(Action.request_start_transaction)
    def after_request_start_transaction(
        self,
        id_token: dict[str, Any],
        remote_start_id: int,
        evse_id: int | None = None,
        **_: Any,
    ) -> None:
        """Begins, once the answer is on its way; with AuthorizeRemoteStart it asks first."""
        token = str(id_token["id_token"])
        evse = self._startable_at(evse_id, token)
        if evse is None:
            return
        name, journal = evse.spec.evse_id, self._desk.journal
        journal.remote_starts[name] = remote_start_id
        if evse.session is not None and self._desk.settings.is_on("AuthCtrlr.AuthorizeRemoteStart"):
            journal.drivers[(name, evse.session.number)] = token
            journal.woken.set()
            return
        window_s = self._desk.settings.seconds("TxCtrlr.EVConnectionTimeOut")
        self._desk.fleet.change(name, partial(authorise_ahead, token=token, window_s=window_s))

    @answers(Action.request_stop_transaction)
    def on_request_stop_transaction(self, transaction_id: str, **_: Any) -> Any:
        """Ends a transaction by its name."""
        running = self._desk.journal.transaction(transaction_id)
        if running is None:
            return call_result.RequestStopTransaction(word("Rejected"))
        self._desk.fleet.change(running.evse_id, partial(stop, reason="Remote"))
        return call_result.RequestStopTransaction(word("Accepted"))

    @answers(Action.get_transaction_status)
    def on_get_transaction_status(self, transaction_id: str | None = None, **_: Any) -> Any:
        """Whether messages wait, and whether that transaction runs."""
        waiting = self._desk.journal.outbox.holds(transaction_id)
        running = None
        if transaction_id is not None:
            running = self._desk.journal.transaction(transaction_id) is not None
        return call_result.GetTransactionStatus(waiting, running)

    @answers(Action.unlock_connector)
    def on_unlock_connector(self, evse_id: int, connector_id: int, **_: Any) -> Any:
        """Lets the cable go; not while its driver's transaction runs."""
        evse = self._desk.evse(evse_id)
        if evse is None or connector_id != 1:
            return call_result.UnlockConnector(word("UnknownConnector"))
        if evse.is_running:
            return call_result.UnlockConnector(word("OngoingAuthorizedTransaction"))
        broken = any(fault.kind.name == "ConnectorLockFailure" for fault in evse.faults)
        stuck = broken or evse.lock is Lock.LOCKED
        return call_result.UnlockConnector(word("UnlockFailed" if stuck else "Unlocked"))

    def _startable_at(self, number: int | None, token: str) -> Evse | None:
        named = self._desk.pile.evses if number is None else (self._desk.evse(number),)
        return next((e for e in named if e is not None and _startable(e, token)), None)

    def _best_to_keep(self, reservation_id: int) -> Evse | None:
        """The first that can be kept, else the first at all."""
        evses = self._desk.pile.evses
        free = (e for e in evses if _reservable(e, reservation_id) == "Accepted")
        return next(free, evses[0])

    def _move_reservation(self, evse: Evse, kept: Reservation) -> None:
        """A number is kept once: where it was kept before, it no longer is."""
        for other in self._desk.pile.evses:
            held = other.reservation
            same = held is not None and held.reservation_id == kept.reservation_id
            if same and other.spec.evse_id != evse.spec.evse_id:
                self._give_up(other)
        self._desk.fleet.change(evse.spec.evse_id, partial(reserve, reservation=kept))

    def _give_up(self, evse: Evse) -> None:
        assert evse.reservation is not None
        self._desk.journal.cancelled.add(evse.reservation.reservation_id)
        self._desk.fleet.change(evse.spec.evse_id, cancel_reservation)


def _reservable(evse: Evse | None, reservation_id: int) -> str:
    if evse is None:
        return "Rejected"
    if evse.is_broken:
        return "Faulted"
    if not evse.is_operative:
        return "Unavailable"
    other = evse.reservation is not None and evse.reservation.reservation_id != reservation_id
    taken = evse.car is not None or evse.token_ahead is not None or other
    return "Occupied" if taken else "Accepted"


def _startable(evse: Evse, token: str) -> bool:
    if evse.is_broken or not evse.is_operative:
        return False
    # After an end the cable must come out before a new transaction can begin.
    if evse.session is not None and evse.session.phase is not Phase.WAITING:
        return False
    return evse.reservation is None or evse.reservation.token == token
