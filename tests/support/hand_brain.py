"""The coordinator's recommending parts over a clock that is set by hand; no server, no waiting."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from served_brain import CCS2, HERE, district_of

from coordinator.brain import Brain, assemble_brain
from coordinator.clock import Clock
from coordinator.core.areas.ledger import Claim, ClaimState, Moment
from coordinator.core.district import Changes, District
from coordinator.core.pile import EvseStatus, Station
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.answer import Answer
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.promises import Promise

NOON_S = 1_800_014_400.0  # 12:00 UTC
TICK_S = 5.0


class HandClock(Clock):
    """Both times stand still until they are moved."""

    times: dict[str, float]

    def __init__(self, now_s: float = NOON_S, link_s: float = 1_000.0) -> None:
        super().__init__()
        object.__setattr__(self, "times", {"now": now_s, "link": link_s})

    def now_s(self) -> float:
        return self.times["now"]

    def link_s(self) -> float:
        return self.times["link"]

    def move(self, domain_s: float, link_s: float | None = None) -> None:
        """Moves domain time, and link time as far unless said otherwise."""
        self.times["now"] += domain_s
        self.times["link"] += domain_s if link_s is None else link_s


@dataclass
class HandBrain:
    """A district, its cars and its clock, in one hand."""

    stations: Iterable[Station]
    claims: ClaimStore = field(default_factory=MemoryClaims)
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        now_s, link_s = self.clock.now_s(), self.clock.link_s()
        self.district: District = district_of(self.stations, now_s, link_s)
        self.counters = Counters()
        events = Events(self.clock.now_s, self.clock.system_s)
        models = Models(RULES_RANKER)
        self.brain: Brain = assemble_brain(
            self.district, models, self.clock, events, self.counters, self.claims
        )
        self.brain.world.utc_offset_h = 0.0

    @property
    def moment(self) -> Moment:
        """Now."""
        return Moment(self.clock.now_s(), self.clock.link_s())

    async def see(self, evse_id: str, status: EvseStatus) -> None:
        """Lets the coordinator believe a new status, and looks after it."""
        row = self.district.row[evse_id]
        before = EvseStatus(int(self.district.status[row]))
        self.district.status[row] = status
        self.district.changed_at_s[row] = self.district.observed_at_s[row] = self.clock.now_s()
        await self.brain.watchman.changed(evse_id, before, status)
        await self.catch_up()

    def believe(self, evse_id: str, status: EvseStatus) -> None:
        """Lets the coordinator believe a new status as ingest does; it is looked after later."""
        row = np.array([self.district.row[evse_id]], dtype=np.intp)
        before = self.district.status[row].copy()
        self.district.status[row] = status
        self.district.changed_at_s[row] = self.district.observed_at_s[row] = self.clock.now_s()
        after = np.array([status], dtype=np.int8)
        self.brain.watchman.on_changes(Changes(row, before, after))

    async def catch_up(self) -> None:
        """Does what was put off until the watchman's next turn."""
        await self.brain.watchman.catch_up()

    async def passes(self, seconds: float) -> None:
        """Lets time pass, tick by tick; the status of every EVSE is heard of again."""
        while seconds > 0:
            step_s = min(seconds, TICK_S)
            self.clock.move(step_s)
            seconds -= step_s
            self.district.heard_at_s[:] = self.clock.link_s()
            await self.brain.watchman.tick()
            await self.catch_up()

    async def ask(self, car: str, number: int = 1, **wishes: object) -> Answer:
        """What a car at `HERE` with half a charge is told."""
        fields: dict[str, object] = {"soc_pct": 50.0, "user_id": f"user-{car}"} | wishes
        request = ChargingRequest(
            f"{car}-{number}",
            car,
            Vehicle(60.0, connector_mask=1 << CCS2),
            latitude_deg=HERE[0],
            longitude_deg=HERE[1],
            **fields,  # type: ignore[arg-type]
        )
        return await self.brain.recommender.recommend(request)

    async def follow(self, car: str, number: int = 1, **wishes: object) -> Promise:
        """The confirmed promise of a car."""
        answer = await self.ask(car, number, **wishes)
        return await self.brain.guidance.confirm(answer.recommendation_id)

    def held(self, evse_id: str) -> list[Claim]:
        """Live claims on an EVSE, in order."""
        return list(self.claims.table.on_evse(evse_id))

    def occupant(self, evse_id: str) -> Claim | None:
        """Who is plugged in, by the ledger."""
        held = self.held(evse_id)
        return next((c for c in held if c.state is ClaimState.OCCUPIED), None)
