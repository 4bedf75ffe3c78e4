"""A car drives from one district into another; its promise comes with it, and outlives a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from served_brain import CCS2, KM_LAT, station
from small_city import HERE, SmallCity, open_city
from small_town import CALL_S

from pilewise.client import VehicleClient
from pilewise.guidance import Guidance
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(900)]

WAIT_S = 240.0
REPORT_S = 1.0
SOUTH, NORTH = [station("A", 1.0)], [station("B", 20.0, evse_count=2)]


@dataclass
class Drive:
    """A car that reports where it is, every second, and keeps all that it is told."""

    client: VehicleClient
    guidance: Guidance
    north_km: float = 0.0
    told: list[wire.GuideResponse] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def here(self) -> wire.Progress:
        """Where it is, and its charge."""
        place = wire.Progress(soc_pct=50.0 - self.north_km / 4.0)
        place.position.latitude_deg = HERE[0] + self.north_km * KM_LAT
        place.position.longitude_deg = HERE[1]
        return place

    async def report(self) -> None:
        """Says where it is until cancelled."""
        while True:
            here = self.here()
            self.guidance.progress(
                here.position.latitude_deg, here.position.longitude_deg, here.soc_pct
            )
            await asyncio.sleep(REPORT_S)

    async def listen(self) -> None:
        """Takes what comes until the drive is over."""
        async for event in self.guidance:
            self.told.append(event)
        self.ended.set()

    async def until(self, what: str, wanted: Callable[[wire.Promise], bool]) -> wire.Promise:
        """The promise that stands, as soon as it is so."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not wanted(self.guidance.promise):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"never {what}; told was {self.guidance.promise}")
        return self.guidance.promise

    async def offered(self) -> wire.Promise:
        """What the car is asked about."""
        async with asyncio.timeout(WAIT_S):
            while self.guidance.offer is None:
                await asyncio.sleep(0.05)
        return self.guidance.offer


@contextlib.asynccontextmanager
async def driving(city: SmallCity, promise: wire.Promise) -> AsyncIterator[Drive]:
    """The car of this promise, on its way through the city's coordinator."""
    profile = wire.VehicleProfile(battery_kwh=60.0, connectors=[CCS2])
    async with VehicleClient(city.process.address, "car-1", profile) as client:
        drive = Drive(client, client.guide(promise))
        tasks = [asyncio.create_task(drive.report()), asyncio.create_task(drive.listen())]
        try:
            yield drive
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def claims(city: SmallCity, name: str) -> dict[str, district.ClaimRecord]:
    """Live claims of a district, by EVSE."""
    told = await city.towns[name].operator.ListClaims(op.ListClaimsRequest(), timeout=CALL_S)
    return {claim.evse_id: claim for claim in told.claims}


async def crossed(city: SmallCity, drive: Drive) -> wire.Promise:
    """The car is in the north, and said yes to the place that it was offered there."""
    drive.north_km = 15.0
    offer = await drive.offered()
    both = await claims(city, "south"), await claims(city, "north")
    drive.guidance.decide(offer.revision, True)
    taken = await drive.until("moved", lambda p: p.district_id == "north")

    assert offer.change.code == "BETTER"
    # New first: until the car has said yes it has both.
    assert (list(both[0]), list(both[1])) == (["A-1*1"], [offer.choice.evse.evse_id])
    assert taken.choice.evse.evse_id == offer.choice.evse.evse_id
    return taken


async def test_promise_crosses_with_its_car_and_outlives_a_kill(tmp_path: Path) -> None:
    """From south to north: the new place is held, then the old one is free; the north's coordinator
    is killed and comes back; the car arrives at the pile that was kept for it."""
    stations = {"south": SOUTH, "north": NORTH}
    async with open_city(tmp_path, stations, find_s=20.0, call_s=20.0) as city:
        first = (await city.ask("car-1")).promise
        assert first.district_id == "south"
        async with driving(city, first) as drive:
            taken = await crossed(city, drive)
            await city.settled(south=[], north=[taken.choice.evse.evse_id])
            before = (await claims(city, "north"))[taken.choice.evse.evse_id]

            town = city.towns["north"]
            await town.process.kill()
            await city.see(north=False)
            drive.north_km = 19.0
            await town.process.start()
            await town.dial()
            await city.see(north=True)
            after = (await claims(city, "north"))[taken.choice.evse.evse_id]

            drive.north_km = 20.0
            # Heard before anybody is plugged in there, however slow the machine is.
            shown = await drive.until("shown the pile", lambda p: p.stage == wire.STAGE_PILE)
            # With its place: who was heard of a kilometre away is not who plugs in here.
            await drive.client.update(shown, drive.here(), arrived=True)
            town.resume_at(town.acked + 1)
            here = taken.choice.evse.evse_id.split("*")[0].replace("-", "_")
            async with town.agent() as agent, asyncio.timeout(WAIT_S):
                while not drive.ended.is_set():
                    await town.report(agent, **{here: nouns.EVSE_STATUS_CHARGING})
                    await asyncio.sleep(1.0)
                at_pile = (await claims(city, "north"))[taken.choice.evse.evse_id]

    assert taken.recommendation_id == first.recommendation_id
    assert (before.vehicle_id, after.claim_id) == ("car-1", before.claim_id)
    assert drive.guidance.closed is not None
    assert drive.guidance.closed.code == "ARRIVED"
    assert at_pile.vehicle_id == "car-1"
    assert at_pile.state == district.CLAIM_STATE_OCCUPIED
    revisions = [event.promise.revision for event in drive.told if event.HasField("promise")]
    assert revisions == sorted(revisions)


async def test_a_car_that_says_no_keeps_its_place(tmp_path: Path) -> None:
    """What was held for it across the border is freed, and it is told that the old one stands."""
    stations = {"south": SOUTH, "north": NORTH}
    async with open_city(tmp_path, stations, find_s=20.0, call_s=20.0) as city:
        first = (await city.ask("car-1")).promise
        async with driving(city, first) as drive:
            drive.north_km = 15.0
            offer = await drive.offered()
            drive.guidance.decide(offer.revision, False)
            kept = await drive.until("told that it keeps", lambda p: p.change.code == "KEPT")
            await city.settled(south=["A-1*1"], north=[])

    assert kept.revision > offer.revision
    assert kept.choice.evse.evse_id == "A-1*1"
    assert kept.district_id == "south"
