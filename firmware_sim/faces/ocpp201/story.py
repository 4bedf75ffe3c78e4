"""Tells each transaction as TransactionEvents: Started, Updated, Ended, numbered, with triggers.

Source: OCPP 2.0.1 part 2, block E. Status, faults and reservations are in `journal.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from firmware_sim.core.evse import Evse, Phase
from firmware_sim.core.status import charging_state
from firmware_sim.faces.ocpp201.messages import id_token, meter_value, signed_value
from firmware_sim.faces.ocpp201.outbox import Entry, Outbox, Transaction
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_settings import Settings

Seal = Callable[[float, str, str], dict[str, str]]
# The controller's reasons are those of 1.6.
_REASONS = {
    "HardReset": "ImmediateReset",
    "SoftReset": "ImmediateReset",
    "UnlockCommand": "Other",
}
_KNOWN_REASONS = frozenset({
    "DeAuthorized", "EmergencyStop", "EnergyLimitReached", "EVDisconnected", "GroundFault",
    "ImmediateReset", "Local", "LocalOutOfCredit", "MasterPass", "Other", "OvercurrentFault",
    "PowerLoss", "PowerQuality", "Reboot", "Remote", "SOCLimitReached", "StoppedByEV",
    "TimeLimitReached", "Timeout",
})  # fmt: skip
_TRIGGERS = {
    "EVDisconnected": "EVCommunicationLost",
    "Remote": "RemoteStop",
    "DeAuthorized": "Deauthorized",
    "Local": "StopAuthorized",
    "ImmediateReset": "ResetCommand",
}


class Hearing(Protocol):
    """Whether the central system hears the pile, and whose transactions ended."""

    online: bool
    ended: set[str]
    woken: asyncio.Event


class Story:
    """The transactions that run, and the events about them that wait in `outbox`.

    TxStartPoint and TxStopPoint with EVConnected stretch a transaction from plug to plug.
    """

    def __init__(
        self,
        hearing: Hearing,
        stamp: Callable[[], str],
        free_token: str,
        settings: Settings,
        habits: Habits,
        seal: Seal | None,
    ) -> None:
        self.outbox = Outbox()
        self.running: dict[str, Transaction] = {}
        self.remote_starts: dict[str, int] = {}
        self._hearing = hearing
        self._stamp = stamp
        self._free_token = free_token
        self._settings = settings
        self._habits = habits
        self._seal = seal

    def note(self, old: Evse, new: Evse) -> None:
        """Takes one change of one EVSE."""
        evse_id = new.spec.evse_id
        before, after = self._active(old), self._active(new)
        if before is not None and before != after and evse_id in self.running:
            self._end(self.running.pop(evse_id), old, new)
        if after is not None and before != after:
            self._start(after, old, new)
        elif after is not None and evse_id in self.running:
            self._update(self.running[evse_id], old, new)

    def sample(self, evse: Evse, context: str, trigger: str) -> bool:
        """Puts one meter sample of a running transaction into the mail; False where none runs."""
        transaction = self.running.get(evse.spec.evse_id)
        if transaction is None:
            return False
        by_clock = context == "Sample.Clock"
        names = (
            "AlignedDataCtrlr.Measurands" if by_clock else "SampledDataCtrlr.TxUpdatedMeasurands"
        )
        value = self._value(evse, context, names)
        self._post(transaction, evse, "Updated", trigger, {"meter_value": [value]}, sample=True)
        return True

    def _active(self, evse: Evse) -> int | None:
        """The session whose transaction runs."""
        session = evse.session
        if session is None:
            return None
        stretched = {Phase.WAITING: "TxCtrlr.TxStartPoint", Phase.ENDED: "TxCtrlr.TxStopPoint"}
        if session.phase is Phase.RUNNING:
            return session.number
        known = "EVConnected" in self._settings.words(stretched[session.phase])
        begun = session.phase is Phase.WAITING or evse.spec.evse_id in self.running
        return session.number if known and begun else None

    def _start(self, number: int, old: Evse, new: Evse) -> None:
        evse_id = new.spec.evse_id
        named = self._habits.value("transaction_id")
        transaction = Transaction(evse_id, number, named) if named else Transaction(evse_id, number)
        self.running[evse_id] = transaction
        names = "SampledDataCtrlr.TxStartedMeasurands"
        values = [self._value(new, "Transaction.Begin", names)]
        values += self._signed(new, "Transaction.Begin")
        trigger, fields = "CablePluggedIn", {"meter_value": values}
        if new.is_running:
            trigger, granted = self._granted(transaction, old, new)
            fields |= granted
        self._post(transaction, new, "Started", trigger, fields)

    def _granted(
        self, transaction: Transaction, old: Evse, new: Evse
    ) -> tuple[str, dict[str, Any]]:
        """Why the transaction may run, and for whom."""
        assert new.session is not None
        token, held = new.session.granted_token or "", old.reservation
        transaction.remote_start_id = self.remote_starts.pop(new.spec.evse_id, None)
        fields = {
            "id_token": id_token(token, self._free_token),
            "reservation_id": held.reservation_id if held and held.token == token else None,
        }
        if transaction.remote_start_id is not None:
            return "RemoteStart", fields
        return "CablePluggedIn" if old.car is None else "Authorized", fields

    def _update(self, transaction: Transaction, old: Evse, new: Evse) -> None:
        if new.is_running and not old.is_running:
            self._post(transaction, new, "Updated", *self._granted(transaction, old, new))
        elif old.is_running and not new.is_running and new.session is not None:
            reason = _reason(new.session.end_reason)
            trigger = _TRIGGERS.get(reason, "AbnormalCondition")
            self._post(transaction, new, "Updated", trigger, {})
        elif charging_state(new) != transaction.charging_state:
            self._post(transaction, new, "Updated", "ChargingStateChanged", {})

    def _end(self, transaction: Transaction, old: Evse, new: Evse) -> None:
        same = new.session is not None and new.session.number == transaction.session
        told = new.session.end_reason if same and new.session else ""
        if not told and old.session is not None:
            told = old.session.end_reason
        reason = _reason(told or "EVDisconnected")
        metered = new if new.meter.total_wh >= old.meter.total_wh else old
        names = "SampledDataCtrlr.TxEndedMeasurands"
        values = [self._value(metered, "Transaction.End", names)]
        values += self._signed(metered, "Transaction.End")
        fields: dict[str, Any] = {"stopped_reason": reason, "meter_value": values}
        unplugged = new.car is None and old.car is not None
        trigger = _TRIGGERS.get(reason, "AbnormalCondition")
        self._post(
            transaction, new, "Ended", "EVCommunicationLost" if unplugged else trigger, fields
        )
        self._hearing.ended.add(new.spec.evse_id)

    def _value(self, evse: Evse, context: str, names: str) -> Any:
        wanted = self._settings.words(names)
        return meter_value(evse, self._stamp(), context, wanted, self._habits)

    def _signed(self, evse: Evse, context: str) -> list[Any]:
        if self._seal is None:
            return []
        at, energy_wh = self._stamp(), evse.meter.total_wh
        return [signed_value(energy_wh, at, context, self._seal(energy_wh, at, context))]

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
        if trigger == "RemoteStart" and transaction.remote_start_id is not None:
            info["remote_start_id"] = transaction.remote_start_id
        fields = {
            "event_type": kind,
            "timestamp": self._stamp(),
            "trigger_reason": trigger,
            "transaction_info": info,
            "offline": not self._hearing.online,
            **more,
        }
        if kind == "Started":
            number = int(evse.spec.evse_id.rpartition("*")[2])
            fields["evse"] = {"id": number, "connector_id": 1}
        entry = Entry(transaction, fields, sample)
        self.outbox.number(entry)
        lost = kind == "Started" and "stop_without_start" in self._habits
        if lost or (not self._hearing.online and "no_queue" in self._habits):
            return
        self.outbox.put(entry)
        self._hearing.woken.set()


def _reason(reason: str) -> str:
    """The standard's word; what the pile calls otherwise is Other."""
    told = _REASONS.get(reason, reason)
    return told if told in _KNOWN_REASONS else "Other"
