"""A pile that speaks OCPP 2.0.1: its messages become readings, sessions and faults.

Who may connect belongs to `ocpp_server.py`, one connection's frames to `ocpp201_link.py`, what all
OCPP piles have in common to `ocpp_pile.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog

from edge_agent.core.ocpp_clock import Stamp
from edge_agent.core.ocpp_events import Event, Place, read_event
from edge_agent.core.ocpp_evse import EvseWords
from edge_agent.core.ocpp_meter import sampled
from edge_agent.core.ocpp_transaction import Known, TransactionEvent
from edge_agent.core.plausibility import plausible
from edge_agent.core.reading import NO_VALUES, Detail, Fault, Record, RecordKind, Values
from edge_agent.core.status import OCPP201_TABLE
from edge_agent.piles.ocpp201_asks import Asks201
from edge_agent.piles.ocpp201_link import Link201
from edge_agent.piles.ocpp_pile import OcppPile, token_hash
from edge_agent.piles.port import StationConnection

log: Final = structlog.get_logger("edge_agent.ocpp")
_UNNAMED: Final = Fault("OtherError", "Faulted", "Faulted, and no event said why")


class Ocpp201Pile(OcppPile):
    """One charging station; its EVSE n is our EVSE n, through all its connections."""

    version = "2.0.1"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._said = {n: EvseWords() for n in self.words}
        self._faults: dict[int, dict[Place, tuple[Fault, ...]]] = {n: {} for n in self.words}
        self.report: dict[str, str] = {}
        # Tokens of transactions that have no EVSE yet.
        self._early: dict[str, str] = {}

    def connect(self, connection: StationConnection) -> tuple[Link201, Asks201]:
        """The link of a fresh connection, and what can be asked over it."""
        link = Link201(self, connection)
        return link, Asks201(link)

    def status(self, evse: int, connector: int, word: str, timestamp: str | None = None) -> None:
        """Takes a StatusNotification; EVSE 0 speaks for the whole station."""
        now_ms = self.now_ms()
        self.clock = self.clock.heard(timestamp, now_ms)
        stamp = self.clock.present(timestamp, now_ms)
        if evse == 0:
            self.station = OCPP201_TABLE[word] if word in ("Unavailable", "Faulted") else None
            for number in self.words:
                if self._said[number].word or self.station is not None:
                    self._tell(number, stamp)
            return
        if evse not in self.words:
            self.counts["StatusNotification of an unknown EVSE"] += 1
            log.warning("unknown EVSE", pile_id=self.pile_id, evse=evse)
            return
        before = self._said[evse].word
        self._said[evse] = self._said[evse].told(connector, word)
        if before == "Faulted" and self._said[evse].word != "Faulted":
            # What was wrong is over, whether or not the station cleared each event.
            self._faults[evse] = {}
        self._tell(evse, stamp)

    def notify(self, entries: Sequence[Mapping[str, Any]]) -> list[Event]:
        """Takes a NotifyEvent; gives back what of it is worth an event record of its own."""
        unplaced: list[Event] = []
        for entry in entries:
            event = read_event(entry)
            place = event.place
            if event.word in OCPP201_TABLE:
                self.status(place.evse, place.connector or 1, event.word, entry.get("timestamp"))
                continue
            stamp = self.clock.present(entry.get("timestamp"), self.now_ms())
            # A fault of the station is one of each of its EVSEs.
            for number in self.words if place.evse == 0 else [place.evse]:
                held = self._faults.get(number)
                if held is None:
                    continue
                if event.faults:
                    held[place] = event.faults
                elif held.pop(place, None) is None:
                    continue
                if self._said[number].word or self.station is not None:
                    self._tell(number, stamp)
            if event.matters and not event.faults:
                unplaced.append(event)
        return unplaced

    def boot_ends(self) -> None:
        """A station that boots starts with a clean slate of events."""
        self._faults = {n: {} for n in self.words}

    async def transaction_event(self, event: TransactionEvent) -> None:
        """Takes a message of a transaction; returns after the commit. Repeated ones do nothing."""
        known = await self._transactions.look_up(self.pile_id, event.transaction_id, event.seq_no)
        if known is not None and (known.repeated or known.ended):
            self.counts["TransactionEvent repeated"] += 1
            return
        number = self._number(event, known)
        session_id = self._new_id() if known is None else known.session_id
        if known is None and event.kind == "Ended":
            session_id = f"ocpp-{self.pile_id}-{event.transaction_id}"
        evse_id = self.evse_ids[number - 1] if number else ""
        now = Known(evse_id, session_id, ended=event.kind == "Ended")
        records: list[Record] = []
        if number:
            if not event.offline:
                self._follow(number, event)
            fresh = known is None or not known.evse_id
            late = known is None and event.kind == "Updated"
            records = self._records(number, event, session_id, fresh=fresh, late=late)
        elif event.id_token and event.kind != "Ended":
            self._early[event.transaction_id] = token_hash(event.id_token)
        if event.id_token or event.reservation is not None:
            self.wishes.presented(event.id_token or "", event.reservation)
        await self._transactions.take_event(
            self.pile_id, event.transaction_id, event.seq_no, now, records
        )

    def _follow(self, number: int, event: TransactionEvent) -> None:
        """The EVSE's state after a live message."""
        said = self._said[number]
        if event.kind == "Ended":
            after = said.over(event.transaction_id, event.charging_state)
        else:
            after = said.running(event.transaction_id, event.charging_state)
        self._said[number] = after
        if after.word:
            self._tell(number, self.clock.present(event.timestamp, self.now_ms()))

    def _records(
        self, number: int, event: TransactionEvent, session_id: str, *, fresh: bool, late: bool
    ) -> list[Record]:
        stamp = self.clock.told(event.timestamp, self.now_ms())
        early = self._early.pop(event.transaction_id, "")
        token = token_hash(event.id_token) if event.id_token else early
        detail = Detail(session_id=session_id, id_token_hash=token)
        if event.kind == "Ended":
            ended = replace(detail, reason=event.stopped_reason or "Local")
            values = _register(event.samples, last=True)
            return [self.note(number, RecordKind.SESSION_END, stamp, ended, values)]
        records: list[Record] = []
        if fresh:
            # Begun elsewhere, or before this agent's spool was: it is a session all the same.
            begun = replace(detail, reason="JOINED_LATE") if late else detail
            values = _register(event.samples, last=False)
            records.append(self.note(number, RecordKind.SESSION_START, stamp, begun, values))
        return records + self.meter_records(number, event.samples)

    def _number(self, event: TransactionEvent, known: Known | None) -> int:
        """The EVSE; 0 while the driver is known and the EVSE is not chosen yet."""
        if known is not None and known.evse_id in self.evse_ids:
            return self.evse_ids.index(known.evse_id) + 1
        if event.evse in self.words:
            return event.evse
        return 1 if len(self.words) == 1 or (event.kind == "Ended" and known is None) else 0

    def _tell(self, number: int, stamp: Stamp) -> None:
        word, said = self.words[number], self._said[number]
        word.state = said.state
        held = {fault.code: fault for some in self._faults[number].values() for fault in some}
        if not held and said.word == "Faulted":
            held = {_UNNAMED.code: _UNNAMED}
        word.faults = tuple(held.values())
        if word.state.plugged is False:
            word.values = Values(energy_kwh=word.values.energy_kwh)
        self.tell(number, stamp)


def _register(samples: Sequence[Mapping[str, Any]], *, last: bool) -> Values:
    """The energy register of the first or last sample that has one."""
    for sample in reversed(samples) if last else samples:
        kept, _ = plausible(sampled(sample.get("sampled_value", ())))
        if kept.energy_kwh is not None:
            return Values(energy_kwh=kept.energy_kwh)
    return NO_VALUES
