"""Signs of life that devices want, written by the agent and taken by the simulated device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from modbus_site import Site, site_of
from register_models import pile_table, read_model

from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import plug_in
from firmware_sim.core.evse import Car, Evse
from firmware_sim.faces.registers.history import Row

DEADLINE_S = 60.0


def charging(evse: Evse) -> Evse:
    return advance(plug_in(evse, Car(Battery(60.0, 37.5, 120.0), 80.0), ""), 60)


def shown(site: Site, address: int) -> Row:
    face = site.simulator._modbus["A-01"]
    return next(row for row in face.rows() if row.address == address and row.function_code == 3)


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not met():
            await asyncio.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("webasto-next", 6000),
        ("webasto-unite", 6000),
        ("schneider-evlink-pro-ac", 4000),
        ("mennekes-amtron-compact-20s", 0x0D00),
    ],
)
async def test_agent_writes_the_sign_of_life_that_the_device_takes(
    tmp_path: Path, name: str, address: int
) -> None:
    """The device knows who wrote it, and its watchdog is fed; no read feeds it."""
    async with site_of(tmp_path, pile_table(name)) as site:
        face = site.simulator._modbus["A-01"]
        reader = read_model(site, name)
        await reader.more_readings(3)
        read_only = dict(face.device().silent_s)
        for task in site.tasks:
            task.cancel()
        notes = read_model(site, name, writes=True)

        await until(lambda: bool(face.device().silent_s))

        assert read_only == {}
        assert shown(site, address).writer.startswith("127.0.0.1:")
        assert notes.misses == []


@pytest.mark.slow
async def test_device_falls_back_when_the_agent_has_gone_and_not_before(tmp_path: Path) -> None:
    """With a time-out of 2 s a Webasto charges on for twice that while the agent lives, falls back
    to 6 A after it has gone, and recovers with the next agent."""
    async with site_of(tmp_path, pile_table("webasto-next")) as site:
        fleet, face = site.simulator.fleet, site.simulator._modbus["A-01"]
        fleet.change("A-01*1", charging)
        face.write(6, 2002, [2])
        lowest_kw = fleet.evse("A-01*1").power_kw
        read_model(site, "webasto-next", writes=True)
        await until(lambda: bool(face.device().silent_s))
        for _ in range(40):
            await asyncio.sleep(0.1)
            lowest_kw = min(lowest_kw, fleet.evse("A-01*1").power_kw)
        for task in site.tasks:
            task.cancel()
        await until(lambda: fleet.evse("A-01*1").power_kw < 5)
        fallen_kw = fleet.evse("A-01*1").power_kw
        read_model(site, "webasto-next", writes=True)
        await until(lambda: fleet.evse("A-01*1").power_kw > 20)

    assert (lowest_kw, fallen_kw) == (22.08, pytest.approx(4.14))
