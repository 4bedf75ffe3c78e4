"""Cars as gRPC clients: each asks, drives where it is told, plugs in, charges and leaves.

The car knows nothing but its promise. Time on the road is domain time; the pile is a simulated one,
plugged in through `BenchService` as a hand would.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import grpc

from city_sim.clock import SimClock
from pilewise.client import VehicleClient
from pilewise.guidance import Guidance
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc
from pilewise.v1 import charging_service_pb2 as pb

TICK_S = 0.1  # real seconds between two positions
REPORT_S = 0.5  # real seconds between two reports
RETRY_S = 60.0  # domain seconds between two requests where nothing was found
CONSUMPTION_KWH_PER_KM = 0.17


@dataclass(frozen=True, slots=True)
class Trip:
    """A car that needs charge at a time and place; instants in domain seconds since 1970."""

    vehicle_id: str
    at_s: float
    latitude_deg: float
    longitude_deg: float
    soc_pct: float
    profile: pb.VehicleProfile
    target_soc_pct: float = 80.0
    user_id: str = ""


@dataclass(slots=True)
class Log:
    """What happened to one car; None until it happened."""

    trip: Trip
    asked: int = 0
    reroutes: int = 0
    evse_id: str = ""
    left_evse_id: str = ""  # what it was promised before that
    drive_s: float = 0.0
    arrived_at_s: float | None = None
    plugged_at_s: float | None = None
    done_at_s: float | None = None
    errors: list[str] = field(default_factory=list)

    def drive_plus_wait_s(self, until_s: float) -> float:
        """Seconds from asking to charging; for a car that still waits, so far."""
        return max(0.0, min(self.plugged_at_s or until_s, until_s) - self.trip.at_s)


Say = Callable[[str, Log, pb.Promise | None], None]


class Driver:
    """One car on one trip."""

    def __init__(
        self,
        trip: Trip,
        client: VehicleClient,
        benches: Mapping[str, bench_rpc.BenchServiceAsyncStub],
        clock: SimClock,
        speed_kmh: float,
        road_factor: float,
        say: Say,
    ) -> None:
        self.log = Log(trip)
        self.latitude_deg, self.longitude_deg = trip.latitude_deg, trip.longitude_deg
        self.soc_pct = trip.soc_pct
        self.on_the_way_to: str = ""
        self._client = client
        self._benches = benches
        self._clock = clock
        self._speed_km_per_s = speed_kmh / 3600.0
        self._road_factor = road_factor
        self._say = say
        self._rerouted = asyncio.Event()
        self._guidance: Guidance | None = None

    async def run(self) -> None:
        """Waits for the hour of the trip and sees it through."""
        await self._clock.until(self.log.trip.at_s)
        try:
            while (promise := await self._ask()) is None:
                await self._clock.until(self._clock.now_s() + RETRY_S)
            await self._follow(self._client.guide(promise))
        except grpc.aio.AioRpcError as error:
            self.log.errors.append(f"{error.code().name}: {error.details()}")
            self._say("error", self.log, None)

    def remaining_s(self) -> float:
        """Domain seconds of driving left; 0 where the car does not drive."""
        if self._guidance is None or not self.on_the_way_to:
            return 0.0
        target = self._guidance.promise.area.navigate_to
        distance_km = self._road_factor * great_circle_km(
            self.latitude_deg, self.longitude_deg, target.latitude_deg, target.longitude_deg
        )
        return distance_km / self._speed_km_per_s

    async def _ask(self) -> pb.Promise | None:
        request = self._client.request(self.soc_pct, self.latitude_deg, self.longitude_deg)
        request.target_soc_pct = self.log.trip.target_soc_pct
        self.log.asked += 1
        answer = await self._client.recommend(request)
        if not answer.HasField("promise"):
            self._say("nothing", self.log, None)
            return None
        self._say("sent", self.log, answer.promise)
        return answer.promise

    async def _follow(self, guidance: Guidance) -> None:
        self._guidance = guidance
        self.log.evse_id = self.on_the_way_to = guidance.promise.choice.evse.evse_id
        listener = asyncio.create_task(
            self._listen(guidance), name=f"city:{self.log.trip.vehicle_id}"
        )
        try:
            plugged = False
            while not plugged:
                await self._drive(guidance)
                plugged = await self._plug_in(guidance)
            await self._charge(guidance, self.log.evse_id)
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener

    async def _listen(self, guidance: Guidance) -> None:
        async for event in guidance:
            if not event.HasField("promise"):
                continue
            promise = event.promise
            if promise.HasField("accept_before"):
                guidance.decide(promise.revision, True)
                continue  # it is no promise before it comes back without this
            evse_id = promise.choice.evse.evse_id
            if evse_id and evse_id != self.log.evse_id and self.log.plugged_at_s is None:
                self.log.left_evse_id = self.log.evse_id
                self.log.evse_id = self.on_the_way_to = evse_id
                self.log.reroutes += 1
                self._rerouted.set()
                self._say("rerouted", self.log, promise)

    async def _drive(self, guidance: Guidance) -> None:
        """Moves along until the station of the promise is reached; turns where the promise does."""
        loop = asyncio.get_running_loop()
        begun = then = self._clock.now_s()
        reported = -math.inf
        while True:
            self._rerouted.clear()
            target = guidance.promise.area.navigate_to
            distance_km = self._road_factor * great_circle_km(
                self.latitude_deg, self.longitude_deg, target.latitude_deg, target.longitude_deg
            )
            now = self._clock.now_s()
            step_km = (now - then) * self._speed_km_per_s
            then = now
            share = 1.0 if distance_km <= step_km else step_km / distance_km
            self.latitude_deg += share * (target.latitude_deg - self.latitude_deg)
            self.longitude_deg += share * (target.longitude_deg - self.longitude_deg)
            used_kwh = min(distance_km, step_km) * CONSUMPTION_KWH_PER_KM
            self.soc_pct = max(
                0.0, self.soc_pct - 100 * used_kwh / self.log.trip.profile.battery_kwh
            )
            if share == 1.0:
                break
            if loop.time() - reported >= REPORT_S:
                reported = loop.time()
                guidance.progress(self.latitude_deg, self.longitude_deg, self.soc_pct)
            await asyncio.sleep(TICK_S)
        self.log.drive_s += self._clock.now_s() - begun
        self.log.arrived_at_s = self._clock.now_s()
        self._say("arrived", self.log, guidance.promise)

    async def _plug_in(self, guidance: Guidance) -> bool:
        """Whether the car got its plug; False when it was sent elsewhere while it stood there."""
        guidance.progress(self.latitude_deg, self.longitude_deg, self.soc_pct)
        guidance.arrived()
        profile = self.log.trip.profile
        while not self._rerouted.is_set():
            evse_id = guidance.promise.choice.evse.evse_id
            others_first = guidance.promise.choice.hold.queue_position > 0
            if others_first or not await self._accessible(evse_id):
                guidance.progress(self.latitude_deg, self.longitude_deg, self.soc_pct)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._rerouted.wait(), 2 * TICK_S)
                continue
            request = bench.PlugInRequest(
                evse_id=evse_id,
                battery_kwh=profile.battery_kwh,
                soc_pct=self.soc_pct,
                target_soc_pct=self.log.trip.target_soc_pct,
                max_power_kw=profile.max_dc_power_kw,
            )
            try:
                await self._benches[evse_id].PlugIn(request, timeout=10.0)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    raise
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._rerouted.wait(), 2 * TICK_S)
                continue
            self.log.evse_id = evse_id
            self.on_the_way_to = ""
            self.log.plugged_at_s = self._clock.now_s()
            self._say("plugged", self.log, guidance.promise)
            return True
        return False

    async def _accessible(self, evse_id: str) -> bool:
        """Whether nothing stands in the bay and nothing is broken, as the driver sees it."""
        request = bench.GetStateRequest(evse_id=evse_id)
        state = (await self._benches[evse_id].GetState(request, timeout=10.0)).state
        return not state.bay_occupied and not state.faults

    async def _charge(self, guidance: Guidance, evse_id: str) -> None:
        stub = self._benches[evse_id]
        broken = False
        while not broken:
            answer = await stub.GetState(bench.GetStateRequest(evse_id=evse_id), timeout=10.0)
            broken = bool(answer.state.faults)
            if answer.state.done:
                break
            await asyncio.sleep(5 * TICK_S)
        await stub.Unplug(bench.UnplugRequest(evse_id=evse_id), timeout=10.0)
        self.log.done_at_s = self._clock.now_s()
        self._say("broken" if broken else "done", self.log, guidance.promise)
        await self._client.report_outcome(
            guidance.promise.recommendation_id,
            pb.OUTCOME_KIND_BROKEN if broken else pb.OUTCOME_KIND_CHARGED,
            evse_id=evse_id,
            wait_s=(self.log.plugged_at_s or 0.0) - (self.log.arrived_at_s or 0.0),
        )


def great_circle_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Distance on the sphere in km; degrees in.

    >>> round(great_circle_km(0.0, 0.0, 0.0, 1.0), 2)
    111.2
    """
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half = (
        math.sin((phi_b - phi_a) / 2) ** 2
        + math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * 6371.0088 * math.asin(math.sqrt(half))
