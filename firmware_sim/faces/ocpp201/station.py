"""What the charging station answers when the central system calls it.

Decisions are made here; state changes go through the fleet, messages leave through `sender.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import structlog
from ocpp import exceptions
from ocpp.routing import after, on
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
from firmware_sim.core.pile import Pile
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.variables import Variables
from firmware_sim.faces.ocpp_calls import AnswerWait
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.fleet import Fleet

_log = structlog.get_logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
# Domain seconds that a remotely accepted driver has to plug in.
_CONNECTION_TIMEOUT_S = 180.0
_TRIGGERS = (
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
    "TransactionEvent",
)


def _answers(action: Action) -> Callable[[F], F]:
    return cast(Callable[[F], F], on(action))


def _follows(action: Action) -> Callable[[F], F]:
    return cast(Callable[[F], F], after(action))


@dataclass(frozen=True, slots=True)
class Desk:
    """What the handlers work with: the pile's state, its clock, its variables and its mail."""

    fleet: Fleet
    pile_id: str
    now_ms: Callable[[], int]
    stamp: Callable[[], str]
    habits: Habits
    variables: Variables
    journal: Journal
    on_trigger: Callable[[str, int | None], None]
    on_reset: Callable[[], None]
    on_report: Callable[[int], None]

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self.fleet.pile(self.pile_id)

    def evse(self, number: int | None) -> Evse | None:
        """The EVSE of a number, None if there is none."""
        if number is None or not 1 <= number <= len(self.pile.evses):
            return None
        return self.pile.evses[number - 1]


class Station(AnswerWait, ChargePoint):  # type: ignore[misc]
    """One connection's worth of charging station."""

    def __init__(self, desk: Desk, link: Any, response_timeout_s: float) -> None:
        super().__init__(desk.pile_id, link, response_timeout=response_timeout_s)
        self._desk = desk

    @_answers(Action.reserve_now)
    def on_reserve_now(
        self,
        id: int,  # noqa: A002 - OCPP's word
        expiry_date_time: str,
        id_token: dict[str, Any],
        evse_id: int | None = None,
        **_: Any,
    ) -> Any:
        """Keeps an EVSE for a token until the date, by the pile's clock."""
        if "reserve_not_implemented" in self._desk.habits:
            raise exceptions.NotImplementedError(description="no reservations here")
        evse = self._desk.evse(evse_id)
        left_s = (_instant_ms(expiry_date_time) - self._desk.now_ms()) / 1000
        status = _reservable(evse, id)
        if "reserve_occupied" in self._desk.habits:
            status = "Occupied"
        if status == "Accepted" and left_s <= 0:
            status = "Rejected"
        if evse is not None and status == "Accepted":
            kept = Reservation(id, str(id_token["id_token"]), left_s)
            self._desk.fleet.change(evse.spec.evse_id, lambda e: reserve(e, kept))
        _log.info("reserve", pile=self.id, evse=evse_id, answer=status)
        return call_result.ReserveNow(status=_word(status))

    @_answers(Action.cancel_reservation)
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> Any:
        """Frees the EVSE that was kept under that number."""
        for evse in self._desk.pile.evses:
            if evse.reservation and evse.reservation.reservation_id == reservation_id:
                self._desk.fleet.change(evse.spec.evse_id, cancel_reservation)
                return call_result.CancelReservation(_word("Accepted"))
        return call_result.CancelReservation(_word("Rejected"))

    @_answers(Action.change_availability)
    def on_change_availability(
        self, operational_status: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> Any:
        """Takes an EVSE (none named: all) in or out of service, after its transaction."""
        named = (self._desk.evse(evse["id"]),) if evse else self._desk.pile.evses
        operative = operational_status == "Operative"
        status = "Accepted"
        for found in named:
            if found is None:
                return call_result.ChangeAvailability(_word("Rejected"))
            if found.is_running and not operative:
                status = "Scheduled"
            self._desk.fleet.change(found.spec.evse_id, lambda e: set_operative(e, operative))
        return call_result.ChangeAvailability(_word(status))

    @_answers(Action.request_start_transaction)
    def on_request_start_transaction(
        self,
        id_token: dict[str, Any],
        remote_start_id: int,
        evse_id: int | None = None,
        **_: Any,
    ) -> Any:
        """Lets a driver begin; without a cable the pile waits for one."""
        token = str(id_token["id_token"])
        named = self._desk.pile.evses if evse_id is None else (self._desk.evse(evse_id),)
        evse = next((e for e in named if e is not None and _startable(e, token)), None)
        if evse is None:
            return call_result.RequestStartTransaction(_word("Rejected"))
        name = evse.spec.evse_id
        self._desk.journal.remote_starts[name] = remote_start_id
        self._desk.fleet.change(name, lambda e: authorise_ahead(e, token, _CONNECTION_TIMEOUT_S))
        return call_result.RequestStartTransaction(_word("Accepted"))

    @_answers(Action.request_stop_transaction)
    def on_request_stop_transaction(self, transaction_id: str, **_: Any) -> Any:
        """Ends a transaction by its name."""
        running = self._desk.journal.transaction(transaction_id)
        if running is None:
            return call_result.RequestStopTransaction(_word("Rejected"))
        self._desk.fleet.change(running.evse_id, lambda e: stop(e, "Remote"))
        return call_result.RequestStopTransaction(_word("Accepted"))

    @_answers(Action.get_transaction_status)
    def on_get_transaction_status(self, transaction_id: str | None = None, **_: Any) -> Any:
        """Whether messages wait, and whether that transaction runs."""
        waiting = self._desk.journal.outbox.holds(transaction_id)
        running = None
        if transaction_id is not None:
            running = self._desk.journal.transaction(transaction_id) is not None
        return call_result.GetTransactionStatus(waiting, running)

    @_answers(Action.unlock_connector)
    def on_unlock_connector(self, evse_id: int, **_: Any) -> Any:
        """Lets the cable go; not while its driver's transaction runs."""
        evse = self._desk.evse(evse_id)
        if evse is None:
            return call_result.UnlockConnector(_word("UnknownConnector"))
        if evse.is_running:
            return call_result.UnlockConnector(_word("OngoingAuthorizedTransaction"))
        stuck = any(fault.kind.name == "ConnectorLockFailure" for fault in evse.faults)
        return call_result.UnlockConnector(_word("UnlockFailed" if stuck else "Unlocked"))

    @_answers(Action.trigger_message)
    def on_trigger_message(
        self, requested_message: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> Any:
        """Promises a message; it is sent after this answer."""
        if requested_message not in _TRIGGERS:
            return call_result.TriggerMessage(_word("NotImplemented"))
        if evse and self._desk.evse(evse["id"]) is None:
            return call_result.TriggerMessage(_word("Rejected"))
        return call_result.TriggerMessage(_word("Accepted"))

    @_follows(Action.trigger_message)
    def after_trigger_message(
        self, requested_message: str, evse: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Queues the promised message."""
        if requested_message in _TRIGGERS:
            self._desk.on_trigger(requested_message, evse["id"] if evse else None)

    @_answers(Action.get_variables)
    def on_get_variables(self, get_variable_data: list[Any], **_: Any) -> Any:
        """The values of some variables."""
        found: Any = [self._desk.variables.read(wish) for wish in get_variable_data]
        return call_result.GetVariables(found)

    @_answers(Action.set_variables)
    def on_set_variables(self, set_variable_data: list[Any], **_: Any) -> Any:
        """Takes new values for some variables."""
        done: Any = [self._desk.variables.write(wish) for wish in set_variable_data]
        return call_result.SetVariables(done)

    @_answers(Action.get_base_report)
    def on_get_base_report(self, request_id: int, **_: Any) -> Any:
        """Promises a report of every variable."""
        return call_result.GetBaseReport(_word("Accepted"))

    @_follows(Action.get_base_report)
    def after_get_base_report(self, request_id: int, **_: Any) -> None:
        """Queues the report."""
        self._desk.on_report(request_id)

    @_answers(Action.data_transfer)
    def on_data_transfer(self, **_: Any) -> Any:
        """No vendor's extensions are known."""
        return call_result.DataTransfer(_word("UnknownVendorId"))

    @_answers(Action.reset)
    def on_reset(self, type: str, **_: Any) -> Any:  # noqa: A002 - OCPP's word
        """Ends what runs and boots again; a polite reset is refused while a car charges."""
        if type == "OnIdle" and any(evse.is_running for evse in self._desk.pile.evses):
            return call_result.Reset(_word("Rejected"))
        for evse in self._desk.pile.evses:
            self._desk.fleet.change(evse.spec.evse_id, lambda e: stop(e, "HardReset"))
        return call_result.Reset(_word("Accepted"))

    @_follows(Action.reset)
    def after_reset(self, type: str, **_: Any) -> None:  # noqa: A002 - OCPP's word
        """Boots again."""
        if not any(evse.is_running for evse in self._desk.pile.evses):
            self._desk.on_reset()


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


def _instant_ms(text: str) -> int:
    """Milliseconds since 1970; an instant without a zone is taken as UTC, nonsense as 1970."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return round((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() * 1000)


def _word(word: str) -> Any:
    """A word of the standard; the package asks for its enum and takes the text as well."""
    return word
