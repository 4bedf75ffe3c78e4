"""The demo: a whole district on loopback, real parts, cars that drive, piles that break.

Nothing here decides anything; it starts the product, plays the drivers and the bad luck, and counts
at the end. The comparison runs the nearest-pile policy over the very same cars and disturbances.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc

from city_sim import accounts, scene
from city_sim.baseline import nearest_baseline
from city_sim.city import ROAD_FACTOR, StraightTravel
from city_sim.clock import LOCAL, SimClock
from city_sim.demand import Disturbance, DisturbanceKind
from city_sim.desktop import show_page
from city_sim.drivers import Driver, Trip
from city_sim.screen import Screen
from city_sim.stage import Stage
from coordinator.core.district import District
from coordinator.core.pile import Station
from coordinator.core.roads import EstimatedRoads
from pilewise.client import VehicleClient
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import operator_service_pb2 as op

HOUR_S = 3600.0  # domain time that a show should span
EVENING_H = 18  # domain hour at which the show begins
# What the coordinator expects of the evening; its cars and the comparison drive like that.
SPEED_KMH = EstimatedRoads().speed_kmh(EVENING_H + 0.5)
FAULT = "HighTemperature"
FAULT_S = 1500.0  # domain seconds that a broken pile stays broken
PARKED_S = 900.0  # domain seconds that a parked car blocks a bay
SHORT_S = 1800.0  # a shorter show ends before cars have queued
FAULT_AT, BLOCK_AT = 0.06, 0.14  # share of an act from which on something happens


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; `for_s` is wall time."""

    seed: int = 7
    speed: float = 60.0
    for_s: float = 90.0
    cars: int = 24
    stations: tuple[Station, ...] = ()
    keep: bool = False
    browser: bool = False  # open the operator's page where there is a desktop
    quiet: bool = False  # only the summary is told


async def run(options: Options) -> dict[str, Any]:
    """Plays the demo and returns its summary, computed from what happened."""
    folder = Path(tempfile.mkdtemp(prefix="pilewise-demo-"))
    evening = datetime.now(LOCAL).replace(hour=EVENING_H, minute=0, second=0, microsecond=0)
    clock = SimClock.starting_at(evening.timestamp(), options.speed)
    screen = Screen(clock, options.quiet)
    screen.title(options.seed, options.speed, str(folder), options.keep)
    stations = list(options.stations) or scene.demo_stations()
    stage = Stage(folder, clock, stations, screen.progress)
    show = Show(options, stage, screen, clock)
    try:
        with show.ends_when_asked():
            await stage.open([scene.TARIFF], scene.users())
            return await show.play()
    finally:
        await stage.close()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


class Show:
    """One performance on a stage that stands."""

    def __init__(self, options: Options, stage: Stage, screen: Screen, clock: SimClock) -> None:
        self.options, self.stage, self.screen, self.clock = options, stage, screen, clock
        self.rng = random.Random(options.seed)
        self.drivers: list[Driver] = []
        self.disturbances: list[Disturbance] = []
        self._time_is_up = asyncio.Event()
        self._playing = False

    @contextlib.contextmanager
    def ends_when_asked(self) -> Iterator[None]:
        """Meanwhile Ctrl-C and SIGTERM bring the summary early; a second one, or one before the
        show has begun, ends it without."""
        loop, performance = asyncio.get_running_loop(), asyncio.current_task()

        def asked() -> None:
            if self._playing and not self._time_is_up.is_set():
                self._time_is_up.set()
            elif performance is not None:
                performance.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def play(self) -> dict[str, Any]:
        """Runs for the wall time asked for, then counts."""
        talking = await self.stage.wait_until_talking()
        agents = [agent for agent in await accounts.agents(self.stage) if agent.connected]
        begin = self.clock.now_s()
        acts = scene.acts(begin, self.options.for_s, self.options.speed)
        count = self.options.cars
        stations = self.stage.stations
        if self.options.stations:
            count = scene.enough_cars(self.options.seed, stations, count, *acts[0])
        trips = scene.show_trips(self.options.seed, stations, count, acts)
        self._welcome(talking, len(agents), len(trips))
        channel = grpc.aio.insecure_channel(self.stage.target)
        self.drivers = [self._driver(trip, channel) for trip in trips]
        tasks = [
            asyncio.create_task(d.run(), name=f"city:{d.log.trip.vehicle_id}") for d in self.drivers
        ]
        tasks.append(asyncio.create_task(self._watch(), name="city:watch"))
        for at_s, length_s in acts:
            broken = self._break_a_pile(at_s + FAULT_AT * length_s)
            parked = self._park_a_car(at_s + BLOCK_AT * length_s)
            tasks.append(asyncio.create_task(broken, name="city:fault"))
            tasks.append(asyncio.create_task(parked, name="city:parked"))
        try:
            left_s = self.options.for_s - (self.clock.now_s() - begin) / self.options.speed
            self._playing = True
            await self.stage.stand(self._time_is_up, left_s)
            until = self.clock.now_s()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await channel.close()
        return await self._count(begin, until, len(agents), talking)

    def _driver(self, trip: Trip, channel: grpc.aio.Channel) -> Driver:
        client = VehicleClient(
            self.stage.target, trip.vehicle_id, trip.profile, user_id=trip.user_id, channel=channel
        )
        return Driver(
            trip,
            client,
            self.stage.benches,
            self.clock,
            SPEED_KMH,
            ROAD_FACTOR,
            self.screen.car,
        )

    def _welcome(self, talking: int, agents: int, cars: int) -> None:
        piles = [pile for station in self.stage.stations for pile in station.piles]
        ocpp = sum(pile.sources.get("face") == "ocpp16" for pile in piles)
        ready = self.stage.coordinator.ready if self.stage.coordinator else {}
        models = ", ".join(f"{m['name']} {m['sha256'][:8]}" for m in ready.get("models", []))
        facts = (
            f"agents {agents}/{self.stage.agent_count} up · piles {talking}/{len(piles)} talking "
            f"({len(piles) - ocpp} Modbus, {ocpp} OCPP 1.6) · {cars} cars · "
            f"models {models or 'none'}"
        )
        hot = self.stage.stations[0]
        page, at = self.stage.page(), (hot.latitude_deg, hot.longitude_deg)
        self.screen.started(self.stage.target, facts, at, page)
        if self.options.browser and page:
            show_page(page)

    async def _victim(self) -> str:
        """An EVSE that a car is driving to and will not reach within two minutes."""
        while True:
            underway = [
                d.on_the_way_to
                for d in self.drivers
                if d.on_the_way_to
                and d.log.arrived_at_s is None
                and d.log.reroutes == 0
                and d.on_the_way_to not in self._disturbed()
                and d.remaining_s() > 120.0
            ]
            if underway:
                return self.rng.choice(underway)
            await asyncio.sleep(0.05)

    def _disturbed(self) -> set[str]:
        """EVSEs that are out of use on purpose now."""
        now = self.clock.now_s()
        return {one.evse_id for one in self.disturbances if one.to_s > now}

    async def _break_a_pile(self, at_s: float) -> None:
        await self.clock.until(at_s)
        evse_id = await self._victim()
        request = bench.InjectFaultRequest(evse_id=evse_id, fault=FAULT, duration_s=FAULT_S)
        await self.stage.benches[evse_id].InjectFault(request, timeout=10.0)
        self._note(evse_id, DisturbanceKind.FAULT, FAULT_S)
        self.screen.disturbance(f"{evse_id} breaks: {FAULT} (a car is on its way to it)")

    async def _park_a_car(self, at_s: float) -> None:
        await self.clock.until(at_s)
        evse_id = await self._victim()
        stub = self.stage.benches[evse_id]
        await stub.SetBay(bench.SetBayRequest(evse_id=evse_id, occupied=True), timeout=10.0)
        self._note(evse_id, DisturbanceKind.BLOCKED, PARKED_S)
        self.screen.disturbance(f"{evse_id} is blocked by a parked car that does not charge")
        await self.clock.until(self.clock.now_s() + PARKED_S)
        await stub.SetBay(bench.SetBayRequest(evse_id=evse_id, occupied=False), timeout=10.0)
        self.screen.event(f"{evse_id} bay is clear again")

    def _note(self, evse_id: str, kind: DisturbanceKind, duration_s: float) -> None:
        now = self.clock.now_s()
        self.disturbances.append(Disturbance(evse_id, kind, now, now + duration_s))

    async def _watch(self) -> None:
        """Shows the conflicts that the coordinator solves."""
        if self.stage.operator is None:
            return
        request = op.OperatorServiceWatchRequest(kinds=["CONFLICT"])
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for event in self.stage.operator.Watch(request):
                self.screen.event(f"conflict: {event.text}")

    async def _count(self, begin: float, until: float, agents: int, talking: int) -> dict[str, Any]:
        logs = [driver.log for driver in self.drivers if driver.log.trip.at_s < until]
        ours = _mean([log.drive_plus_wait_s(until) for log in logs])
        nearest = nearest_baseline(
            self.stage.stations,
            scene.demands([log.trip for log in logs]),
            self.disturbances,
            until,
            StraightTravel(District(self.stage.stations), SPEED_KMH),
        )
        indexes = await accounts.indexes(self.stage)
        models = await accounts.models(self.stage)
        spooled, stored = await accounts.settle(self.stage)
        result: dict[str, Any] = {
            "agents_up": agents,
            "piles_talking": talking,
            "cars": len(logs),
            "charged": sum(log.plugged_at_s is not None for log in logs),
            "recommendations": int(indexes.get("recommendations", 0)),
            "conflicts_resolved": int(indexes.get("conflicts_resolved", 0)),
            "reroutes": int(indexes.get("reroutes", 0)),
            "records_spooled": spooled,
            "records_stored": stored,
            "records_lost": spooled - stored,
            "mean_drive_plus_wait_min": round(ours / 60, 3),
            "nearest_mean_drive_plus_wait_min": round(nearest.mean_drive_plus_wait_min, 3),
            "models": models,
            "errors": [error for log in logs for error in log.errors],
            "seed": self.options.seed,
            "speed": self.options.speed,
            "simulated_min": round((until - begin) / 60, 1),
            "window_too_short": until - begin < SHORT_S,
        }
        self.screen.summary(result)
        return result


def real_stations(path: Path, near: tuple[float, float] | None, limit: int) -> list[Station]:
    """Stations of a real list, fit for simulation: one pile in four speaks OCPP, the rest Modbus.

    Raises `coordinator.errors.CoordinatorError` where the list cannot be read.
    """
    from coordinator.importers import load_stations

    return [
        replace(
            station,
            piles=tuple(
                replace(pile, sources={**pile.sources, "face": "modbus" if n % 4 else "ocpp16"})
                for n, pile in enumerate(station.piles)
            ),
        )
        for station in load_stations(path, near=near, limit=limit)
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
