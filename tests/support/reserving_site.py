"""A coordinator, an agent and simulated OCPP piles, each a process, for holds at the piles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from coordinator_process import CoordinatorProcess
from small_district import GBT_DC, HERE, eventually

from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2 as bench
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

DEADLINE_S = 60.0
RESERVED, AVAILABLE = nouns.EVSE_STATUS_RESERVED, nouns.EVSE_STATUS_AVAILABLE


@dataclass
class ReservingSite:
    """The rooms, and what a car and an operator do."""

    folder: Path
    coordinator: CoordinatorProcess
    agent: RoomProcess
    sim: RoomProcess
    bench: bench_rpc.BenchServiceStub
    cars: rpc.ChargingServiceStub
    operator: op_rpc.OperatorServiceStub

    async def status(self, evse_id: str) -> int:
        """What the coordinator believes of an EVSE."""
        live = await self.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
        return int({evse.evse.evse_id: evse.status for evse in live.evses}.get(evse_id, 0))

    async def see(self, evse_id: str, status: int) -> None:
        """Returns once the coordinator believes this status."""

        async def seen() -> bool:
            return await self.status(evse_id) == status

        await eventually(f"{evse_id} has status {status}", seen)

    async def shows(self, evse_id: str, word: int) -> None:
        """Returns once the pile itself shows this OCPP status."""

        async def shown() -> bool:
            request = bench.GetStateRequest(evse_id=evse_id)
            state = (await self.bench.GetState(request, timeout=10)).state
            return int(state.ocpp_status) == word

        await eventually(f"{evse_id} shows {word}", shown)

    async def recommend(
        self, car: str, token: str = "", metadata: tuple[tuple[str, str], ...] = ()
    ) -> wire.Promise:
        """What the car is offered."""
        request = wire.RecommendRequest(
            request_id=f"{car}-1",
            vehicle_id=car,
            soc_pct=50.0,
            vehicle=wire.VehicleProfile(battery_kwh=60.0, connectors=[GBT_DC]),
            position=nouns.Position(latitude_deg=HERE[0] - 0.02, longitude_deg=HERE[1]),
            id_token=token,
        )
        answer = await self.cars.Recommend(request, timeout=10, metadata=metadata)
        promise: wire.Promise = answer.promise
        return promise

    def guide(self, promise: wire.Promise) -> GuidedCar:
        """The car follows its promise."""
        return GuidedCar(self.cars, promise.recommendation_id)

    async def count(self, name: str) -> float:
        """An index of the coordinator."""
        indexes = await self.operator.GetIndexes(op.GetIndexesRequest(), timeout=10)
        return float(indexes.indexes.get(name, 0.0))


class GuidedCar:
    """A guidance over a real stream."""

    def __init__(self, cars: rpc.ChargingServiceStub, recommendation_id: str) -> None:
        self.call = cars.Guide()
        self._opening = wire.GuideOpen(recommendation_id=recommendation_id)
        self.promises: list[wire.Promise] = []

    async def open(self) -> GuidedCar:
        """Opens the stream."""
        await self.call.write(wire.GuideRequest(open=self._opening))
        return self

    async def until(self, met: Callable[[wire.Promise], bool]) -> wire.Promise:
        """The first promise for which this holds."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.call.read()
                assert message is not grpc.aio.EOF, "the guidance ended"
                if message.WhichOneof("message") == "promise":
                    self.promises.append(message.promise)
                    if met(message.promise):
                        return message.promise

    async def closed(self) -> str:
        """The code with which it ends."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.call.read()
                assert message is not grpc.aio.EOF, "the guidance ended"
                if message.WhichOneof("message") == "closed":
                    return str(message.closed.code)


@asynccontextmanager
async def reserving_site(
    folder: Path, piles: dict[str, list[str]], speaks: str = "ocpp16"
) -> AsyncIterator[ReservingSite]:
    """Piles by id, each with its quirks, at stations of their own, the first the nearest."""
    coordinator = CoordinatorProcess(folder, stale_after_s=20.0)
    coordinator.log = folder / "coordinator.log"
    await coordinator.start()
    # The address outlives a restart.
    text = coordinator.config.read_text() + f'listen = "{coordinator.address}"\n'
    coordinator.config.write_text(text)
    agent_toml, sim_toml = folder / "agent.toml", folder / "sim.toml"
    agent_toml.write_text(_agent(coordinator.address, piles, speaks))
    agent = RoomProcess("edge_agent", ("-c", str(agent_toml)), folder / "agent.log")
    await agent.start()
    port = str(agent.ready["ocpp"]).removeprefix("ws://").strip("/")
    agent_toml.write_text(
        agent_toml.read_text().replace('listen = "127.0.0.1:0"', f'listen = "{port}"')
    )
    sim_toml.write_text(_sim(str(agent.ready["ocpp"]), piles, speaks))
    sim = RoomProcess("firmware_sim", ("-c", str(sim_toml)), folder / "sim.log")
    await sim.start()
    async with (
        grpc.aio.insecure_channel(coordinator.address) as channel,
        grpc.aio.insecure_channel(str(sim.ready["bench"])) as bench_channel,
    ):
        site = ReservingSite(
            folder, coordinator, agent, sim, bench_rpc.BenchServiceStub(bench_channel),
            rpc.ChargingServiceStub(channel), op_rpc.OperatorServiceStub(channel),
        )  # fmt: skip
        try:
            for pile_id in piles:
                await site.see(f"{pile_id}*1", AVAILABLE)
            yield site
        finally:
            for room in (sim, agent):
                if room.running:
                    await room.stop()
            await coordinator.stop()


def _agent(target: str, piles: dict[str, list[str]], speaks: str) -> str:
    parts = [
        f'[agent]\nid = "G1"\ncoordinator = "{target}"\ndata_dir = "data-agent"\nperiod_s = 0.2\n'
        "heartbeat_s = 2.0\n[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.2\n"
        '[ocpp]\nlisten = "127.0.0.1:0"\n'
    ]
    for number, pile_id in enumerate(piles):
        parts.append(
            f'[[pile]]\nuid = "{pile_id}"\nprofile = "{speaks}"\nlabel = "{pile_id}"\n'
            f'station_id = "S-{pile_id}"\n'
            f"latitude_deg = {HERE[0] + 0.005 * number}\nlongitude_deg = {HERE[1]}\n"
            '[[pile.connector]]\nstandard = "GBT_DC"\nmax_power_kw = 120\n'
        )
    return "".join(parts)


def _sim(url: str, piles: dict[str, list[str]], speaks: str) -> str:
    parts = [
        '[sim]\nbench = "127.0.0.1:0"\ntick_s = 0.1\n'
        "[ocpp]\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.05\n"
    ]
    for pile_id, quirks in piles.items():
        parts.append(
            f'[[pile]]\npile_id = "{pile_id}"\nface = "{speaks}"\nurl = "{url}{pile_id}"\n'
            f"max_power_kw = 120.0\nquirks = {json.dumps(quirks)}\n"
        )
    return "".join(parts)
