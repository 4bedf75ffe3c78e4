"""Where everything heard meets: piles and sensors speak, the picture judges, the spool keeps.

Lives on the event loop and never waits; what has to be durable before an answer is waited for by
whoever answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NoReturn

import structlog

from edge_agent.core.clock import jumped_s
from edge_agent.core.facts import ASTRAY_M, CONFIG, PileFacts, is_fix, learned, located
from edge_agent.core.occupancy import Fused, FusionRules
from edge_agent.core.picture import LivePicture
from edge_agent.core.reading import (
    NO_VALUES,
    Detail,
    Reading,
    Record,
    RecordFlags,
    RecordKind,
    Surroundings,
    Values,
)
from edge_agent.host_clock import HostClock
from edge_agent.tally import Tally
from edge_agent.uplink.spool import Spool

log: Final = structlog.get_logger("edge_agent.watch")
TICK_S: Final = 0.25
MISSED_INTERVALS: Final = 3


class Watch:
    """The picture with the host's clock and the spool behind it.

    `tally` counts how each pile fares; `on_facts` is called for each pile whose facts changed,
    `on_records` with all records as they are made.
    """

    def __init__(
        self,
        picture: LivePicture,
        rules: Mapping[str, FusionRules],
        facts: Sequence[PileFacts],
        spool: Spool,
        clock: HostClock,
    ) -> None:
        self._picture = picture
        self._rules = dict(rules)
        self._facts = {pile.pile_id: pile for pile in facts}
        self._spool = spool
        self._clock = clock
        self._astray: set[str] = set()
        self.tally = Tally({pile.pile_id: pile.evse_ids for pile in facts})
        self.on_facts: Callable[[PileFacts], None] = lambda facts: None
        self.on_records: Callable[[Sequence[Record]], None] = lambda records: None

    def __contains__(self, evse_id: object) -> bool:
        return evse_id in self._rules

    async def run(self) -> NoReturn:
        """Lets time pass for the picture: stale words, debounces, confirmations."""
        self._picture.start(self._clock.now_s())
        before_s, before_ms = self._clock.now_s(), self._clock.utc_ms()
        while True:
            await asyncio.sleep(TICK_S)
            now_s, now_ms = self._clock.now_s(), self._clock.utc_ms()
            self._notice_jump(jumped_s(before_ms, now_ms, now_s - before_s))
            before_s, before_ms = now_s, now_ms
            self._keep(self._picture.tick(self._clock.now_s(), self._clock.now_ms()))

    def facts(self) -> list[PileFacts]:
        """The present inventory."""
        return list(self._facts.values())

    def meet(self, addresses: Mapping[str, str]) -> None:
        """Learns where piles and agent meet, by pile, once everything listens."""
        for pile_id, address in addresses.items():
            facts = self._facts[pile_id]
            sources = {**facts.sources, "address": CONFIG}
            self._facts[pile_id] = replace(facts, address=address, sources=sources)

    def fused(self, evse_id: str) -> Fused | None:
        """The present status of an EVSE."""
        return self._picture.fused(evse_id)

    def observe(
        self, reading: Reading, at_ms: int | None = None, flags: RecordFlags = RecordFlags.NONE
    ) -> None:
        """Takes what a pile says of one EVSE; `at_ms` is domain time, None means now."""
        records = self.judge(reading, at_ms)
        if flags:
            records = [replace(record, flags=record.flags | flags) for record in records]
        if records:
            self._spool.offer(records)

    def judge(self, reading: Reading, at_ms: int | None = None) -> list[Record]:
        """The same, but the records are the caller's to commit."""
        now_s, now_ms = self._clock.now_s(), self._clock.now_ms()
        self.tally.heard(reading.evse_id, now_s)
        records = self._picture.observe(reading, now_s, now_ms if at_ms is None else at_ms)
        if records:
            self.on_records(records)
        return records

    def miss(self, evse_id: str, reason: str) -> None:
        """Takes that an EVSE could not be read."""
        self.tally.failed(evse_id, reason)
        self._picture.miss(evse_id, reason)

    def lose(self, evse_id: str, reason: str) -> None:
        """Takes that an EVSE is surely out of reach."""
        now_s, at_ms = self._clock.now_s(), self._clock.now_ms()
        self.tally.failed(evse_id, reason)
        self._keep(self._picture.lose(evse_id, reason, now_s, at_ms))

    def bay(self, evse_id: str, occupied: bool, at_ms: int | None) -> None:
        """Takes a bay sensor's word; `at_ms` is domain time, None means now."""
        now_s, now_ms = self._clock.now_s(), self._clock.now_ms()
        heard_s = self._heard_s(at_ms, now_s, now_ms)
        self._keep(self._picture.bay(evse_id, occupied, heard_s, now_s, now_ms))

    def queue(self, evse_id: str, length: int, at_ms: int | None) -> None:
        """Takes a queue counter's word; `at_ms` is domain time, None means now."""
        now_s, now_ms = self._clock.now_s(), self._clock.now_ms()
        heard_s = self._heard_s(at_ms, now_s, now_ms)
        self._keep(self._picture.queue(evse_id, length, heard_s, now_s, now_ms))

    def serves(self, pile_id: str) -> bool:
        """True for a pile of this agent."""
        return pile_id in self._facts

    def surroundings(self, pile_id: str, seen: Surroundings, at_ms: int | None) -> None:
        """Takes what was counted or measured around a pile; told as of its first EVSE.

        A retained word that is older than sensors are believed is passed over.
        """
        evse_id = self._facts[pile_id].evse_ids[0]
        now_s, now_ms = self._clock.now_s(), self._clock.now_ms()
        if now_s - self._heard_s(at_ms, now_s, now_ms) < self._rules[evse_id].bay_ttl_s:
            seen_at_ms = now_ms if at_ms is None else min(at_ms, now_ms)
            self._keep(self._picture.surroundings(evse_id, seen, now_s, seen_at_ms))

    def note(
        self,
        evse_id: str,
        kind: RecordKind,
        at_ms: int,
        detail: Detail,
        values: Values = NO_VALUES,
    ) -> Record:
        """A record of something that was decided elsewhere; it is the caller's to commit."""
        record = self._picture.note(evse_id, kind, at_ms, detail, values)
        self.on_records([record])
        return record

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        """Takes what a pile tells of itself; the operator's word wins."""
        before = self._facts[pile_id]
        now = learned(before, told, source)
        if now is not before:
            self._facts[pile_id] = now
            log.info("pile introduced itself", pile_id=pile_id, source=source)
            self.on_facts(now)

    def fix(
        self, pile_id: str, latitude_deg: float, longitude_deg: float, at_ms: int | None
    ) -> None:
        """Takes a position fix of a pile's receiver, WGS84; `at_ms` is domain time, None means now.

        Far from where the operator put the pile it raises an event, once until it is near again.
        """
        before = self._facts.get(pile_id)
        if before is None or not is_fix(latitude_deg, longitude_deg):
            return
        now, away_m = located(before, latitude_deg, longitude_deg)
        if now is not before:
            self._facts[pile_id] = now
            self.on_facts(now)
        if away_m <= ASTRAY_M:
            self._astray.discard(pile_id)
            return
        if pile_id in self._astray or before.sources.get("position") != CONFIG:
            return
        self._astray.add(pile_id)
        text = f"the receiver is {away_m:.0f} m away from the configured position"
        log.warning("pile is elsewhere", pile_id=pile_id, away_m=round(away_m))
        detail = Detail(reason="POSITION_MISMATCH", text=text)
        evse_id = before.evse_ids[0]
        seen_at_ms = self._clock.now_ms() if at_ms is None else at_ms
        self._spool.offer([self.note(evse_id, RecordKind.EVENT, seen_at_ms, detail)])

    def set_period(self, evse_id: str, period_s: float) -> None:
        """Takes a new reading period: a pile is UNKNOWN after three missed ones."""
        rules = replace(self._rules[evse_id], pile_ttl_s=MISSED_INTERVALS * period_s)
        self._rules[evse_id] = rules
        self._picture.set_rules(evse_id, rules)

    def set_service(self, evse_id: str, operative: bool) -> None:
        """Takes that the agent itself keeps an EVSE out of service, or no longer."""
        rules = replace(self._rules[evse_id], out_of_service=not operative)
        self._rules[evse_id] = rules
        self._picture.set_rules(evse_id, rules)

    def tell(self, reason: str, text: str) -> None:
        """Takes an event that concerns the gateway as a whole; it is told as of one EVSE."""
        evse_id = next(iter(self._rules), None)
        if evse_id is not None:
            at_ms = self._clock.now_ms()
            detail = Detail(reason=reason, text=text)
            self._spool.offer([self.note(evse_id, RecordKind.EVENT, at_ms, detail)])

    def _notice_jump(self, away_s: float) -> None:
        """Order is by number, so a jump spoils only stamps."""
        if away_s:
            log.warning("system clock jumped", away_s=round(away_s, 1))
            self.tell("CLOCK_JUMP", f"the system clock jumped by {away_s:.0f} s")

    def _keep(self, records: Sequence[Record]) -> None:
        if records:
            self.on_records(records)
            self._spool.offer(records)

    def _heard_s(self, at_ms: int | None, now_s: float, now_ms: int) -> float:
        """Link time of a domain instant that is not in the future."""
        if at_ms is None or at_ms >= now_ms:
            return now_s
        return now_s - (now_ms - at_ms) / 1000.0 / self._clock.domain.speed
