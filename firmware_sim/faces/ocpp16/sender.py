"""What a charge point says of its own accord, in OCPP 1.6.

How what is due goes out is in `faces/ocpp_sender.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from ocpp.v16 import call
from ocpp.v16.enums import AuthorizationStatus, ReadingContext

from firmware_sim.config_tables import OcppTable
from firmware_sim.core.controller import authorise, stop
from firmware_sim.core.driver_list import Word
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.ocpp16.desk import Desk
from firmware_sim.faces.ocpp16.journal import Journal
from firmware_sim.faces.ocpp16.messages import (
    boot_notification,
    shown_status,
    station_status,
    status_notification,
)
from firmware_sim.faces.ocpp16.outbox import Entry, TransactionKey
from firmware_sim.faces.ocpp_profiles import instant_ms
from firmware_sim.faces.ocpp_sender import Answered, Sender

_log = structlog.get_logger(__name__)
_ACCEPTED = AuthorizationStatus.accepted


class Sender16(Sender):
    """Everything that a charge point says of its own accord."""

    def __init__(self, desk: Desk, journal: Journal, spec: PileSpec, table: OcppTable) -> None:
        super().__init__(spec.pile_id, journal, desk.habits, table)
        self._desk = desk
        self._journal = journal
        self._spec = spec
        self._told: dict[str, tuple[str, str]] = {}

    def boot_request(self, reason: str) -> Any:
        """Who the pile is; 1.6 gives no reason."""
        return boot_notification(self._spec)

    def heartbeat_request(self) -> Any:
        """A beat."""
        return call.Heartbeat()

    def heartbeat_s(self) -> float:
        """Real seconds between beats, 0 for none."""
        return self._desk.settings.seconds("HeartbeatInterval")

    def set_heartbeat_s(self, seconds: float) -> None:
        """Takes over the interval that the central system gave."""
        self._desk.settings.put("HeartbeatInterval", f"{seconds:g}")

    def tell_everything(self) -> None:
        """Makes every connector's status due, as after a new connection."""
        self._told.clear()
        self.promise(self.station_request())
        self._journal.statuses.update(
            dict.fromkeys(evse.spec.evse_id for evse in self._desk.pile.evses)
        )
        self._journal.woken.set()

    def station_request(self) -> Any:
        """The status of connector 0."""
        return station_status(self._desk.pile, self._status_stamp())

    def status_requests(self, evse_id: str) -> Sequence[Any]:
        """The status of a connector; before an end some stations show Available for a moment."""
        if "only_station_status" in self._habits:
            return [self.station_request()]
        number = int(evse_id.rpartition("*")[2])
        evse, at = self._desk.fleet.evse(evse_id), self._status_stamp()
        request = status_notification(number, evse, at, self._habits)
        told = (str(request.status), f"{request.error_code}/{request.vendor_error_code}")
        if self._told.get(evse_id) == told and self._desk.settings.count("MinimumStatusDuration"):
            return []
        self._told[evse_id] = told
        flashes = evse_id in self._journal.ended and "flash_available" in self._habits
        self._journal.ended.discard(evse_id)
        if flashes and shown_status(evse, self._habits) != "Available":
            flash = status_notification(number, evse, at, self._habits, "Available")
            return [flash, request]
        return [request]

    async def sample(self) -> None:
        """Samples the meters of running transactions."""
        while True:
            every_s = self._desk.settings.seconds("MeterValueSampleInterval")
            await asyncio.sleep(every_s or 1.0)
            if not every_s:
                continue
            for number, evse in enumerate(self._desk.pile.evses, 1):
                self._journal.sample(evse, number, ReadingContext.sample_periodic)

    def align(self) -> None:
        """Samples every meter because the clock says so; idle ones only while online."""
        for number, evse in enumerate(self._desk.pile.evses, 1):
            context = ReadingContext.sample_clock
            if evse.is_running:
                self._journal.sample(evse, number, context, "MeterValuesAlignedData")
            elif self._journal.online:
                value = self._journal.value(evse, context, "MeterValuesAlignedData")
                self.promise(call.MeterValues(connector_id=number, meter_value=[value]))

    async def deliver_mail(self, station: Answered) -> bool:
        """Asks about a driver or sends the next transaction message."""
        if self._journal.drivers:
            await self._ask_about_driver(station)
        elif (entry := self._journal.outbox.head()) is not None:
            await self._send_entry(station, entry)
        else:
            return False
        return True

    def trust_known_driver(self, key: TransactionKey, token: str, *, offline: bool) -> bool:
        """Lets a driver on, or not, by what the pile knows itself; False if it has to ask."""
        settings, drivers = self._desk.settings, self._desk.drivers
        if not settings.is_on("LocalAuthorizeOffline" if offline else "LocalPreAuthorize"):
            known = None
        else:
            known = drivers.status(
                token,
                self._desk.now_ms(),
                use_list=settings.is_on("LocalAuthListEnabled"),
                use_cache=settings.is_on("AuthorizationCacheEnabled"),
            )
        if known == _ACCEPTED or (offline and self._is_let_on_unknown(known)):
            self._desk.fleet.change(key.evse_id, lambda e: authorise(e, token))
            return True
        return offline

    def _is_let_on_unknown(self, known: str | None) -> bool:
        return known is None and self._desk.settings.is_on("AllowOfflineTxForUnknownId")

    def _status_stamp(self) -> str | None:
        return None if "stamps_missing" in self._habits else self._desk.stamp()

    async def _ask_about_driver(self, station: Answered) -> None:
        key, token = next(iter(self._journal.drivers.items()))
        if self.trust_known_driver(key, token, offline=False):
            self._journal.drivers.pop(key, None)
            return
        answer = await self._call(station, call.Authorize(id_tag=token))
        self._journal.drivers.pop(key, None)
        if answer is not None:
            self._remember(token, answer.id_tag_info)
        session = self._desk.fleet.evse(key.evse_id).session
        if session is None or session.number != key.session:
            return
        if answer is not None and _status(answer.id_tag_info) == _ACCEPTED:
            self._desk.fleet.change(key.evse_id, lambda e: authorise(e, token))
        else:
            _log.info("driver refused", pile=self._spec.pile_id, evse=key.evse_id)

    async def _send_entry(self, station: Answered, entry: Entry) -> None:
        outbox, settings = self._journal.outbox, self._desk.settings
        request = outbox.request(entry)
        if request is None:
            outbox.done(entry)
            return
        entry.attempts += 1
        answer = await self._call(station, request, entry.message_id)
        if answer is None:
            if entry.attempts >= settings.count("TransactionMessageAttempts"):
                _log.error("message given up", pile=self._spec.pile_id, kind=entry.kind.__name__)
                outbox.done(entry)
            else:
                # 1.6: the interval grows with each attempt.
                every_s = settings.seconds("TransactionMessageRetryInterval")
                await asyncio.sleep(every_s * entry.attempts)
            return
        if entry.kind is call.StartTransaction:
            outbox.started(entry.key, answer.transaction_id)
            self._remember(entry.fields["id_tag"], answer.id_tag_info)
            refused = _status(answer.id_tag_info) != _ACCEPTED
            if refused and settings.is_on("StopTransactionOnInvalidId"):
                self._end_refused(entry)
        outbox.done(entry)

    def _remember(self, token: str, info: Any) -> None:
        until = info.get("expiry_date") if isinstance(info, dict) else None
        word = Word(_status(info), instant_ms(until) if until else None)
        if token != self._table.free_token and word.status:
            self._desk.drivers.remember(token, word)

    def _end_refused(self, entry: Entry) -> None:
        """Ends a transaction whose token was refused (StopTransactionOnInvalidId)."""
        session = self._desk.fleet.evse(entry.key.evse_id).session
        if session is not None and session.number == entry.key.session:
            self._desk.fleet.change(entry.key.evse_id, lambda e: stop(e, "DeAuthorized"))


def security_event(kind: str, at: str, info: str) -> Any:
    """A security event of the 1.6 security whitepaper."""
    return call.SecurityEventNotification(type=kind, timestamp=at, tech_info=info[:255] or None)


def _status(id_tag_info: Any) -> str:
    """The authorisation status; the package gives nested objects as plain dictionaries."""
    return str(id_tag_info.get("status", "")) if isinstance(id_tag_info, dict) else ""
