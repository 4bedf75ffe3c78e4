"""Sends what the journal holds, one call at a time, and keeps what could not be sent."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from ocpp.exceptions import OCPPError
from ocpp.v201 import call

from firmware_sim.config_tables import OcppTable
from firmware_sim.core.controller import authorise, stop
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.messages import (
    boot_notification,
    id_token,
    meter_value,
    status_notification,
)
from firmware_sim.faces.ocpp201.outbox import Entry
from firmware_sim.faces.ocpp201.station import Desk, Station

_log = structlog.get_logger(__name__)
# How often a message is sent that is answered with an error (OCPPCommCtrlr.MessageAttempts).
_ATTEMPTS = 3
_RETRY_S = 1.0
_MIN_BOOT_RETRY_S = 0.5


class Sender:
    """Everything that a charging station says of its own accord."""

    def __init__(self, desk: Desk, journal: Journal, spec: PileSpec, table: OcppTable) -> None:
        self._desk = desk
        self._journal = journal
        self._spec = spec
        self._table = table
        self._promised: list[Any] = []
        self._alerts_sent = 0

    async def boot(self, station: Station, reason: str) -> None:
        """Says who the pile is until it is accepted; takes over the heartbeat interval."""
        while True:
            answer = await self._call(station, boot_notification(self._spec, reason))
            if answer is not None:
                if answer.interval > 0:
                    self._desk.variables.heartbeat_s = float(answer.interval)
                if answer.status == "Accepted":
                    break
            interval = answer.interval if answer is not None else 0
            await asyncio.sleep(max(float(interval), _MIN_BOOT_RETRY_S))
        if self._table.heartbeat_s > 0:
            self._desk.variables.heartbeat_s = self._table.heartbeat_s

    def tell_everything(self) -> None:
        """Makes every connector's status due, as after a new connection."""
        self._journal.statuses.update(
            dict.fromkeys(evse.spec.evse_id for evse in self._desk.pile.evses)
        )
        self._journal.woken.set()

    def promise(self, request: Any) -> None:
        """Makes a request due, after what was promised before."""
        self._promised.append(request)
        self._journal.woken.set()

    def promise_boot(self) -> None:
        """Makes a triggered boot notification due."""
        self.promise(boot_notification(self._spec, "Triggered"))

    def promise_meter(self, number: int, evse: Evse, context: str) -> None:
        """Makes the meter values of an EVSE without transaction due."""
        value: Any = meter_value(evse, self._desk.stamp(), context)
        self.promise(call.MeterValues(evse_id=number, meter_value=[value]))

    async def deliver(self, station: Station) -> None:
        """Sends what is due until cancelled; a lost link leaves the rest for the next one."""
        while True:
            await self._journal.woken.wait()
            self._journal.woken.clear()
            while await self._deliver_one(station):
                pass

    async def heartbeat(self, station: Station) -> None:
        """Beats at the interval that the central system gave."""
        while True:
            await asyncio.sleep(self._desk.variables.heartbeat_s or 3600.0)
            if self._desk.variables.heartbeat_s:
                await self._call(station, call.Heartbeat())

    async def sample(self) -> None:
        """Samples the meters of running transactions."""
        while True:
            await asyncio.sleep(self._desk.variables.sample_s or 3600.0)
            for evse in self._desk.pile.evses if self._desk.variables.sample_s else ():
                self._journal.sample(evse)

    async def align(self) -> None:
        """Samples the meters of idle EVSEs, where that was asked for."""
        while True:
            await asyncio.sleep(self._desk.variables.aligned_s or 1.0)
            for number, evse in enumerate(self._desk.pile.evses, 1):
                if (
                    self._desk.variables.aligned_s
                    and evse.spec.evse_id not in self._journal.running
                ):
                    self.promise_meter(number, evse, "Sample.Clock")

    async def _deliver_one(self, station: Station) -> bool:
        """Sends one message; False when nothing is due."""
        journal = self._journal
        if self._promised:
            await self._call(station, self._promised[0])
            self._promised.pop(0)
        elif journal.statuses:
            await self._send_status(station, next(iter(journal.statuses)))
        elif journal.alerts:
            await self._send_alerts(station)
        elif journal.drivers:
            await self._ask_about_driver(station)
        elif (entry := journal.outbox.head()) is not None:
            await self._send_entry(station, entry)
        else:
            return False
        return True

    async def _send_status(self, station: Station, evse_id: str) -> None:
        # Forgotten before it is sent: a change during the call must be told again.
        del self._journal.statuses[evse_id]
        number = int(evse_id.rpartition("*")[2])
        evse, habits = self._desk.fleet.evse(evse_id), self._desk.habits
        try:
            await self._call(station, status_notification(number, evse, self._desk.stamp(), habits))
        except BaseException:
            self._journal.statuses[evse_id] = None
            raise

    async def _send_alerts(self, station: Station) -> None:
        due = list(self._journal.alerts)
        request = call.NotifyEvent(self._desk.stamp(), self._alerts_sent, due)
        await self._call(station, request)
        self._alerts_sent += 1
        del self._journal.alerts[: len(due)]

    async def _ask_about_driver(self, station: Station) -> None:
        (evse_id, number), token = next(iter(self._journal.drivers.items()))
        shown: Any = id_token(token, self._table.free_token)
        answer = await self._call(station, call.Authorize(id_token=shown))
        self._journal.drivers.pop((evse_id, number), None)
        session = self._desk.fleet.evse(evse_id).session
        if session is None or session.number != number:
            return
        if answer is not None and _verdict(answer) == "Accepted":
            self._desk.fleet.change(evse_id, lambda e: authorise(e, token))
        else:
            _log.info("driver refused", pile=self._spec.pile_id, evse=evse_id)

    async def _send_entry(self, station: Station, entry: Entry) -> None:
        outbox = self._journal.outbox
        entry.attempts += 1
        request = call.TransactionEvent(**entry.fields)
        answer = await self._call(station, request, entry.message_id)
        if answer is None:
            if entry.attempts >= _ATTEMPTS:
                _log.error("message given up", pile=self._spec.pile_id)
                outbox.done(entry)
            else:
                await asyncio.sleep(_RETRY_S)
            return
        if entry.fields["event_type"] == "Started" and _verdict(answer) not in ("", "Accepted"):
            self._end_refused(entry)
        outbox.done(entry)

    def _end_refused(self, entry: Entry) -> None:
        """Ends a transaction whose token was refused (StopTxOnInvalidId)."""
        evse_id, number = entry.transaction.evse_id, entry.transaction.session
        session = self._desk.fleet.evse(evse_id).session
        if session is not None and session.number == number:
            self._desk.fleet.change(evse_id, lambda e: stop(e, "DeAuthorized"))

    async def _call(self, station: Station, request: Any, message_id: str | None = None) -> Any:
        """The answer; None when the central system answered with an error."""
        try:
            return await station.call(request, suppress=False, unique_id=message_id)
        except OCPPError as error:
            _log.warning(
                "call refused",
                pile=self._spec.pile_id,
                action=type(request).__name__,
                reason=str(error),
            )
            return None


def _verdict(answer: Any) -> str:
    """The authorisation status; "" where none was given."""
    info = getattr(answer, "id_token_info", None)
    return str(info.get("status", "")) if isinstance(info, dict) else ""
