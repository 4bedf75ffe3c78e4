"""Sets up a whole district on loopback: broker, simulated piles, coordinator, agents.

Every part is the product itself, a process of its own on a port that the system gave it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from city_sim import configs
from city_sim.clock import SimClock
from city_sim.messages import station_message, tariff_message
from coordinator.core.pile import Pile, Station, Tariff
from pilewise.rooms import RoomProcess
from pilewise.v1 import bench_service_pb2_grpc as bench_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns


@dataclass(slots=True)
class Stage:
    """A running district. `benches` and `evses` are by evse_id."""

    folder: Path
    clock: SimClock
    stations: Sequence[Station]
    progress: Callable[[str], None]
    agent_count: int = 3
    extra: str = ""  # sections for the coordinator's configuration, as TOML
    rooms: list[RoomProcess] = field(default_factory=list)
    agents: list[RoomProcess] = field(default_factory=list)
    target: str = ""
    coordinator: RoomProcess | None = None
    benches: dict[str, bench_rpc.BenchServiceAsyncStub] = field(default_factory=dict)
    channels: list[grpc.aio.Channel] = field(default_factory=list)
    operator: op_rpc.OperatorServiceAsyncStub | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    async def open(self, tariffs: Sequence[Tariff], users: Sequence[op.UserRecord]) -> None:
        """Starts everything and fills in what the operator knows."""
        self.progress("broker, simulated piles, coordinator")
        broker = await self._start("city_sim.broker", "broker")
        mqtt = str(broker.ready["mqtt"])
        dialled = [p for p in self._piles() if not configs.speaks_ocpp(p)]
        dialling = [p for p in self._piles() if configs.speaks_ocpp(p)]
        sim, coordinator = await asyncio.gather(
            self._start("firmware_sim", "sim-modbus", configs.sim(dialled, mqtt, {}, self.clock)),
            self._start(
                "coordinator",
                "coordinator",
                configs.coordinator(self.folder / "coordinator", self.clock, self._token_file())
                + self.extra,
            ),
        )
        self.coordinator = coordinator
        self.target = str(coordinator.ready["grpc"])
        channel = grpc.aio.insecure_channel(self.target)
        self.channels.append(channel)
        self.operator = op_rpc.OperatorServiceStub(channel)
        await self._put(tariffs, users)
        self._reach(sim)
        addresses = {p["pile_id"]: str(p["address"]) for p in sim.ready["piles"]}
        self.progress(f"{self.agent_count} agents")
        self.agents = await asyncio.gather(
            *(
                self._start("edge_agent", f"agent-{n}", self._agent_config(n, mqtt, addresses))
                for n in range(self.agent_count)
            )
        )
        urls = {
            pile.pile_id: f"{self.agents[self._owner(pile)].ready['ocpp']}{pile.pile_id}"
            for pile in dialling
        }
        if dialling:
            config = configs.sim(dialling, mqtt, urls, self.clock)
            self._reach(await self._start("firmware_sim", "sim-ocpp", config))

    def page(self) -> str:
        """Where the operator's page is, with the token of this district; empty if there is none."""
        url = str(self.coordinator.ready.get("web", "")) if self.coordinator else ""
        return f"{url}#token={self.token}" if url else ""

    def _token_file(self) -> Path:
        """A file with a token that this run alone knows."""
        path = self.folder / "tokens"
        path.touch(mode=0o600)
        path.write_text(f"demo {self.token}\n")
        return path

    async def talking(self) -> int:
        """Piles of which the coordinator knows a status that is not UNKNOWN."""
        live = await self.live()
        return len({e.evse.pile_id for e in live if e.status != nouns.EVSE_STATUS_UNKNOWN})

    async def live(self) -> list[op.LiveEvse]:
        """The coordinator's live picture."""
        if self.operator is None:
            return []
        found: list[op.LiveEvse] = []
        token = ""
        while True:
            page = nouns.PageRequest(page_size=1000, page_token=token)
            answer = await self.operator.ListPiles(
                op.OperatorServiceListPilesRequest(page=page), timeout=10.0
            )
            found += answer.evses
            token = answer.next_page_token
            if not token:
                return found

    async def wait_until_talking(self, timeout_s: float = 45.0) -> int:
        """How many piles talk, once all do or the time is up."""
        wanted = len(self._piles())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        seen = -1
        while (count := await self.talking()) < wanted and loop.time() < deadline:
            if count != seen:
                self.progress(f"{count}/{wanted} piles talking")
                seen = count
            await asyncio.sleep(0.2)
        return count

    async def close(self) -> None:
        """Ends everything that still runs, the readers before those that they read."""
        for channel in self.channels:
            await channel.close()
        for room in (*self.agents, *(r for r in self.rooms if r not in self.agents)):
            if room.running:
                await room.stop()

    def _piles(self) -> list[Pile]:
        return [pile for station in self.stations for pile in station.piles]

    def _owner(self, pile: Pile) -> int:
        """The agent of a pile: a gateway serves whole stations."""
        rows = [station.station_id for station in self.stations]
        return rows.index(pile.station_id) * self.agent_count // len(rows)

    async def stand(self, asked_to_end: asyncio.Event, for_s: float) -> None:
        """Returns when the time is up or it was asked to; raises `RoomFailed` if a room ends."""
        asked = asyncio.create_task(asked_to_end.wait(), name="city:asked")
        rooms = [asyncio.create_task(r.failure(), name=f"city:{r.room}") for r in self.rooms]
        waits = [asked, *rooms]
        try:
            await asyncio.wait(waits, timeout=max(0.0, for_s), return_when=asyncio.FIRST_COMPLETED)
            for fallen in rooms:
                if fallen.done():
                    raise fallen.result()
        finally:
            for wait in waits:
                wait.cancel()

    async def _start(self, room: str, name: str, config: str = "") -> RoomProcess:
        args: tuple[str, ...] = ()
        if config:
            path = self.folder / f"{name}.toml"
            path.write_text(config)
            args = ("-c", str(path))
        process = RoomProcess(room, args, self.folder / "log" / f"{name}.log")
        self.rooms.append(process)
        return await process.start()

    def _reach(self, sim: RoomProcess) -> None:
        channel = grpc.aio.insecure_channel(str(sim.ready["bench"]))
        self.channels.append(channel)
        stub = bench_rpc.BenchServiceStub(channel)
        for pile in sim.ready["piles"]:
            self.benches.update(dict.fromkeys(pile["evses"], stub))

    def _agent_config(self, number: int, mqtt: str, addresses: dict[str, str]) -> str:
        return configs.agent(
            number,
            [pile for pile in self._piles() if self._owner(pile) == number],
            target=self.target,
            data_dir=self.folder / f"agent-{number}",
            mqtt=mqtt,
            addresses=addresses,
            clock=self.clock,
        )

    async def _put(self, tariffs: Sequence[Tariff], users: Sequence[op.UserRecord]) -> None:
        if self.operator is None:
            return
        await self.operator.PutTariffs(
            op.PutTariffsRequest(tariffs=[tariff_message(t) for t in tariffs]), timeout=10.0
        )
        stations = [station_message(s) for s in self.stations]
        for start in range(0, len(stations), 50):
            await self.operator.PutStations(
                op.PutStationsRequest(stations=stations[start : start + 50]), timeout=10.0
            )
        await self.operator.PutUsers(op.PutUsersRequest(users=users), timeout=10.0)
