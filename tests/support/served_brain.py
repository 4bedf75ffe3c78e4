"""A real grpc server over the coordinator's recommending parts, with a district made by hand."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np

from coordinator.brain import Brain, assemble_brain
from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import Changes, District
from coordinator.core.pile import (
    Connector,
    Evse,
    EvseStatus,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.models.serving import Serving
from coordinator.rpc.charging import ChargingServicer
from coordinator.rpc.charging_codec import ChargingCodec
from coordinator.rpc.server import RpcServer
from coordinator.store.claims import MemoryClaims
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import types_pb2 as nouns

CCS2 = 27
HERE = (22.5400, 114.0500)
KM_LAT = 1.0 / 111.2


def station(
    name: str, north_km: float, evse_count: int = 1, power_kw: float = 120.0, tariff: str = "T"
) -> Station:
    """A DC station so far north of `HERE`, each EVSE a pile of its own: `<name>-1*1`, ..."""
    piles = tuple(
        Pile(
            f"{name}-{number}",
            name,
            (Evse(f"{name}-{number}*1", (Connector("1", CCS2, PowerType.DC, power_kw),)),),
            label=f"{name}-{number}",
        )
        for number in range(1, evse_count + 1)
    )
    latitude_deg = HERE[0] + north_km * KM_LAT
    return Station(name, f"Station {name}", latitude_deg, HERE[1], piles, tariff_id=tariff)


def district_of(stations: Iterable[Station], now_s: float, link_s: float) -> District:
    """A district in which every EVSE was just seen free."""
    district = District(stations)
    energy = TariffElement("ENERGY", 1.0)
    district.put_tariffs([Tariff("T", "CNY", (energy,))])
    district.status[:] = EvseStatus.AVAILABLE
    district.observed_at_s[:] = now_s
    district.heard_at_s[:] = link_s
    return district


@dataclass
class ServedBrain:
    """The parts and a client of them."""

    brain: Brain
    district: District
    counters: Counters
    events: Events
    client: rpc.ChargingServiceAsyncStub
    target: str

    def see(self, evse_id: str, status: EvseStatus) -> None:
        """Lets the coordinator believe a new status, as ingest does."""
        row = np.array([self.district.row[evse_id]], dtype=np.intp)
        before = self.district.status[row].copy()
        self.district.status[row] = status
        self.district.changed_at_s[row] = time.time()
        after = np.array([status], dtype=np.int8)
        self.brain.watchman.on_changes(Changes(row, before, after))


@asynccontextmanager
async def serve_brain(
    stations: Iterable[Station], claims_db: Path | None = None
) -> AsyncIterator[ServedBrain]:
    """The parts on a free port, with their watchman at work; claims in memory or in this file."""
    clock = Clock()
    moment = Moment(clock.now_s(), clock.link_s())
    district = district_of(stations, moment.now_s, moment.link_s)
    claims = MemoryClaims() if claims_db is None else SqliteClaims(claims_db, moment)
    events, counters = Events(clock.now_s, clock.system_s), Counters()
    brain = assemble_brain(district, Models(RULES_RANKER), clock, events, counters, claims)
    # Noon, whenever the tests run: speeds go by the hour of the day.
    brain.world.utc_offset_h = 12.0 - clock.now_s() / 3600.0 % 24.0
    await brain.start()
    server = RpcServer(random.Random(7))
    servicer = ChargingServicer(
        brain.recommender,
        brain.guidance,
        ChargingCodec(Serving().parts, 1.0),
        district,
        brain.intentions,
        brain.unasked,
        lambda: district.status,
    )
    server.guarded.serve(rpc.add_ChargingServiceServicer_to_server, servicer)
    port = server.bind("127.0.0.1:0")
    await server.start()
    watch = asyncio.create_task(brain.watchman.run(), name="test:watchman")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = rpc.ChargingServiceStub(channel)
            yield ServedBrain(brain, district, counters, events, client, f"127.0.0.1:{port}")
    finally:
        servicer.stop()
        await server.stop(0.2)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await brain.close()


def asking(car: str, number: int = 1, **fields: object) -> wire.RecommendRequest:
    """A valid request of a car at `HERE`, with a battery of 60 kWh at 50 %."""
    request = wire.RecommendRequest(
        request_id=f"{car}-{number}",
        vehicle_id=car,
        soc_pct=50.0,
        vehicle=wire.VehicleProfile(battery_kwh=60.0, connectors=[CCS2]),
        position=nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1]),
    )
    for name, value in fields.items():
        setattr(request, name, value)
    return request
