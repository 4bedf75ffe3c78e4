"""A coordinator in memory that is told what a feed said, each status at its time, and no later one.

The parts that learn and answer are the product's own; sockets and disks are left out. Who asks is
in `drivers.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from city_sim.replay.feed import Feed
from city_sim.replay.network import STATUS, Network
from city_sim.replay.timeline import NOBODY_KNOWS, Floats, Index
from city_sim.thinking import Thinking, thinking
from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.history import History
from coordinator.core.pile import RecordKind, StatusSource
from coordinator.core.ports import FailureModel
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.layout import layout_of
from coordinator.core.recommend.rules import Rules
from coordinator.core.rows import Rows, order_rows
from coordinator.core.vehicle import ChargingRequest
from coordinator.jobs.knowledge import Condition, Knowledge
from coordinator.usecases.world import World

HEARTBEAT_S = 300.0  # at least so often all is said again: the feed was read every five minutes
MAP_S = 6 * 3_600.0  # between two makings of the whole knowledge map; faults are learnt at once
DAY_S = 86_400.0


class FeedClock(Clock):
    """The time of the feed, for all that the coordinator takes from a clock."""

    at_s: float = 0.0

    def turn_to(self, at_s: float) -> None:
        """It is this late now."""
        object.__setattr__(self, "at_s", at_s)

    def now_s(self) -> float:
        """Domain time."""
        return self.at_s

    def link_s(self) -> float:
        """Link time: the feed's own, because nothing else passes."""
        return self.at_s


@dataclass(slots=True)
class NearWorld(World):
    """The world, with candidates only so far along the road."""

    farthest_km: float = float("inf")
    left_out: frozenset[int] = frozenset()  # EVSEs that are no candidates of the next request

    def near(self, request: ChargingRequest) -> frozenset[int]:
        """EVSEs within that distance of the car."""
        at_km = self.station_km(request)[self.district.station]
        return frozenset(np.flatnonzero(at_km <= self.farthest_km).tolist()) - self.left_out

    def station_km(self, request: ChargingRequest) -> Floats:
        """Along the road to every station, km."""
        here, places = (request.latitude_deg, request.longitude_deg), layout_of(self.district)
        rows = np.arange(places.places.count)
        return self.roads.distance_km(*here, rows, places.places.distance_km(*here, rows))

    def around(
        self,
        request: ChargingRequest,
        excluded: frozenset[int] = frozenset(),
        only: frozenset[int] | None = None,
        rules: Rules | None = None,
    ) -> Context:
        """The context of a request now, with no candidate farther away."""
        near = self.near(request)
        return World.around(self, request, excluded, near if only is None else only & near, rules)


class Told:
    """The coordinator, and how far it has been told the feed. `rows[i]` is the EVSE of plug i."""

    def __init__(
        self, net: Network, models: Models, failure: FailureModel | None, farthest_km: float
    ) -> None:
        self.clock = FeedClock()
        self.district = District(net.stations)
        self.rows: Index = np.array([self.district.row[name] for name in net.evse_ids])
        self.brain: Thinking = thinking(self.district, models, self.clock, world_of=NearWorld)
        assert isinstance(self.brain.world, NearWorld)
        self.world = self.brain.world
        self.world.farthest_km, self.world.utc_offset_h = farthest_km, 0.0  # the feed's own clock
        self._history, self._knowledge = History(), Knowledge(self.district, failure, self._now)
        self.world.follow(self.world.rules, lambda: self._knowledge.iterations)
        self._state = np.full(len(net.evse_ids), NOBODY_KNOWS)
        self._mapped_s, self._day = float("-inf"), -1

    def _now(self) -> float:
        return self.clock.at_s

    async def tell(self, at_s: float, changed: tuple[Index, Index]) -> None:
        """Takes what the feed says at an instant: new states of some plugs, all others again."""
        self.clock.turn_to(at_s)
        plugs, states = changed
        self._state[plugs] = states
        known = np.flatnonzero(self._state != NOBODY_KNOWS)
        if known.size:
            self._believe(at_s, known)
        if at_s - self._mapped_s >= MAP_S:
            self._mapped_s = at_s
            await self._knowledge.refresh(Condition.REGULAR)
        await self.brain.watchman.tick()
        await self.brain.watchman.catch_up()

    def _believe(self, at_s: float, known: Index) -> None:
        count, district = known.size, self.district
        if (day := int(at_s // DAY_S)) > self._day:
            self._day = day
            district.served_today[:] = 0
        rows = Rows(
            self.rows[known],
            np.full(count, RecordKind.STATUS, dtype=np.int8),
            np.full(count, at_s),
            STATUS[self._state[known]],
            np.full(count, StatusSource.FUSED, dtype=np.int8),
        )
        order = order_rows(rows)
        self._history.learn(district, rows, order)
        changes = district.apply(rows, at_s, order)
        if changes.evse.size:
            self._knowledge.observe(changes)
            self.brain.watchman.on_changes(changes)


class Teller:
    """Says a feed to a coordinator, instant by instant, and keeps where it is."""

    def __init__(self, told: Told, feed: Feed) -> None:
        self._told = told
        self._steps = steps(feed)
        self._next = next(self._steps, None)

    async def until(self, at_s: float) -> None:
        """Everything that was known by an instant has been said; it is that instant now."""
        while self._next is not None and self._next.at_s <= at_s:
            await self._told.tell(self._next.at_s, (self._next.plugs, self._next.states))
            self._next = next(self._steps, None)
        self._told.clock.turn_to(at_s)


@dataclass(frozen=True, slots=True)
class Step:
    """New states of some plugs at an instant."""

    at_s: float
    plugs: Index
    states: Index


def steps(feed: Feed) -> Iterator[Step]:
    """What changes at every instant at which something does, and looks where nothing does."""
    at, plugs, states = _changes(feed)
    instants = np.unique(at)
    quiet = np.flatnonzero(np.diff(instants) > HEARTBEAT_S)
    beats = [
        np.arange(a + HEARTBEAT_S, b, HEARTBEAT_S)
        for a, b in zip(instants[quiet], instants[quiet + 1], strict=True)
    ]
    instants = np.sort(np.concatenate([instants, *beats]))
    begin, end = at.searchsorted(instants), at.searchsorted(instants, side="right")
    for at_s, first, last in zip(instants.tolist(), begin.tolist(), end.tolist(), strict=True):
        yield Step(at_s, plugs[first:last], states[first:last])


def _changes(feed: Feed) -> tuple[Floats, Index, Index]:
    """Instant, plug and new state of every change, in order; a state that ends into nothing is
    known no more."""
    parts: list[tuple[Floats, Index, Index]] = []
    for plug, line in enumerate(feed.lines):
        lost = line.ends[~np.isin(line.ends, line.starts)]
        at = np.concatenate([line.starts, lost])
        state = np.concatenate([line.states, np.full(lost.size, NOBODY_KNOWS)])
        parts.append((at, np.full(at.size, plug), state))
    at, plugs, states = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = at.argsort(kind="stable")
    return at[order], plugs[order], states[order]
