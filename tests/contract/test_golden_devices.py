"""Each model as a Modbus server made of its golden registers, read by the agent's own pile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
from golden_device import golden_vector, placed, unit_device
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import SimDevice

from edge_agent.core.reading import EvseStatus, Reading, Values
from edge_agent.core.registers import STATION_DEVICE
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import TcpAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.profiles import load_profile, profile_names

# The test server has registers only; coils are read from the wire in test_agent_modbus.
MODELS = [
    name
    for name in profile_names()
    if load_profile(name).is_modbus
    and not any(p.function < 3 and not p.spare for p in load_profile(name).points.values())
]


@dataclass
class Notes:
    """A sink that remembers."""

    readings: dict[str, Reading] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, reading: Reading) -> None:
        self.readings[reading.evse_id] = reading
        self.news.set()

    def miss(self, evse_id: str, reason: str) -> None:
        self.told["missed"] = reason
        self.news.set()

    def learn(self, pile_id: str, told: Mapping[str, str], source: str) -> None:
        self.told = {name: text for name, text in told.items() if text}
        self.news.set()


@asynccontextmanager
async def keba(device: SimDevice, notes: Notes) -> AsyncIterator[None]:
    """A KEBA that is read every 0.2 s."""
    server = ModbusTcpServer([device], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = int(server.transport.sockets[0].getsockname()[1])
    lanes = {0: Lane(Bus(TcpAddress("127.0.0.1", port), random.Random(1)), 255)}
    profile = load_profile("keba-p30-p40")
    pile = ModbusPile("P", ["P*1"], profile, lanes, 0.2, notes, notes, random.Random(1))
    task = asyncio.create_task(pile.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.shutdown()


def keba_words() -> dict[tuple[int, int], int]:
    return {(f, a): w for (_, f, a), w in placed(golden_vector("keba-p30-p40")).items()}


async def until(notes: Notes, met: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not met():
            notes.news.clear()
            await notes.news.wait()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
async def test_golden_device_is_read_over_the_wire(name: str) -> None:
    """Unit ids, function codes, read limits and firmware branches hold on a real socket."""
    profile = load_profile(name)
    vector = golden_vector(name)
    # A second port cannot be chosen freely, so such models are read at their first.
    count = 1 if profile.step.ports else vector.get("connectors", 1)
    words, reads = placed(vector), list[tuple[int, int]]()
    devices = [*range(count if profile.step.many_devices else 1)]
    if profile.station_device_id is not None:
        devices.append(STATION_DEVICE)
    units = {device: profile.reach(device, 502, profile.device_id)[1] for device in devices}
    server = ModbusTcpServer(
        [
            unit_device(unit, {(f, a): w for (d, f, a), w in words.items() if d == device}, reads)
            for device, unit in units.items()
        ],
        address=("127.0.0.1", 0),
    )
    await server.serve_forever(background=True)
    port = int(server.transport.sockets[0].getsockname()[1])
    bus = Bus(TcpAddress("127.0.0.1", port), random.Random(1))
    lanes = {device: Lane(bus, unit) for device, unit in units.items()}
    notes = Notes()
    evses = [f"P*{n}" for n in range(1, count + 1)]
    pile = ModbusPile("P", evses, profile, lanes, 0.2, notes, notes, random.Random(1))
    task = asyncio.create_task(pile.run())
    try:
        async with asyncio.timeout(60):
            while not matches(notes, vector["evse"][:count], vector.get("facts", {})):
                notes.news.clear()
                await notes.news.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.shutdown()

    assert max(count for _, count in reads) <= profile.max_registers


def matches(notes: Notes, wanted: list[dict[str, Any]], facts: Mapping[str, str]) -> bool:
    """Whether the last readings are those of the vector."""
    if len(notes.readings) < len(wanted) or notes.told != dict(facts):
        return False
    for reading, evse in zip(notes.readings.values(), wanted, strict=True):
        told = {f.name: getattr(reading.values, f.name) for f in fields(Values)}
        told = {key: number for key, number in told.items() if number is not None}
        if reading.status is not EvseStatus[evse["status"]]:
            return False
        if told != pytest.approx(evse["values"]):
            return False
    return True


async def test_refused_identity_costs_only_itself() -> None:
    """A KEBA that hides its serial number still tells product and firmware, and so its energy."""
    notes = Notes()
    device = unit_device(255, keba_words(), [], refused=range(1014, 1016))
    async with keba(device, notes):
        await until(
            notes,
            lambda: "P*1" in notes.readings and notes.readings["P*1"].values.energy_kwh is not None,
        )

    assert notes.readings["P*1"].values.energy_kwh == pytest.approx(123.4567)
    assert notes.told == {"firmware": "3.10.13"}


@pytest.mark.slow
async def test_what_moves_slowly_is_read_seldom() -> None:
    """Of a device that gives two registers at once state and power are read with every poll, and
    voltages once in these polls, without their values getting lost."""
    notes = Notes()
    reads: list[tuple[int, int]] = []
    async with keba(unit_device(255, keba_words(), reads), notes):
        await until(notes, lambda: reads.count((1000, 2)) >= 6)

    assert reads.count((1020, 2)) >= 5
    assert reads.count((1040, 2)) == reads.count((1036, 2)) == 1
    assert notes.readings["P*1"].values.voltage_v == 231
