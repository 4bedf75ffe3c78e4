"""The agent's live picture of its EVSEs: readings, sensor words and time go in, records come out.

Pure and single-threaded: whoever owns it calls it from one task. Records are not numbered here;
the spool does that on commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from edge_agent.core.energy_register import Carried, fell, lifted, with_register
from edge_agent.core.evse_state import EvseState
from edge_agent.core.occupancy import (
    BayWord,
    Fused,
    FusionRules,
    QueueWord,
    fuse,
    heard,
    lost,
    same_but_values,
)
from edge_agent.core.reading import (
    NO_VALUES,
    BayState,
    Detail,
    EvseStatus,
    Fault,
    Reading,
    Record,
    RecordKind,
    StatusSource,
    Surroundings,
    Values,
)
from edge_agent.core.reporting import Told, is_news, moved, worth_telling
from edge_agent.core.surroundings import told_after


class LivePicture:
    """What the agent believes of its EVSEs, and what of it the coordinator has not been told.

    `heartbeat_s`: a status is confirmed this often; `new_id` draws identifiers of sessions. Every
    method takes `now_s` (monotonic) and `at_ms` (domain time) and gives the records due.
    """

    def __init__(
        self,
        evse_rules: dict[str, FusionRules],
        *,
        heartbeat_s: float,
        new_id: Callable[[], str],
        carried: dict[str, Carried] | None = None,
    ) -> None:
        self._heartbeat_s = heartbeat_s
        self._new_id = new_id
        self._evses = {name: EvseState(name, rules) for name, rules in evse_rules.items()}
        for name, kept in (carried or {}).items():
            if name in self._evses:
                evse = self._evses[name]
                evse.session_id, evse.register = kept.session_id, kept.register

    def __contains__(self, evse_id: str) -> bool:
        return evse_id in self._evses

    def fused(self, evse_id: str) -> Fused | None:
        """The fused status of an EVSE; None before anything was decided."""
        return self._evses[evse_id].fused

    def start(self, now_s: float) -> None:
        """Starts the patience with piles that were never heard."""
        for evse in self._evses.values():
            evse.next_s = now_s + evse.rules.pile_ttl_s

    def set_rules(self, evse_id: str, rules: FusionRules) -> None:
        """Takes new rules, which count from the next tick on."""
        self._evses[evse_id].rules = rules
        self._evses[evse_id].next_s = 0.0

    def observe(self, reading: Reading, now_s: float, at_ms: int) -> list[Record]:
        """Takes what a pile says of one EVSE."""
        evse = self._evses[reading.evse_id]
        word = evse.evidence.pile
        if word is not None and now_s < evse.next_s and evse.is_believed:
            if word.reading is reading:
                # The very same registers as last time: only their age is new.
                evse.again_s = now_s
                return []
            if same_but_values(word.reading, reading) and not fell(evse.register, reading.values):
                return self._measure(evse, reading, now_s, at_ms)
        evse.evidence = heard(evse.evidence, reading, now_s)
        if fell(evse.register, reading.values):
            # Told as a doubtful value once; from here on the total goes on where it was.
            reading = replace(reading, suspect=True)
            evse.evidence = heard(evse.evidence, reading, now_s)
        evse.register, evse.values = with_register(evse.register, reading.values)
        records = self._fault_news(evse, reading, now_s, at_ms)
        records += self._refresh(evse, now_s, at_ms)
        if reading.suspect and not evse.suspect:
            doubt = Detail(reason="IMPLAUSIBLE", text=reading.doubt) if reading.doubt else None
            records.append(evse.record(RecordKind.METER, at_ms, doubt))
        evse.suspect = reading.suspect
        return records

    def miss(self, evse_id: str, reason: str) -> None:
        """Notes why a read failed; UNKNOWN follows when the last word has grown too old."""
        evse = self._evses[evse_id]
        evse.evidence = replace(evse.evidence, silence=reason)

    def lose(self, evse_id: str, reason: str, now_s: float, at_ms: int) -> list[Record]:
        """Takes that a pile is surely away: UNKNOWN at once."""
        evse = self._evses[evse_id]
        evse.evidence = lost(evse.aged(), reason)
        return self._refresh(evse, now_s, at_ms)

    def bay(
        self, evse_id: str, taken: bool, heard_s: float, now_s: float, at_ms: int
    ) -> list[Record]:
        """Takes a bay sensor's word, `heard_s` old or new."""
        evse = self._evses[evse_id]
        before = evse.evidence.bay
        evse.evidence = replace(evse.evidence, bay=BayWord(taken, heard_s))
        said = BayState.OCCUPIED if taken else BayState.FREE
        known = evse.fused is not None and evse.fused.bay is said
        if known and _renews(before, heard_s) and now_s < evse.next_s:
            return []
        return self._refresh(evse, now_s, at_ms)

    def queue(
        self, evse_id: str, length: int, heard_s: float, now_s: float, at_ms: int
    ) -> list[Record]:
        """Takes a queue counter's word."""
        evse = self._evses[evse_id]
        before = evse.evidence.queue
        evse.evidence = replace(evse.evidence, queue=QueueWord(length, heard_s))
        known = evse.fused is not None and evse.fused.queue_length == length
        if known and _renews(before, heard_s) and now_s < evse.next_s:
            return []
        return self._refresh(evse, now_s, at_ms)

    def surroundings(
        self, evse_id: str, seen: Surroundings, now_s: float, at_ms: int
    ) -> list[Record]:
        """Takes what was counted or measured around an EVSE's pile at `at_ms`."""
        evse = self._evses[evse_id]
        told = told_after(evse.around, seen, now_s, self._heartbeat_s)
        if told is None:
            return []
        evse.around = told
        record = evse.record(RecordKind.METER, at_ms)
        return [replace(record, values=NO_VALUES, surroundings=seen)]

    def tick(self, now_s: float, at_ms: int) -> list[Record]:
        """Lets time pass: stale words, ended debounces, due confirmations."""
        records: list[Record] = []
        for evse in self._evses.values():
            if now_s >= evse.next_s:
                records += self._refresh(evse, now_s, at_ms)
        return records

    def note(
        self, evse_id: str, kind: RecordKind, at_ms: int, detail: Detail, values: Values = NO_VALUES
    ) -> Record:
        """A record about an EVSE that somebody else decided, e.g. an OCPP transaction."""
        evse = self._evses[evse_id]
        record = evse.record(kind, at_ms, detail, urgent=True)
        if values is NO_VALUES:
            return record
        return replace(record, values=lifted(evse.register, values), own_energy_kwh=None)

    def _measure(self, evse: EvseState, reading: Reading, now_s: float, at_ms: int) -> list[Record]:
        """Takes a reading in which nothing but measured values is new."""
        evse.evidence = heard(evse.evidence, reading, now_s)
        evse.register, evse.values = with_register(evse.register, reading.values)
        told = evse.told
        if told is None or not moved(told.values, evse.values):
            return []
        evse.told = replace(told, values=evse.values)
        return [evse.record(RecordKind.METER, at_ms)]

    def _refresh(self, evse: EvseState, now_s: float, at_ms: int) -> list[Record]:
        fused = fuse(evse.aged(), evse.fused, evse.rules, now_s)
        evse.fused = fused
        iec, ocpp = evse.raw()
        values = evse.values if fused.status is not EvseStatus.UNKNOWN else NO_VALUES
        told = evse.told
        kind = worth_telling(told, fused, iec, ocpp, values, now_s, self._heartbeat_s)
        records: list[Record] = []
        if kind is not None:
            news = told is None or is_news(told, fused, iec, ocpp)
            records.append(evse.record(kind, at_ms, urgent=news))
            at_s = now_s if kind is RecordKind.STATUS or told is None else told.at_s
            evse.told = Told(fused, iec, ocpp, values, at_s)
        records += self._session_news(evse, fused, at_ms)
        records += self._conflict_news(evse, fused, at_ms)
        due_s = (evse.told.at_s if evse.told else now_s) + self._heartbeat_s
        evse.next_s = due_s if fused.revisit_s is None else min(due_s, fused.revisit_s)
        return records

    def _fault_news(
        self, evse: EvseState, reading: Reading, now_s: float, at_ms: int
    ) -> list[Record]:
        """Faults that began or ended, with the status that counts: not one in its debounce."""
        now = {fault.code: fault for fault in reading.faults}
        if now.keys() == evse.faults.keys():
            return []
        begun = [(RecordKind.FAULT, now[code]) for code in now if code not in evse.faults]
        ended = [
            (RecordKind.FAULT_CLEARED, fault)
            for code, fault in evse.faults.items()
            if code not in now
        ]
        evse.faults = now
        fused = fuse(evse.aged(), evse.fused, evse.rules, now_s)
        return [
            replace(
                evse.record(kind, at_ms, _fault_detail(fault), urgent=True),
                status=fused.status,
                source=fused.source,
            )
            for kind, fault in begun + ended
        ]

    def _session_news(self, evse: EvseState, fused: Fused, at_ms: int) -> Iterable[Record]:
        """Sessions of piles that only show registers; OCPP piles tell theirs as transactions."""
        word = evse.evidence.pile
        if word is None or word.lost or word.reading.source is not StatusSource.MODBUS:
            return ()
        if fused.carried_over or fused.status is EvseStatus.UNKNOWN:
            return ()
        if word.reading.plugged and not evse.session_id:
            evse.session_id = self._new_id()
            detail = Detail(session_id=evse.session_id)
            return (evse.record(RecordKind.SESSION_START, at_ms, detail, urgent=True),)
        if word.reading.plugged is False and evse.session_id:
            detail = Detail(session_id=evse.session_id, reason="EVDisconnected")
            evse.session_id = ""
            return (evse.record(RecordKind.SESSION_END, at_ms, detail, urgent=True),)
        return ()

    def _conflict_news(self, evse: EvseState, fused: Fused, at_ms: int) -> Iterable[Record]:
        """One event a charge: a sensor that flickers, or a pile that falls silent, adds none."""
        if fused.status not in (EvseStatus.CHARGING, EvseStatus.UNKNOWN):
            evse.conflict = ""
        if not fused.conflict or fused.conflict == evse.conflict:
            return ()
        evse.conflict = fused.conflict
        text = "the pile charges while its bay sensor says empty; published as CHARGING"
        detail = Detail(reason=fused.conflict, text=text)
        return (evse.record(RecordKind.EVENT, at_ms, detail, urgent=True),)


def _renews(before: BayWord | QueueWord | None, heard_s: float) -> bool:
    """Whether a word that says what is believed already is merely younger than the one before."""
    return before is not None and heard_s >= before.heard_s


def _fault_detail(fault: Fault) -> Detail:
    return Detail(fault_code=fault.code, vendor_code=fault.vendor_code, text=fault.text)
