"""Pilewise itself as a policy: the coordinator's own parts over claims in memory, no sockets.

Requests, holds, re-routing, the watch over promises and the joint re-plan are those of
`coordinator/usecases`; here cars report where they are and accept what they are offered, EVSEs
report their status, and the city's clock is told. The columns that ingest would fill are the
engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from city_sim.cars import Car, Choice, Doing
from city_sim.engine import Engine
from city_sim.loop import CityClock, CityLoop
from city_sim.parts import WHOLE, Parts
from city_sim.streets import Streets
from city_sim.thinking import NOTHING_LEARNT, Learnt, Thinking, thinking
from city_sim.unheld import unheld
from coordinator.core.areas.assignment import DEFAULT, Settings
from coordinator.core.areas.ledger import Claim
from coordinator.core.district import Changes
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.context import Models
from coordinator.core.roads import Roads
from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import ChargingRequest, Fix
from coordinator.usecases.plugging import hashed
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import InlineSolver

T = TypeVar("T")
Heard = Callable[[], Awaitable[None]]
TICK_S = 10.0  # between two looks at what is due; the coordinator itself looks every second
IDLE_S = 60.0  # the same while no car is on its way
PLAN_S = 30.0  # between two joint re-plans
REPORT_S = 30.0  # between two reports of a car
ROUNDS = 3  # offers that follow from accepted ones, at most


class Pilewise:
    """The product's decisions. `roads` must tell the times that the engine drives by."""

    name = "pilewise"

    def __init__(
        self,
        roads: Roads,
        models: Models | None = None,
        utc_offset_h: float = 0.0,
        period_s: float = TICK_S,
        settings: Settings = DEFAULT,
        parts: Parts = WHOLE,
        learnt: Learnt = NOTHING_LEARNT,
    ) -> None:
        self.period_s, self._parts, self._learnt = period_s, parts, learnt
        self._roads, self._models = roads, models or Models()
        self._utc_offset_h, self._settings = utc_offset_h, settings
        self._loop: CityLoop | None = None
        self._brain: Thinking | None = None
        self._promises: dict[int, Promise] = {}  # of cars that are not plugged in
        self._plugged: dict[int, Promise] = {}
        self._followed: dict[int, Claim | None] = {}  # what a car was last moved by
        self._heard: list[Heard] = []
        self._thrown_out: list[Car] = []
        self._planned_s = float("-inf")
        self.levels: dict[int, int] = {}  # of each car, when it asked first
        self.conflicts = 0
        self.degraded = 0

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The place that the coordinator holds for the car; an earlier one is given back."""
        return self._run(engine, self._choose(engine, car))

    async def _choose(self, engine: Engine, car: Car) -> Choice | None:
        brain = self._started(engine)
        before = self._promises.pop(car.index, None)
        if before is not None:
            await brain.guidance.release(before.recommendation_id)
        answer = await brain.recommender.recommend(_request(engine, car))
        self.levels.setdefault(car.index, answer.level)
        self.degraded += bool(answer.degraded)
        if not answer.hold.claim_id:
            return unheld(engine, car, answer, self._parts)
        promise = await brain.guidance.confirm(answer.recommendation_id)
        if car.demand.disobeys:
            return None  # it says yes, and nothing more
        self._promises[car.index] = promise
        self.conflicts = int(brain.counters.values().get("conflicts_resolved", 0))
        return self._held(engine, car)

    def arrived(self, engine: Engine, car: Car) -> None:
        """The car will say that it is there."""
        self._heard.append(partial(self._arrived, engine, car))

    def plugged(self, engine: Engine, car: Car) -> None:
        """Its token is shown where it charges: `restated` tells."""
        if car.index in self._promises:
            self._plugged[car.index] = self._promises.pop(car.index)

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """The edge will report what the EVSE is now, and whose token was shown there."""
        evse_id, shown = engine.district.evse_ids[evse], ""
        if after is EvseStatus.CHARGING:
            shown = hashed(_vehicle_id(engine.cars[int(engine.occupant[evse])]))
        session = ChargeSession(evse_id, engine.now_s, id_token_hash=shown)
        row = np.array([evse], dtype=np.intp)
        seen = Changes(row, np.array([before], np.int8), np.array([after], np.int8))

        async def report() -> None:
            watchman = self._started(engine).watchman
            watchman.on_session(session)
            watchman.on_changes(seen)

        self._heard.append(report)

    def gone(self, engine: Engine, car: Car) -> None:
        """The car says nothing more; one that was thrown out asks again once that is known."""
        asked, plugged = self._promises.pop(car.index, None), self._plugged.pop(car.index, None)
        if (asked or plugged) is not None and car.doing is Doing.WAITING:
            self._thrown_out.append(car)

    def react(self, engine: Engine) -> set[int]:
        """What was said and reported reaches the coordinator, in order; it acts by itself."""
        if not self._heard and not self._thrown_out:
            return set()
        return self._run(engine, self._react(engine))

    async def _react(self, engine: Engine) -> set[int]:
        watchman = self._started(engine).watchman
        while self._heard or self._thrown_out:
            heard, self._heard = self._heard, []
            for one in heard:
                await one()
            await watchman.catch_up()
            thrown_out, self._thrown_out = self._thrown_out, []
            for car in thrown_out:
                await self._again(engine, car)
        return await self._follow(engine)

    async def _arrived(self, engine: Engine, car: Car) -> None:
        promise = self._promises.get(car.index)
        if promise is not None and not promise.closed and promise.claim_id:
            await self._started(engine).guidance.arrived(promise, promise.answer.choice.evse_id)

    async def _again(self, engine: Engine, car: Car) -> None:
        """A car that stands at a station without a place asks."""
        choice = await self._choose(engine, car)
        if choice is not None:
            engine.move(car, choice)
            if choice.station == car.station:
                await self._arrived(engine, car)

    def tick(self, engine: Engine) -> None:
        """Time passes: cars report, the coordinator looks after what is due, and plans anew."""
        if self._under_way(engine) or engine.now_s - self._planned_s >= IDLE_S:
            self._run(engine, self._tick(engine))

    async def _tick(self, engine: Engine) -> None:
        brain = self._started(engine)
        for car, promise in self._under_way(engine):
            if engine.now_s - promise.reported_link_s >= REPORT_S:
                await self._report(engine, car, promise)
        await brain.watchman.tick()
        await brain.watchman.catch_up()
        if self._parts.replan and engine.now_s - self._planned_s >= PLAN_S:
            self._planned_s = engine.now_s
            await brain.replanner.once(InlineSolver(self._settings))
        for _ in range(ROUNDS):
            for _, promise in self._under_way(engine):
                if promise.proposal is not None:
                    revision = promise.proposal.answer.revision
                    await brain.guidance.decide(promise, revision, True)
        await brain.watchman.catch_up()
        self._heard.append(partial(asyncio.sleep, 0))  # what changed is followed

    def _under_way(self, engine: Engine) -> list[tuple[Car, Promise]]:
        """Cars that drive or wait by a promise."""
        return [
            (engine.cars[index], promise)
            for index, promise in self._promises.items()
            if engine.cars[index].doing in (Doing.DRIVING, Doing.WAITING)
        ]

    async def _follow(self, engine: Engine) -> set[int]:
        """Cars do what they were told since; gives the stations where one may plug in by it."""
        touched: set[int] = set()
        table = self._started(engine).claims.table
        for car, promise in self._under_way(engine):
            if promise.closed:
                await self._lost(engine, car, promise)
                continue
            claim = table.get(promise.claim_id)
            if car.evse >= 0 and claim is self._followed.get(car.index):
                continue
            self._followed[car.index] = claim
            choice, before = self._held(engine, car), (car.station, car.evse)
            if choice is None:
                engine.let_go(car)
                continue
            engine.move(car, choice)
            if (car.station, car.evse) != before:
                touched |= {before[0], car.station}
                if car.doing is Doing.WAITING:
                    await self._arrived(engine, car)
        return touched

    async def _lost(self, engine: Engine, car: Car, promise: Promise) -> None:
        """The coordinator thinks that the car charges, or comes no more: it says otherwise."""
        if promise.closed == "ARRIVED":
            await self._started(engine).guidance.disown(promise)
        engine.let_go(car)
        await self._again(engine, car)

    def ended(self) -> None:
        """The run is over."""
        if self._loop is not None:
            self._loop.close()
        self._loop = self._brain = None

    async def _report(self, engine: Engine, car: Car, promise: Promise) -> None:
        """Says where the car is."""
        latitude_deg, longitude_deg = engine.position(car)
        # The city's times are told to the coordinator: it learns none from how a car came on.
        promise.request = replace(
            promise.request, latitude_deg=latitude_deg, longitude_deg=longitude_deg
        )
        fix = Fix(latitude_deg, longitude_deg, float(car.soc_pct))
        await self._started(engine).guidance.progress(promise, fix)

    def _started(self, engine: Engine) -> Thinking:
        """The coordinator's parts, with the engine's district as it would be reported."""
        if self._brain is None:
            clock = CityClock()
            object.__setattr__(clock, "engine", engine)
            self._brain = thinking(
                engine.district, self._models, clock, self._settings, self._parts
            )
            # Streets that fill are one with those that cars drive on.
            filling = engine.travel if isinstance(engine.travel, Streets) else None
            self._brain.world.roads = filling or self._roads
            self._brain.world.utc_offset_h = self._utc_offset_h
            self._learnt.teach(engine.district, self._brain.world, self._parts)
        engine.district.observed_at_s[:] = engine.now_s
        return self._brain

    def _run(self, engine: Engine, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = CityLoop()
        self._loop.skipped_s += 1.0
        return self._loop.run_until_complete(work)

    def _held(self, engine: Engine, car: Car) -> Choice | None:
        """What the ledger holds for the car."""
        promise, brain = self._promises.get(car.index), self._brain
        claim = None
        if promise is not None and brain is not None:
            claim = brain.claims.table.get(promise.claim_id)
        if claim is None or not claim.live:
            return None
        evse = engine.district.row[claim.evse_id]
        return Choice(int(engine.district.station[evse]), evse, claim.from_s, claim.to_s)


def _vehicle_id(car: Car) -> str:
    return car.demand.car_id or f"car{car.index}"


def _request(engine: Engine, car: Car) -> ChargingRequest:
    latitude_deg, longitude_deg = engine.position(car)
    demand = car.demand
    return ChargingRequest(
        f"{_vehicle_id(car)}-{car.version}-{engine.events}",
        _vehicle_id(car),
        demand.vehicle,
        float(car.soc_pct),
        latitude_deg,
        longitude_deg,
        user_id=demand.user_id,
        id_token=_vehicle_id(car),
        target_soc_pct=demand.target_soc_pct,
        destination=demand.destination,
        purpose=demand.purpose,
        charge_place=demand.charge_place,
        arrive_by_s=demand.arrive_by_s,
    )
