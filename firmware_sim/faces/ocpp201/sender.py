"""What a charging station says of its own accord, in OCPP 2.0.1.

How what is due goes out is in `faces/ocpp_sender.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from ocpp.v201 import call

from firmware_sim.config_tables import OcppTable
from firmware_sim.core.controller import authorise, stop
from firmware_sim.core.driver_list import Word
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import PileSpec
from firmware_sim.faces.ocpp201.desk import Desk
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.messages import (
    boot_notification,
    id_token,
    shown_status,
    status_notification,
    word,
)
from firmware_sim.faces.ocpp201.outbox import Entry
from firmware_sim.faces.ocpp_profiles import instant_ms
from firmware_sim.faces.ocpp_sender import Answered, Sender

_log = structlog.get_logger(__name__)
_HEARTBEAT = "OCPPCommCtrlr.HeartbeatInterval"


class Sender201(Sender):
    """Everything that a charging station says of its own accord."""

    def __init__(self, desk: Desk, journal: Journal, spec: PileSpec, table: OcppTable) -> None:
        super().__init__(spec.pile_id, journal, desk.habits, table)
        self._desk = desk
        self._journal = journal
        self._spec = spec
        self._alerts_sent = 0

    def boot_request(self, reason: str) -> Any:
        """Who the pile is, and why it boots."""
        return boot_notification(self._spec, reason)

    def heartbeat_request(self) -> Any:
        """A beat."""
        return call.Heartbeat()

    def heartbeat_s(self) -> float:
        """Real seconds between beats, 0 for none."""
        return self._desk.settings.seconds(_HEARTBEAT)

    def set_heartbeat_s(self, seconds: float) -> None:
        """Takes over the interval that the central system gave."""
        self._desk.settings.put(_HEARTBEAT, f"{seconds:g}")

    def tell_everything(self) -> None:
        """Makes every connector's status due, as after a new connection."""
        self._journal.statuses.update(
            dict.fromkeys(evse.spec.evse_id for evse in self._desk.pile.evses)
        )
        self._journal.woken.set()

    def status_requests(self, evse_id: str) -> Sequence[Any]:
        """The status of a connector; before an end some stations show Available for a moment."""
        at = self._desk.stamp()
        if "only_station_status" in self._habits:
            out = not any(evse.is_operative for evse in self._desk.pile.evses)
            return [status_notification(0, "Unavailable" if out else "Available", at)]
        number = int(evse_id.rpartition("*")[2])
        status = shown_status(self._desk.fleet.evse(evse_id), self._habits)
        flashes = evse_id in self._journal.ended and "flash_available" in self._habits
        self._journal.ended.discard(evse_id)
        request = status_notification(number, status, at)
        if flashes and status != "Available":
            return [status_notification(number, "Available", at), request]
        return [request]

    def promise_meter(self, number: int, evse: Evse, context: str) -> None:
        """Makes the meter values of an EVSE without transaction due."""
        by_clock = context == "Sample.Clock"
        names = (
            "AlignedDataCtrlr.Measurands" if by_clock else "SampledDataCtrlr.TxUpdatedMeasurands"
        )
        value: Any = self._journal.value(evse, context, names)
        self.promise(call.MeterValues(evse_id=number, meter_value=[value]))

    async def sample(self) -> None:
        """Samples the meters of running transactions."""
        while True:
            every_s = self._desk.settings.seconds("SampledDataCtrlr.TxUpdatedInterval")
            await asyncio.sleep(every_s or 1.0)
            for evse in self._desk.pile.evses if every_s else ():
                self._journal.sample(evse)

    def align(self) -> None:
        """Samples every meter because the clock says so; idle ones only while online."""
        for number, evse in enumerate(self._desk.pile.evses, 1):
            told = self._journal.sample(evse, "Sample.Clock", "MeterValueClock")
            if not told and self._journal.online:
                self.promise_meter(number, evse, "Sample.Clock")

    async def deliver_mail(self, station: Answered) -> bool:
        """Tells of faults and reservations, asks about a driver, sends the next event."""
        journal = self._journal
        if journal.alerts:
            await self._send_alerts(station)
        elif journal.notices:
            await self._call(station, journal.notices[0])
            journal.notices.pop(0)
        elif journal.drivers:
            await self._ask_about_driver(station)
        elif (entry := journal.outbox.head()) is not None:
            await self._send_entry(station, entry)
        else:
            return False
        return True

    def trust_known_driver(self, key: tuple[str, int], token: str, *, offline: bool) -> bool:
        """Lets a driver on, or not, by what the pile knows itself; False if it has to ask."""
        settings, known = self._desk.settings, None
        name = "AuthCtrlr.LocalAuthorizeOffline" if offline else "AuthCtrlr.LocalPreAuthorize"
        if settings.is_on(name):
            known = self._desk.drivers.status(
                token,
                self._desk.now_ms(),
                use_list=settings.is_on("LocalAuthListCtrlr.Enabled"),
                use_cache=settings.is_on("AuthCacheCtrlr.Enabled"),
            )
        unknown = known is None and settings.is_on("AuthCtrlr.OfflineTxForUnknownIdEnabled")
        if known == "Accepted" or (offline and unknown):
            self._desk.fleet.change(key[0], lambda e: authorise(e, token))
            return True
        return offline

    async def _send_alerts(self, station: Answered) -> None:
        due = list(self._journal.alerts)
        request = call.NotifyEvent(self._desk.stamp(), self._alerts_sent, due)
        await self._call(station, request)
        self._alerts_sent += 1
        del self._journal.alerts[: len(due)]

    async def _ask_about_driver(self, station: Answered) -> None:
        key, token = next(iter(self._journal.drivers.items()))
        if self.trust_known_driver(key, token, offline=False):
            self._journal.drivers.pop(key, None)
            return
        shown: Any = id_token(token, self._table.free_token)
        answer = await self._call(station, call.Authorize(id_token=shown))
        self._journal.drivers.pop(key, None)
        self._remember(token, answer)
        session = self._desk.fleet.evse(key[0]).session
        if session is None or session.number != key[1]:
            return
        if answer is not None and _verdict(answer) == "Accepted":
            self._desk.fleet.change(key[0], lambda e: authorise(e, token))
        else:
            _log.info("driver refused", pile=self._spec.pile_id, evse=key[0])

    async def _send_entry(self, station: Answered, entry: Entry) -> None:
        outbox, settings = self._journal.outbox, self._desk.settings
        entry.attempts += 1
        answer = await self._call(station, call.TransactionEvent(**entry.fields), entry.message_id)
        if answer is None:
            if entry.attempts >= settings.count("OCPPCommCtrlr.MessageAttempts"):
                _log.error("message given up", pile=self._spec.pile_id)
                outbox.done(entry)
            else:
                every_s = settings.seconds("OCPPCommCtrlr.MessageAttemptInterval")
                await asyncio.sleep(every_s * entry.attempts)
            return
        token = entry.fields.get("id_token")
        if token is not None:
            self._remember(token["id_token"], answer)
            refused = _verdict(answer) not in ("", "Accepted")
            if refused and settings.is_on("TxCtrlr.StopTxOnInvalidId"):
                self._end_refused(entry)
        outbox.done(entry)

    def _remember(self, token: str, answer: Any) -> None:
        info = getattr(answer, "id_token_info", None)
        if not token or not isinstance(info, dict):
            return
        until = instant_ms(info.get("cache_expiry_date_time"))
        self._desk.drivers.remember(token, Word(str(info.get("status", "")), until))

    def _end_refused(self, entry: Entry) -> None:
        """Ends a transaction whose token was refused (StopTxOnInvalidId)."""
        evse_id, number = entry.transaction.evse_id, entry.transaction.session
        session = self._desk.fleet.evse(evse_id).session
        if session is not None and session.number == number:
            self._desk.fleet.change(evse_id, lambda e: stop(e, "DeAuthorized"))


def security_event(kind: str, at: str, info: str) -> Any:
    """A security event of OCPP 2.0.1, appendix 1."""
    return call.SecurityEventNotification(
        type=word(kind), timestamp=at, tech_info=info[:255] or None
    )


def _verdict(answer: Any) -> str:
    """The authorisation status; "" where none was given."""
    info = getattr(answer, "id_token_info", None)
    return str(info.get("status", "")) if isinstance(info, dict) else ""
