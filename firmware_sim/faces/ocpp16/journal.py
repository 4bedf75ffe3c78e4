"""Turns changes of a pile into what its central system must hear, in the order it happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ocpp.v16 import call
from ocpp.v16.enums import ReadingContext, Reason

from firmware_sim.core.evse import Evse, Phase
from firmware_sim.core.status import ocpp_error, ocpp_status
from firmware_sim.faces.ocpp16.messages import meter_value
from firmware_sim.faces.ocpp16.outbox import Entry, Outbox, TransactionKey


class Journal:
    """What is still to be told: connectors whose status changed, drivers to ask about, mail.

    `woken` is set whenever something was added. `free_token` stands for a driver who showed none.
    """

    def __init__(self, outbox: Outbox, stamp: Callable[[], str], free_token: str) -> None:
        self.outbox = outbox
        self.woken = asyncio.Event()
        self.statuses: dict[str, None] = {}
        self.drivers: dict[TransactionKey, str] = {}
        self._stamp = stamp
        self._free_token = free_token

    def note(self, old: Evse, new: Evse) -> None:
        """Takes one change of one EVSE."""
        if _running_key(old) != _running_key(new):
            self._note_transaction(old, new)
        session = new.session
        if session and session.phase is Phase.WAITING and session.granted_token is None:
            key = TransactionKey(new.spec.evse_id, session.number)
            if session.presented_token and _session_number(old) != session.number:
                self.drivers[key] = session.presented_token
        if (ocpp_status(old), ocpp_error(old)) != (ocpp_status(new), ocpp_error(new)):
            self.statuses[new.spec.evse_id] = None
        if self.statuses or self.drivers or len(self.outbox):
            self.woken.set()

    def sample(self, evse: Evse, connector_id: int, context: ReadingContext) -> None:
        """Puts one meter sample of a running transaction into the mail."""
        key = _running_key(evse)
        if key is not None:
            value = meter_value(evse, self._stamp(), context)
            fields = {"connector_id": connector_id, "meter_value": [value]}
            self._post(key, fields, call.MeterValues)

    def _note_transaction(self, old: Evse, new: Evse) -> None:
        at = self._stamp()
        if (ended := _running_key(old)) is not None:
            same = new.session is not None and new.session.number == ended.session
            reason = new.session.end_reason if same and new.session else "EVDisconnected"
            meter = max(old.meter.total_wh, new.meter.total_wh if same else 0.0)
            fields = {"meter_stop": int(meter), "timestamp": at, "reason": Reason(reason)}
            self._post(ended, fields, call.StopTransaction)
        if (begun := _running_key(new)) is not None and new.session is not None:
            held = old.reservation
            token = new.session.granted_token or self._free_token
            fields = {
                "connector_id": int(new.spec.evse_id.rpartition("*")[2]),
                "id_tag": token,
                "meter_start": int(new.session.start_wh),
                "timestamp": at,
                "reservation_id": held.reservation_id if held and held.token == token else None,
            }
            self._post(begun, fields, call.StartTransaction)

    def _post(
        self,
        key: TransactionKey,
        fields: dict[str, object],
        kind: type[call.StartTransaction | call.MeterValues | call.StopTransaction],
    ) -> None:
        self.outbox.put(Entry(key, fields, kind))
        self.woken.set()


def _running_key(evse: Evse) -> TransactionKey | None:
    if evse.session is None or evse.session.phase is not Phase.RUNNING:
        return None
    return TransactionKey(evse.spec.evse_id, evse.session.number)


def _session_number(evse: Evse) -> int | None:
    return evse.session.number if evse.session else None
