"""Turns changes of a pile into what its central system must hear, in the order it happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ocpp.v16 import call
from ocpp.v16.enums import ReadingContext, Reason

from firmware_sim.core.evse import Evse, Phase
from firmware_sim.core.status import ocpp_error, ocpp_status
from firmware_sim.faces.ocpp16.messages import meter_value, signed_value
from firmware_sim.faces.ocpp16.outbox import Entry, Outbox, TransactionKey
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_settings import Settings
from firmware_sim.faces.ocpp_settling import Settling

Seal = Callable[[float, str, str], str]


class Journal:
    """What is still to be told: connectors whose status changed, drivers to ask about, mail.

    `woken` is set whenever something was added. `free_token` stands for a driver who showed none.
    `online` is whether the central system hears it; `ended` are connectors whose transaction just
    ended, for stations that flash Available then; `seal` signs readings, where the meter can.
    """

    def __init__(
        self,
        outbox: Outbox,
        stamp: Callable[[], str],
        free_token: str,
        settings: Settings,
        habits: Habits,
        seal: Seal | None = None,
    ) -> None:
        self.outbox = outbox
        self.woken = asyncio.Event()
        self.statuses: dict[str, None] = {}
        self.drivers: dict[TransactionKey, str] = {}
        self.ended: set[str] = set()
        self.online = False
        self._stamp = stamp
        self._free_token = free_token
        self._settings = settings
        self._habits = habits
        self._seal = seal
        self._begun: dict[TransactionKey, dict[str, Any]] = {}
        self._settling = Settling(self._status_due)

    def note(self, old: Evse, new: Evse) -> None:
        """Takes one change of one EVSE."""
        if _running_key(old) != _running_key(new):
            self._note_transaction(old, new)
        session = new.session
        if session and session.phase is Phase.WAITING and session.granted_token is None:
            key = TransactionKey(new.spec.evse_id, session.number)
            if session.presented_token and _session_number(old) != session.number:
                self.drivers[key] = session.presented_token
        if _told(old) != _told(new):
            least_s = self._settings.seconds("MinimumStatusDuration")
            self._settling.changed(new.spec.evse_id, least_s)
        if new.spec.evse_id in self.ended and "flash_available" in self._habits:
            self.statuses[new.spec.evse_id] = None
        if self.statuses or self.drivers or len(self.outbox):
            self.woken.set()

    def sample(
        self,
        evse: Evse,
        connector_id: int,
        context: ReadingContext,
        key_of: str = "MeterValuesSampledData",
    ) -> None:
        """Puts one meter sample of a running transaction into the mail."""
        key = _running_key(evse)
        if key is not None:
            fields = {
                "connector_id": connector_id,
                "meter_value": [self.value(evse, context, key_of)],
            }
            self._post(key, fields, call.MeterValues)

    def value(
        self, evse: Evse, context: ReadingContext, key_of: str = "MeterValuesSampledData"
    ) -> dict[str, Any]:
        """One sample of the measurands that a key names."""
        wanted = self._settings.words(key_of)
        return meter_value(evse, self._stamp(), context, wanted, self._habits)

    def _status_due(self, evse_id: str) -> None:
        self.statuses[evse_id] = None
        self.woken.set()

    def _note_transaction(self, old: Evse, new: Evse) -> None:
        if (ended := _running_key(old)) is not None:
            self._note_end(ended, old, new)
        if (begun := _running_key(new)) is not None and new.session is not None:
            held = old.reservation
            token = new.session.granted_token or self._free_token
            fields = {
                "connector_id": int(new.spec.evse_id.rpartition("*")[2]),
                "id_tag": token,
                "meter_start": int(new.session.start_wh),
                "timestamp": self._stamp(),
                "reservation_id": held.reservation_id if held and held.token == token else None,
            }
            if self._seal is not None:
                context = ReadingContext.transaction_begin
                self._begun[begun] = self._signed(new.session.start_wh, context)
            if "stop_without_start" not in self._habits:
                self._post(begun, fields, call.StartTransaction)

    def _note_end(self, ended: TransactionKey, old: Evse, new: Evse) -> None:
        same = new.session is not None and new.session.number == ended.session
        reason = new.session.end_reason if same and new.session else "EVDisconnected"
        meter_wh = max(old.meter.total_wh, new.meter.total_wh if same else 0.0)
        data = [self._begun.pop(ended)] if ended in self._begun else []
        if self._settings.words("StopTxnSampledData"):
            context = ReadingContext.transaction_end
            data.append(self.value(old, context, "StopTxnSampledData"))
        if self._seal is not None:
            data.append(self._signed(meter_wh, ReadingContext.transaction_end))
        fields = {
            "meter_stop": int(meter_wh),
            "timestamp": self._stamp(),
            "reason": _reason(reason),
            "transaction_data": data or None,
        }
        self._post(ended, fields, call.StopTransaction)
        self.ended.add(new.spec.evse_id)

    def _signed(self, energy_wh: float, context: ReadingContext) -> dict[str, Any]:
        assert self._seal is not None
        at = self._stamp()
        return signed_value(self._seal(energy_wh, at, context), at, context)

    def _post(
        self,
        key: TransactionKey,
        fields: dict[str, object],
        kind: type[call.StartTransaction | call.MeterValues | call.StopTransaction],
    ) -> None:
        if not self.online and "no_queue" in self._habits:
            return
        self.outbox.put(Entry(key, fields, kind))
        self.woken.set()


def _told(evse: Evse) -> tuple[str, tuple[str, str]]:
    return ocpp_status(evse), ocpp_error(evse)


def _reason(reason: str) -> Reason:
    """The standard's word; what the pile calls otherwise is Other."""
    return Reason(reason) if reason in {str(known) for known in Reason} else Reason.other


def _running_key(evse: Evse) -> TransactionKey | None:
    if evse.session is None or evse.session.phase is not Phase.RUNNING:
        return None
    return TransactionKey(evse.spec.evse_id, evse.session.number)


def _session_number(evse: Evse) -> int | None:
    return evse.session.number if evse.session else None
