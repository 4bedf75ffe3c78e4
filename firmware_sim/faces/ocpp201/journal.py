"""Turns changes of a pile into what its central system must hear, in the order it happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from typing import Any

from firmware_sim.core.evse import Evse, Phase
from firmware_sim.core.faults import FaultKind
from firmware_sim.core.status import charging_state
from firmware_sim.faces.ocpp201.messages import event_data, id_token, meter_value, shown_status
from firmware_sim.faces.ocpp201.outbox import Entry, Outbox, Transaction

# The controller's reasons are those of 1.6.
_REASONS = {
    "HardReset": "ImmediateReset",
    "SoftReset": "ImmediateReset",
    "UnlockCommand": "Other",
}
_TRIGGERS = {
    "EVDisconnected": "EVCommunicationLost",
    "Remote": "RemoteStop",
    "DeAuthorized": "Deauthorized",
    "Local": "StopAuthorized",
    "ImmediateReset": "ResetCommand",
}


class Journal:
    """What is still to be told: connectors whose status changed, drivers to ask about, mail.

    `woken` is set whenever something was added. `free_token` stands for a driver who showed none.
    `online` marks the events that happen while the central system hears them.
    """

    def __init__(self, stamp: Callable[[], str], free_token: str, habits: Container[str]) -> None:
        self.outbox = Outbox()
        self.woken = asyncio.Event()
        self.online = False
        self.statuses: dict[str, None] = {}
        self.drivers: dict[tuple[str, int], str] = {}
        self.alerts: list[Any] = []
        self.running: dict[str, Transaction] = {}
        self.remote_starts: dict[str, int] = {}
        self._stamp = stamp
        self._free_token = free_token
        self._habits = habits
        self._events = 0

    def note(self, old: Evse, new: Evse) -> None:
        """Takes one change of one EVSE."""
        self._note_transaction(old, new)
        session = new.session
        if session and session.phase is Phase.WAITING and session.granted_token is None:
            before = old.session.number if old.session else None
            if session.presented_token and before != session.number:
                self.drivers[(new.spec.evse_id, session.number)] = session.presented_token
        if shown_status(old, self._habits) != shown_status(new, self._habits):
            self.statuses[new.spec.evse_id] = None
        self._note_faults(old, new)
        if self.statuses or self.drivers or self.alerts or len(self.outbox):
            self.woken.set()

    def sample(self, evse: Evse, context: str = "Sample.Periodic") -> bool:
        """Puts one meter sample of a running transaction into the mail; False where none runs."""
        transaction = self.running.get(evse.spec.evse_id)
        if transaction is None:
            return False
        trigger = "Trigger" if context == "Trigger" else "MeterValuePeriodic"
        value = meter_value(evse, self._stamp(), context)
        self._post(transaction, evse, "Updated", trigger, {"meter_value": [value]}, sample=True)
        return True

    def transaction(self, transaction_id: str) -> Transaction | None:
        """The running transaction of that name."""
        running = self.running.values()
        return next((t for t in running if t.transaction_id == transaction_id), None)

    def _note_transaction(self, old: Evse, new: Evse) -> None:
        evse_id = new.spec.evse_id
        before, after = _running(old), _running(new)
        if before is not None and before != after:
            self._end(self.running.pop(evse_id), old, new)
        if after is not None and before != after and new.session is not None:
            transaction = Transaction(evse_id, after)
            transaction.remote_start_id = self.remote_starts.pop(evse_id, None)
            self.running[evse_id] = transaction
            self._start(transaction, old, new)
        elif after is not None:
            transaction = self.running[evse_id]
            if charging_state(new) != transaction.charging_state:
                self._post(transaction, new, "Updated", "ChargingStateChanged", {})

    def _start(self, transaction: Transaction, old: Evse, new: Evse) -> None:
        assert new.session is not None
        token = new.session.granted_token or ""
        held = old.reservation
        remote = transaction.remote_start_id is not None
        fields: dict[str, Any] = {
            "id_token": id_token(token, self._free_token),
            "meter_value": [meter_value(new, self._stamp(), "Transaction.Begin")],
            "reservation_id": held.reservation_id if held and held.token == token else None,
        }
        trigger = "RemoteStart" if remote else "Authorized"
        self._post(transaction, new, "Started", trigger, fields)

    def _end(self, transaction: Transaction, old: Evse, new: Evse) -> None:
        same = new.session is not None and new.session.number == transaction.session
        told = new.session.end_reason if same and new.session else "EVDisconnected"
        reason = _REASONS.get(told, told)
        metered = new if new.meter.total_wh >= old.meter.total_wh else old
        fields: dict[str, Any] = {
            "stopped_reason": reason,
            "meter_value": [meter_value(metered, self._stamp(), "Transaction.End")],
        }
        trigger = _TRIGGERS.get(reason, "AbnormalCondition")
        self._post(transaction, new, "Ended", trigger, fields)

    def _note_faults(self, old: Evse, new: Evse) -> None:
        if old.faults is new.faults or "faulted_no_error" in self._habits:
            return
        before = {fault.kind for fault in old.faults}
        now = {fault.kind for fault in new.faults}
        for kind in now - before:
            self._alert(new, kind, cleared=False)
        for kind in before - now:
            self._alert(new, kind, cleared=True)

    def _alert(self, evse: Evse, kind: FaultKind, *, cleared: bool) -> None:
        self._events += 1
        number = int(evse.spec.evse_id.rpartition("*")[2])
        self.alerts.append(event_data(self._events, number, kind, self._stamp(), cleared=cleared))

    def _post(
        self,
        transaction: Transaction,
        evse: Evse,
        kind: str,
        trigger: str,
        more: dict[str, Any],
        *,
        sample: bool = False,
    ) -> None:
        transaction.charging_state = charging_state(evse)
        info: dict[str, Any] = {
            "transaction_id": transaction.transaction_id,
            "charging_state": transaction.charging_state,
        }
        if "stopped_reason" in more:
            info["stopped_reason"] = more.pop("stopped_reason")
        if kind == "Started" and transaction.remote_start_id is not None:
            info["remote_start_id"] = transaction.remote_start_id
        fields = {
            "event_type": kind,
            "timestamp": self._stamp(),
            "trigger_reason": trigger,
            "transaction_info": info,
            "offline": not self.online,
            **more,
        }
        if kind == "Started":
            number = int(evse.spec.evse_id.rpartition("*")[2])
            fields["evse"] = {"id": number, "connector_id": 1}
        self.outbox.put(Entry(transaction, fields, sample))
        self.woken.set()


def _running(evse: Evse) -> int | None:
    if evse.session is None or evse.session.phase is not Phase.RUNNING:
        return None
    return evse.session.number
