"""Sends what the journal holds, one call at a time, and keeps what could not be sent."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from ocpp.exceptions import OCPPError
from ocpp.v16 import call
from ocpp.v16.enums import AuthorizationStatus, MessageTrigger, ReadingContext, RegistrationStatus

from firmware_sim.config_tables import OcppTable
from firmware_sim.core.controller import authorise, stop
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.ocpp16.journal import Journal
from firmware_sim.faces.ocpp16.messages import (
    boot_notification,
    station_status,
    status_notification,
)
from firmware_sim.faces.ocpp16.outbox import Entry
from firmware_sim.faces.ocpp16.station import Desk, Station

_log = structlog.get_logger(__name__)
# OCPP 1.6 TransactionMessageAttempts: how often a message is sent that is answered with an error.
_ATTEMPTS = 3
_RETRY_S = 1.0
_MIN_BOOT_RETRY_S = 0.5


class Sender:
    """Everything that a charge point says of its own accord."""

    def __init__(self, desk: Desk, journal: Journal, spec: PileSpec, table: OcppTable) -> None:
        self._desk = desk
        self._journal = journal
        self._spec = spec
        self._table = table
        self._promised: list[tuple[MessageTrigger, int | None]] = []

    async def boot(self, station: Station) -> None:
        """Says who the pile is until it is accepted; takes over the heartbeat interval."""
        while True:
            answer = await self._call(station, boot_notification(self._spec))
            if answer is not None:
                if answer.interval > 0:
                    self._desk.settings.heartbeat_s = float(answer.interval)
                if answer.status == RegistrationStatus.accepted:
                    break
            interval = answer.interval if answer is not None else 0
            await asyncio.sleep(max(float(interval), _MIN_BOOT_RETRY_S))
        if self._table.heartbeat_s > 0:
            self._desk.settings.heartbeat_s = self._table.heartbeat_s

    def tell_everything(self) -> None:
        """Makes every connector's status due, as after a new connection."""
        self._promised.append((MessageTrigger.status_notification, 0))
        self._journal.statuses.update(
            dict.fromkeys(evse.spec.evse_id for evse in self._desk.pile.evses)
        )
        self._journal.woken.set()

    def promise(self, message: MessageTrigger, connector_id: int | None) -> None:
        """Makes a triggered message due."""
        self._promised.append((message, connector_id))
        self._journal.woken.set()

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
            await asyncio.sleep(self._desk.settings.heartbeat_s or 3600.0)
            if self._desk.settings.heartbeat_s:
                await self._call(station, call.Heartbeat())

    async def sample(self) -> None:
        """Samples the meters of running transactions."""
        while True:
            await asyncio.sleep(self._desk.settings.sample_s or 3600.0)
            if not self._desk.settings.sample_s:
                continue
            for number, evse in enumerate(self._desk.pile.evses, 1):
                self._journal.sample(evse, number, ReadingContext.sample_periodic)

    async def _deliver_one(self, station: Station) -> bool:
        """Sends one message; False when nothing is due."""
        journal = self._journal
        if self._promised:
            await self._keep_promise(station, *self._promised[0])
            self._promised.pop(0)
        elif journal.statuses:
            await self._send_status(station, next(iter(journal.statuses)))
        elif journal.drivers:
            await self._ask_about_driver(station)
        elif (entry := journal.outbox.head()) is not None:
            await self._send_entry(station, entry)
        else:
            return False
        return True

    async def _keep_promise(
        self, station: Station, message: MessageTrigger, connector_id: int | None
    ) -> None:
        if message is MessageTrigger.boot_notification:
            await self._call(station, boot_notification(self._spec))
        elif message is MessageTrigger.heartbeat:
            await self._call(station, call.Heartbeat())
        elif connector_id == 0:
            await self._call(station, station_status(self._desk.pile, self._status_stamp()))
        else:
            evse = self._desk.evse(connector_id)
            due = self._desk.pile.evses if evse is None else (evse,)
            self._journal.statuses.update(dict.fromkeys(e.spec.evse_id for e in due))

    async def _send_status(self, station: Station, evse_id: str) -> None:
        # Forgotten before it is sent: a change during the call must be told again.
        del self._journal.statuses[evse_id]
        number = int(evse_id.rpartition("*")[2])
        evse = self._desk.fleet.evse(evse_id)
        try:
            stamp, habits = self._status_stamp(), self._desk.habits
            await self._call(station, status_notification(number, evse, stamp, habits))
        except BaseException:
            self._journal.statuses[evse_id] = None
            raise

    def _status_stamp(self) -> str | None:
        return None if "stamps_missing" in self._desk.habits else self._desk.stamp()

    async def _ask_about_driver(self, station: Station) -> None:
        key, token = next(iter(self._journal.drivers.items()))
        answer = await self._call(station, call.Authorize(id_tag=token))
        self._journal.drivers.pop(key, None)
        session = self._desk.fleet.evse(key.evse_id).session
        if session is None or session.number != key.session:
            return
        if answer is not None and _status(answer.id_tag_info) == AuthorizationStatus.accepted:
            self._desk.fleet.change(key.evse_id, lambda e: authorise(e, token))
        else:
            _log.info("driver refused", pile=self._spec.pile_id, evse=key.evse_id)

    async def _send_entry(self, station: Station, entry: Entry) -> None:
        outbox = self._journal.outbox
        request = outbox.request(entry)
        if request is None:
            outbox.done(entry)
            return
        entry.attempts += 1
        answer = await self._call(station, request, entry.message_id)
        if answer is None:
            if entry.attempts >= _ATTEMPTS:
                _log.error("message given up", pile=self._spec.pile_id, kind=entry.kind.__name__)
                outbox.done(entry)
            else:
                await asyncio.sleep(_RETRY_S)
            return
        if entry.kind is call.StartTransaction:
            outbox.started(entry.key, answer.transaction_id)
            if _status(answer.id_tag_info) != AuthorizationStatus.accepted:
                self._end_refused(entry)
        outbox.done(entry)

    def _end_refused(self, entry: Entry) -> None:
        """Ends a transaction whose token was refused (StopTransactionOnInvalidId)."""
        session = self._desk.fleet.evse(entry.key.evse_id).session
        if session is not None and session.number == entry.key.session:
            self._desk.fleet.change(entry.key.evse_id, lambda e: stop(e, "DeAuthorized"))

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


def _status(id_tag_info: Any) -> str:
    """The authorisation status; the package gives nested objects as plain dictionaries."""
    return str(id_tag_info.get("status", "")) if isinstance(id_tag_info, dict) else ""
