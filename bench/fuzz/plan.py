"""Which doors there are, what share of the inputs each gets, and the rooms behind them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from bench.fuzz.district import District
from bench.fuzz.evil_slave import Slave
from bench.fuzz.file_door import FileDoor
from bench.fuzz.grpc_doors import SERVICES, GrpcDoor
from bench.fuzz.http_door import HttpDoor, page_answers
from bench.fuzz.modbus_door import ModbusDoor
from bench.fuzz.mqtt_door import MOSQUITTO, Broker, MqttDoor
from bench.fuzz.ocpp_door import OcppDoor
from bench.fuzz.rooms import Rooms, agent_config, coordinator_config, sim_config, slaves
from bench.fuzz.run import Door, Watched
from pilewise.rooms import RoomFailed

# Shares of the inputs, in hundredths.
WEIGHTS = {
    "grpc/charging": 22,
    "grpc/edge": 12,
    "grpc/operator": 17,
    "grpc/district": 3,
    "grpc/bench": 6,
    "ocpp/1.6": 8,
    "ocpp/2.0.1": 8,
    "modbus": 2,
    "mqtt": 8,
    "http/pages": 2,
    "http/coordinator-figures": 1,
    "http/agent-figures": 1,
    "files": 10,
}
# So often a coordinator starts again, so that a district does not grow without end.
SLICES_A_LIFE = 12
# What a room tells of itself when it is ready, by the doors that are dialled.
_TOLD = {
    "grpc/bench": ("sim", "bench"),
    "http/pages": ("coordinator", "web"),
    "http/coordinator-figures": ("coordinator", "metrics"),
    "http/agent-figures": ("agent", "metrics"),
    "ocpp/1.6": ("agent", "ocpp"),
    "ocpp/2.0.1": ("agent", "ocpp"),
}
# Doors that are shot at one after the other, each row beside the others; a row has its own rooms.
TRACKS = {
    ("coordinator", "sim"): (
        "grpc/charging", "grpc/edge", "grpc/operator", "grpc/district", "grpc/bench",
        "http/pages", "http/coordinator-figures",
    ),
    ("agent",): ("ocpp/1.6", "ocpp/2.0.1", "mqtt", "http/agent-figures", "modbus"),
    (): ("files",),
}  # fmt: skip


def shares(inputs: int, names: list[str]) -> dict[str, int]:
    """So many inputs for each of these doors; they add up.

    >>> shares(100, ["grpc/operator", "grpc/district"])
    {'grpc/operator': 85, 'grpc/district': 15}
    """
    whole = sum(WEIGHTS[name] for name in names)
    counts = {name: inputs * WEIGHTS[name] // whole for name in names}
    counts[names[0]] += inputs - sum(counts.values())
    return counts


@dataclass(slots=True)
class Range:
    """Everything that is shot at."""

    folder: Path
    at_ms: int
    rooms: Rooms
    district: District
    slaves: list[Slave] = field(default_factory=list)
    broker: Broker | None = None
    slices: int = 0

    async def start(self, names: list[str]) -> None:
        """The rooms behind these doors, ready and seeded."""
        config = coordinator_config(self.folder / "district", self.folder / "tokens")
        ready = await self.rooms.start(
            "coordinator", "coordinator", config, "--log-level", "warning"
        )
        self.district.address = str(ready["grpc"])
        # The agent dials one address, however often the coordinator starts again.
        listens = f'listen = "{ready["grpc"]}"'
        config = config.replace('listen = "127.0.0.1:0"', listens, 1)
        (self.folder / "coordinator.toml").write_text(config)
        if "grpc/bench" in names:
            await self.rooms.start("sim", "firmware_sim", sim_config(), "--log-level", "warning")
        if any(name in TRACKS["agent",] for name in names):
            await self._start_agent(names)
        await self.district.seed()

    async def _start_agent(self, names: list[str]) -> None:
        if "modbus" in names:
            self.slaves = slaves()
            for slave in self.slaves:
                await slave.start()
        if "mqtt" in names:
            self.broker = Broker(self.folder)
            await self.broker.start()
        port = self.broker.port if self.broker is not None else None
        config = agent_config(self.district.address, self.slaves, port)
        await self.rooms.start("agent", "edge_agent", config)

    async def stop(self) -> None:
        """Ends everything."""
        await self.rooms.stop()
        for slave in self.slaves:
            await slave.stop()
        if self.broker is not None:
            await self.broker.stop()

    def watched(self, of: tuple[str, ...]) -> Watched:
        """How the rooms of a track are looked after between slices."""
        rooms = self.rooms

        async def again() -> tuple[bool, str]:
            if "coordinator" not in of:
                return False, ""
            self.slices += 1
            anew = self.slices % SLICES_A_LIFE == 0
            why = await self._next_life() if anew else ""
            await self.district.seed()
            return anew, why

        async def alive() -> str:
            if "coordinator" in of:
                return await self.district.alive()
            return await page_answers(self._address("http/agent-figures")) if of else ""

        return Watched(
            lambda: rooms.complaints(of), alive, again, lambda: rooms.gone(of), self.revive
        )

    def door(self, name: str) -> Door:
        """The door of this name."""
        if name in SERVICES:
            return GrpcDoor(name, lambda: self._address(name), self.district, self.at_ms)
        if name.startswith("ocpp/"):
            version = name.replace("/", "")
            return OcppDoor(name, version, lambda: self._address(name))
        if name.startswith("http/"):
            return HttpDoor(name, lambda: self._address(name))
        if name == "mqtt":
            return MqttDoor(
                lambda: self.broker.port if self.broker else 0,
                lambda: self._address("http/agent-figures"),
            )
        if name == "modbus":
            return ModbusDoor(self.slaves)
        return FileDoor(name, self.folder)

    def _address(self, name: str) -> str:
        room, told = _TOLD.get(name, ("coordinator", "grpc"))
        return str(self.rooms.running[room].ready[told])

    async def _next_life(self) -> str:
        """Starts the coordinator again on its data, every other time without; why it would not."""
        code = await self.rooms.halt("coordinator")
        try:
            await self.rooms.restart("coordinator")
        except RoomFailed as error:
            await self.revive("coordinator")
            return str(error)[-3_000:]
        if self.slices // SLICES_A_LIFE % 2 == 0:
            await self.revive("coordinator")
        return f"ended with {code}" if code else ""

    async def revive(self, name: str) -> None:
        """Starts a room again that has ended; with an empty disk."""
        await self.rooms.halt(name)
        shutil.rmtree(self.folder / {"coordinator": "district"}.get(name, name), True)
        await self.rooms.restart(name)

    async def reopen(self) -> None:
        """Stops every room and starts it on what the inputs left on its disk."""
        for name in self.rooms.running:
            await self.rooms.restart(name)


def missing(names: list[str]) -> dict[str, str]:
    """Doors that cannot be opened on this machine, and what to do."""
    absent = "mqtt" in names and MOSQUITTO is None
    return {"mqtt": "apt-get install mosquitto"} if absent else {}
