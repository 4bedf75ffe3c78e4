"""Which doors there are, what share of the inputs each gets, and the rooms behind them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.fuzz.district import District
from bench.fuzz.grpc_doors import SERVICES, GrpcDoor
from bench.fuzz.rooms import Rooms, coordinator_config, sim_config
from bench.fuzz.run import Door, Watched

# Shares of the inputs, in hundredths.
WEIGHTS = {
    "grpc/charging": 24,
    "grpc/edge": 16,
    "grpc/operator": 18,
    "grpc/district": 8,
    "grpc/bench": 6,
}


def shares(inputs: int, names: list[str]) -> dict[str, int]:
    """So many inputs for each of these doors; they add up.

    >>> shares(100, ["grpc/charging", "grpc/district"])
    {'grpc/charging': 75, 'grpc/district': 25}
    """
    whole = sum(WEIGHTS[name] for name in names)
    counts = {name: inputs * WEIGHTS[name] // whole for name in names}
    counts[names[0]] += inputs - sum(counts.values())
    return counts


@dataclass(slots=True)
class Range:
    """Everything that is shot at; rooms start with the first door that needs them."""

    folder: Path
    at_ms: int
    rooms: Rooms
    district: District

    async def start(self) -> None:
        """The rooms, ready and seeded."""
        config = coordinator_config(self.folder / "district", self.folder / "tokens")
        ready = await self.rooms.start(
            "coordinator", "coordinator", config, "--log-level", "warning"
        )
        self.district.address = str(ready["grpc"])
        await self.rooms.start("sim", "firmware_sim", sim_config(), "--log-level", "warning")
        await self.district.seed()

    def watched(self) -> Watched:
        """How the rooms are looked after between slices."""
        rooms = self.rooms
        return Watched(
            rooms.complaints, self.district.alive, self.district.seed, rooms.gone, self.revive
        )

    def door(self, name: str) -> Door:
        """The door of this name."""
        if name in SERVICES:
            return GrpcDoor(name, lambda: self._address(name), self.district, self.at_ms)
        raise KeyError(name)

    def _address(self, name: str) -> str:
        room = "sim" if name == "grpc/bench" else "coordinator"
        ready = self.rooms.running[room].ready
        return str(ready["bench" if room == "sim" else "grpc"])

    async def revive(self, name: str) -> None:
        """Starts a room again that has ended; the coordinator with an empty disk."""
        if name == "coordinator":
            shutil.rmtree(self.folder / "district")
        ready = await self.rooms.restart(name)
        if name == "coordinator":
            self.district.address = str(ready["grpc"])

    async def reopen(self) -> None:
        """Stops the coordinator and starts it on what the inputs left on its disk."""
        ready = await self.rooms.restart("coordinator")
        self.district.address = str(ready["grpc"])
