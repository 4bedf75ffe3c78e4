"""Simulated piles and the agent's readers of them, in one event loop, for tests of their wires."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.core.profile import Profile
from edge_agent.core.reading import Reading
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import TcpAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.profiles import load_profile
from firmware_sim.app import Simulator
from firmware_sim.config import load_config
from firmware_sim.core.wire import parse_wire_fault

DEADLINE_S = 60.0
ABB = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\nmax_power_kw = 11.04\n'


@dataclass
class Notes:
    """A sink that remembers."""

    readings: list[Reading] = field(default_factory=list)
    misses: list[tuple[str, str]] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, reading: Reading) -> None:
        self.readings.append(reading)
        self.news.set()

    def miss(self, evse_id: str, reason: str) -> None:
        self.misses.append((evse_id, reason))
        self.news.set()

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        self.told.append(dict(told))
        self.news.set()

    async def until(self, met: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
        """Waits until a condition holds; looks at it whenever something was noted."""
        async with asyncio.timeout(deadline_s):
            while not met():
                self.news.clear()
                await self.news.wait()

    async def more_readings(self, count: int) -> None:
        """Waits for so many readings from now on."""
        wanted = len(self.readings) + count
        await self.until(lambda: len(self.readings) >= wanted)


@dataclass
class Site:
    """A simulator and the readers of its piles."""

    simulator: Simulator
    addresses: dict[str, str]
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def address(self, pile_id: str, transport: str = "modbus-tcp") -> TcpAddress:
        host, _, port = self.addresses[pile_id].rpartition(":")
        return TcpAddress(host, int(port), transport)

    def bus(self, pile_id: str, transport: str = "modbus-tcp") -> Bus:
        return Bus(self.address(pile_id, transport), random.Random(1))

    def break_wire(self, word: str, pile_id: str = "A-01") -> None:
        self.simulator.fleet.set_wire(pile_id, parse_wire_fault(f"wire:{word}", None))

    def mend_wire(self, pile_id: str = "A-01") -> None:
        self.simulator.fleet.set_wire(pile_id, None)

    def read(
        self,
        bus: Bus,
        pile_id: str = "A-01",
        unit: int = 1,
        profile: Profile | None = None,
        period_s: float = 0.05,
        **options: Any,
    ) -> Notes:
        """Starts a reader of one pile; what it says is noted."""
        notes = Notes()
        pile = ModbusPile(
            pile_id,
            [f"{pile_id}*1"],
            profile or load_profile("abb-terra-ac"),
            {0: Lane(bus, unit)},
            period_s,
            notes,
            notes,
            random.Random(unit),
            **options,
        )
        self.tasks.append(asyncio.create_task(pile.run(), name=f"test:{pile_id}"))
        return notes


@asynccontextmanager
async def site_of(folder: Path, text: str) -> AsyncIterator[Site]:
    """A site whose simulator has these piles."""
    path = folder / "sim.toml"
    path.write_text('[sim]\nmode = "stepped"\n' + text)
    simulator = Simulator(load_config(path))
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(simulator.run(stop, ready.set_result), name="test:simulator")
    site = None
    try:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([ready, serving], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        addresses = {pile["pile_id"]: pile["address"] for pile in ready.result()["piles"]}
        site = Site(simulator, addresses)
        yield site
    finally:
        for task in site.tasks if site else ():
            task.cancel()
        await asyncio.gather(*(site.tasks if site else ()), return_exceptions=True)
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(serving, return_exceptions=True)
