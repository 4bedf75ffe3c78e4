"""A small real district for flow tests: every room a process of its own, ports from the system."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from city_sim import configs
from city_sim.clock import SimClock
from coordinator.core.pile import Connector, Evse, Pile, PowerType
from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

GBT_DC = 19
HERE = (22.5400, 114.0500)
STATIONS = {"S-A": ("Harbour Mall", HERE), "S-B": ("Hill Park", (22.5300, 114.0500))}
DEADLINE_S = 60.0


def pile(number: int, face: str = "modbus", station_id: str = "S-A") -> Pile:
    """A DC pile with one EVSE, at the near station S-A or the far S-B."""
    pile_id = f"A-{number:02d}"
    plug = Connector("1", GBT_DC, PowerType.DC, 120.0)
    return Pile(pile_id, station_id, (Evse(f"{pile_id}*1", (plug,), 1),), sources={"face": face})


async def eventually(what: str, probe: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as the probe holds; fails, naming what was awaited, after 30 s."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not await probe():
        if loop.time() > deadline:
            pytest.fail(f"not within {DEADLINE_S:.0f} s: {what}")
        await asyncio.sleep(0.05)


@dataclass
class SmallDistrict:
    """Simulated piles, one agent, one coordinator; the restarts keep data and ports."""

    folder: Path
    clock: SimClock
    mqtt: str
    piles: list[Pile]
    rooms: list[RoomProcess] = field(default_factory=list)
    channels: list[grpc.aio.Channel] = field(default_factory=list)

    async def open(self) -> None:
        """Starts everything and waits until every pile is known as free."""
        modbus = [p for p in self.piles if not configs.speaks_ocpp(p)]
        ocpp = [p for p in self.piles if configs.speaks_ocpp(p)]
        self.sim = await self._start(
            "firmware_sim", "sim", configs.sim(modbus, self.mqtt, {}, self.clock)
        )
        config = configs.coordinator(self.folder / "coordinator", self.clock)
        self.coordinator = await self._start("coordinator", "coordinator", config)
        self.target = str(self.coordinator.ready["grpc"])
        self.coordinator_config = config.replace(
            'listen = "127.0.0.1:0"', f'listen = "{self.target}"'
        )
        addresses = {p["pile_id"]: p["address"] for p in self.sim.ready["piles"]}
        self.agent_config = configs.agent(
            0,
            self.piles,
            target=self.target,
            data_dir=self.folder / "agent-0",
            mqtt=self.mqtt,
            addresses=addresses,
            clock=self.clock,
        )
        self.agent = await self._start("edge_agent", "agent", self.agent_config)
        self.bench = bench_rpc.BenchServiceStub(self._channel(str(self.sim.ready["bench"])))
        if ocpp:
            urls = {p.pile_id: f"{self.agent.ready['ocpp']}{p.pile_id}" for p in ocpp}
            sim = await self._start(
                "firmware_sim", "sim-ocpp", configs.sim(ocpp, self.mqtt, urls, self.clock)
            )
            self.ocpp_bench = bench_rpc.BenchServiceStub(self._channel(str(sim.ready["bench"])))
        self._dial()
        for station_id, (name, where) in STATIONS.items():
            if any(p.station_id == station_id for p in self.piles):
                await self._put_station(station_id, name, where)
        await eventually("every pile is known as free", self.all_free)

    async def status(self) -> dict[str, nouns.EvseStatus.ValueType]:
        """Status by EVSE as the coordinator believes it."""
        live = await self.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
        return {e.evse.evse_id: e.status for e in live.evses}

    async def all_free(self) -> bool:
        """Whether every EVSE is known as free."""
        status = await self.status()
        return len(status) == len(self.piles) and set(status.values()) == {
            nouns.EVSE_STATUS_AVAILABLE
        }

    async def crash_coordinator(self) -> None:
        """SIGKILL, then a new process on the same data and port."""
        self.coordinator.kill()
        await self.coordinator.wait()
        self.coordinator = await self._start("coordinator", "coordinator", self.coordinator_config)
        self._dial()

    async def crash_agent(self) -> None:
        """SIGKILL, then a new process on the same data."""
        self.agent.kill()
        await self.agent.wait()
        self.agent = await self._start("edge_agent", "agent", self.agent_config)

    def request(self, vehicle_id: str, **wishes: object) -> charging.RecommendRequest:
        """A charging request from around the corner."""
        wishes.setdefault("request_id", f"request-{vehicle_id}")
        wishes.setdefault("soc_pct", 30.0)
        return charging.RecommendRequest(
            vehicle_id=vehicle_id,
            vehicle=charging.VehicleProfile(battery_kwh=60.0, connectors=[GBT_DC]),
            position=nouns.Position(latitude_deg=HERE[0] + 0.01, longitude_deg=HERE[1]),
            **wishes,
        )

    async def close(self) -> None:
        """Ends what still runs."""
        for channel in self.channels:
            await channel.close()
        for room in reversed(self.rooms):
            if room.running:
                await room.stop()

    async def _start(self, room: str, name: str, config: str) -> RoomProcess:
        path = self.folder / f"{name}.toml"
        path.write_text(config)
        process = RoomProcess(room, ("-c", str(path)), self.folder / f"{name}.log")
        self.rooms.append(process)
        return await process.start()

    def _channel(self, target: str) -> grpc.aio.Channel:
        channel = grpc.aio.insecure_channel(target)
        self.channels.append(channel)
        return channel

    def _dial(self) -> None:
        channel = self._channel(self.target)
        self.charging = charging_rpc.ChargingServiceStub(channel)
        self.operator = op_rpc.OperatorServiceStub(channel)

    async def _put_station(self, station_id: str, name: str, where: tuple[float, float]) -> None:
        station = nouns.Station(
            station_id=station_id,
            name=name,
            position=nouns.Position(latitude_deg=where[0], longitude_deg=where[1]),
            piles=[
                nouns.PileFacts(
                    pile_id=p.pile_id,
                    station_id=station_id,
                    evses=[
                        nouns.Evse(
                            evse_id=f"{p.pile_id}*1",
                            connectors=[
                                nouns.Connector(
                                    connector_id="1",
                                    standard=GBT_DC,
                                    power_type=nouns.POWER_TYPE_DC,
                                    max_power_kw=120,
                                )
                            ],
                        )
                    ],
                )
                for p in self.piles
                if p.station_id == station_id
            ],
        )
        await self.operator.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)
