"""Pilewise itself as a policy: the coordinator's own parts over claims in memory, no sockets.

Requests, holds, re-routing and the joint re-plan are those of `coordinator/usecases`; here cars
report where they are and accept what they are offered, and the city's clock is told. What the
coordinator would learn by reports is taken from the engine's district.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from city_sim.cars import Car, Choice, Doing
from city_sim.engine import Engine
from city_sim.thinking import Thinking, thinking
from coordinator.clock import Clock
from coordinator.core.areas.assignment import DEFAULT, Settings
from coordinator.core.areas.ledger import Claim
from coordinator.core.recommend.context import Models
from coordinator.core.roads import Roads
from coordinator.core.vehicle import ChargingRequest, Fix
from coordinator.usecases.promises import Promise
from coordinator.usecases.replan import InlineSolver

T = TypeVar("T")
PERIOD_S = 30.0  # between two joint re-plans
REPORT_S = 60.0  # between two reports that a lease is renewed by
ROUNDS = 3  # offers that follow from accepted ones, at most


class CityLoop(asyncio.SelectorEventLoop):
    """A loop for which a second passes between two requests, so that none waits for another."""

    skipped_s = 0.0

    def time(self) -> float:
        """Seconds, with those that were skipped."""
        return super().time() + self.skipped_s


class CityClock(Clock):
    """The engine's time, for all that the coordinator takes from a clock."""

    engine: Engine

    def now_s(self) -> float:
        """Domain time."""
        return float(self.engine.now_s)

    def link_s(self) -> float:
        """Link time: the city's own, because nothing else passes."""
        return float(self.engine.now_s)


class Pilewise:
    """The product's decisions. `roads` must tell the times that the engine drives by."""

    name = "pilewise"

    def __init__(
        self,
        roads: Roads,
        models: Models | None = None,
        utc_offset_h: float = 0.0,
        period_s: float = PERIOD_S,
        settings: Settings = DEFAULT,
    ) -> None:
        self.period_s = period_s
        self._roads, self._models = roads, models or Models()
        self._utc_offset_h, self._settings = utc_offset_h, settings
        self._loop: CityLoop | None = None
        self._brain: Thinking | None = None
        self._promises: dict[int, Promise] = {}
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
            return None
        promise = await brain.guidance.confirm(answer.recommendation_id)
        self._promises[car.index] = promise
        self.conflicts = int(brain.counters.values().get("conflicts_resolved", 0))
        return self._held(engine, car)

    def revise(self, engine: Engine, car: Car) -> Choice | None:
        """Another place when the held one failed, is blocked, or was taken by a walk-in."""
        promise = self._promises.get(car.index)
        if car.evse < 0 or promise is None or promise.closed:
            return None
        occupant = int(engine.occupant[car.evse])
        taken = occupant >= 0 and engine.cars[occupant].demand.walk_in
        if not taken and engine.usable()[car.evse]:
            return None
        code = "PILE_TAKEN" if taken else "PILE_FAILED"
        return self._run(engine, self._revise(engine, car, promise, code))

    async def _revise(self, engine: Engine, car: Car, promise: Promise, code: str) -> Choice | None:
        await self._report(engine, car, promise)
        moved = await self._started(engine).rerouter.reroute(promise, code)
        return self._held(engine, car) if moved else None

    def plugged(self, engine: Engine, car: Car) -> None:
        """The claim follows the car to the EVSE that it took, until it should be charged."""
        promise = self._promises.get(car.index)
        if car.demand.walk_in or promise is None or promise.closed:
            return
        evse_id = engine.district.evse_ids[car.evse]
        self._run(engine, self._started(engine).guidance.occupy(promise, evse_id))

    def gone(self, engine: Engine, car: Car) -> None:
        """The place is given back."""
        promise = self._promises.pop(car.index, None)
        if promise is not None:
            self._run(engine, self._gone(engine, car, promise))

    async def _gone(self, engine: Engine, car: Car, promise: Promise) -> None:
        brain = self._started(engine)
        moment = brain.rerouter.moment()
        for claim in tuple(brain.claims.table.of_car(_vehicle_id(car))):
            await brain.claims.finish(claim.claim_id, moment)
        brain.promises.close(promise, "ARRIVED")

    def tick(self, engine: Engine) -> None:
        """Cars report; all on their way are planned anew; what they are offered they accept."""
        self._run(engine, self._tick(engine))

    async def _tick(self, engine: Engine) -> None:
        brain = self._started(engine)
        under_way = [
            (engine.cars[index], promise)
            for index, promise in self._promises.items()
            if not promise.closed and engine.cars[index].doing in (Doing.DRIVING, Doing.WAITING)
        ]
        for car, promise in under_way:
            await self._report(engine, car, promise)
        await brain.replanner.once(InlineSolver(self._settings))
        for _ in range(ROUNDS):
            for _, promise in under_way:
                if promise.proposal is not None:
                    revision = promise.proposal.answer.revision
                    await brain.guidance.decide(promise, revision, True)
        for car, _ in under_way:
            choice = self._held(engine, car)
            if choice is not None:
                engine.move(car, choice)

    def ended(self) -> None:
        """The run is over."""
        if self._loop is not None:
            self._loop.close()
        self._loop = self._brain = None

    async def _report(self, engine: Engine, car: Car, promise: Promise) -> None:
        """Says where the car is, and that it stands there once it does."""
        guidance = self._started(engine).guidance
        latitude_deg, longitude_deg = _here(engine, car)
        # The city's roads have one speed: nothing is to be learnt from how fast a car came on.
        promise.request = replace(
            promise.request, latitude_deg=latitude_deg, longitude_deg=longitude_deg
        )
        if engine.now_s - promise.reported_link_s >= REPORT_S:
            fix = Fix(latitude_deg, longitude_deg, float(car.soc_pct))
            await guidance.progress(promise, fix)
        if car.doing is Doing.WAITING:
            await guidance.arrived(promise)

    def _started(self, engine: Engine) -> Thinking:
        """The coordinator's parts, with the engine's district as it would be reported."""
        if self._brain is None:
            clock = CityClock()
            object.__setattr__(clock, "engine", engine)
            self._brain = thinking(engine.district, self._models, clock, self._settings)
            self._brain.world.roads = self._roads
            self._brain.world.utc_offset_h = self._utc_offset_h
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
        return None if claim is None or not claim.live else _choice(engine, claim)


def _choice(engine: Engine, claim: Claim) -> Choice:
    evse = engine.district.row[claim.evse_id]
    return Choice(int(engine.district.station[evse]), evse, claim.from_s, claim.to_s)


def _vehicle_id(car: Car) -> str:
    return car.demand.car_id or f"car{car.index}"


def _request(engine: Engine, car: Car) -> ChargingRequest:
    latitude_deg, longitude_deg = _here(engine, car)
    demand = car.demand
    return ChargingRequest(
        f"{_vehicle_id(car)}-{car.version}-{engine.events}",
        _vehicle_id(car),
        demand.vehicle,
        float(car.soc_pct),
        latitude_deg,
        longitude_deg,
        user_id=demand.user_id,
        target_soc_pct=demand.target_soc_pct,
        destination=demand.destination,
        purpose=demand.purpose,
        charge_place=demand.charge_place,
        arrive_by_s=demand.arrive_by_s,
    )


def _here(engine: Engine, car: Car) -> tuple[float, float]:
    latitude_deg, longitude_deg = engine.position(car)
    return float(latitude_deg), float(longitude_deg)
