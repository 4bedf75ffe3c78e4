"""A coordinator with its page, two stations, an agent made by hand, and cars that ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from coordinator_process import CoordinatorProcess
from served_brain import HERE, KM_LAT, asking, station
from wire_agent import WireAgent, batch

from city_sim.messages import road_message, station_message
from coordinator.usecases.telemetry import Road
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

TOKEN = "a-token-that-nobody-guesses"
URL = "ws://127.0.0.1:9000/A-1"  # that A-1 dials; B-1 is asked over Modbus
EVSES = ("A-1*1", "A-2*1", "B-1*1")
FREE, BROKEN = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_OUTOFORDER
BLOCKED = nouns.EVSE_STATUS_BLOCKED


@dataclass
class WatchedTown:
    """Two stations, `A` with two EVSEs and `B` with one, and whoever is in them."""

    process: CoordinatorProcess
    agent: WireAgent
    cars: rpc.ChargingServiceAsyncStub
    operator: operator_rpc.OperatorServiceAsyncStub
    reported: int = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return str(self.process.ready["web"])

    async def see(self, evse_ids: Sequence[str], status: int) -> None:
        """The agent reports this status of these EVSEs."""
        report = batch("spool-1", self.reported + 1, evse_ids, [status] * len(evse_ids))
        self.reported += len(evse_ids)
        await self.agent.report(report)

    async def rename(self, station_id: str, name: str) -> None:
        """The operator gives a station another name."""
        listed = station(station_id, 1.0, 2)
        message = station_message(replace(listed, name=name))
        await self.operator.PutStations(op.PutStationsRequest(stations=[message]), timeout=10)

    async def build_roads(self) -> None:
        """A road of two stretches from where cars ask to both stations, A before B."""
        lat = [HERE[0] + north_km * KM_LAT for north_km in (0.0, 1.0, 2.0)]
        roads = [
            Road(str(n), str(n + 1), (lat[n], HERE[1]), (lat[n + 1], HERE[1]), 1.0, 50.0)
            for n in range(2)
        ]
        request = op.PutRoadsRequest(edges=map(road_message, roads), replace=True)
        await self.operator.PutRoads(request, timeout=10)

    async def promise(self, car: str, **wishes: object) -> wire.Promise:
        """What the car is promised, and has confirmed."""
        answer = await self.cars.Recommend(asking(car, **wishes), timeout=10)
        promise = answer.promise
        await self.cars.Confirm(
            wire.ConfirmRequest(
                recommendation_id=promise.recommendation_id,
                evse_id=promise.choice.evse.evse_id,
            ),
            timeout=10,
        )
        return promise


def with_page(folder: Path, listen: str = "127.0.0.1:0", more: str = "") -> CoordinatorProcess:
    """A coordinator with a page and one token, and what else it is to be told; not started."""
    tokens = folder / "tokens"
    tokens.write_text(f"anna {TOKEN}\n")
    tokens.chmod(0o600)
    process = CoordinatorProcess(folder)
    with process.config.open("a") as file:
        file.write(f'[web]\nlisten = "{listen}"\ntoken_file = "{tokens}"\n{more}')
    return process


@asynccontextmanager
async def watched_town(folder: Path, more: str = "") -> AsyncIterator[WatchedTown]:
    """The town with every EVSE seen free."""
    process = with_page(folder, more=more)
    await process.start()
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            operator = operator_rpc.OperatorServiceStub(channel)
            stations = [station_message(station(*place)) for place in (("A", 1.0, 2), ("B", 2.0))]
            await operator.PutStations(op.PutStationsRequest(stations=stations), timeout=10)
            piles = [pile for one in stations for pile in one.piles]
            piles[0].address, piles[2].address = URL, "modbus-tcp 10.0.0.7:502 unit 1"
            async with WireAgent(process.address, piles=piles) as agent:
                town = WatchedTown(process, agent, rpc.ChargingServiceStub(channel), operator)
                await town.see(EVSES, FREE)
                yield town
    finally:
        await process.stop()
