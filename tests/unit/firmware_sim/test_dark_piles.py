"""What others see of a pile without power: nothing, and then a pile that starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from central_system import CentralSystem

from firmware_sim.core.memory import BOOT_S
from firmware_sim.core.pile import lose_pile_power, restore_pile_power
from pilewise.v1 import bench_service_pb2 as pb

READ_STATE = bytes.fromhex("0001 0000 0006 01 03 400c 0002")
DIAL = "[ocpp]\nreconnect_base_s = 0.05\nreconnect_cap_s = 0.05\n"


def power(sim: Any, change: Callable[[Any], Any]) -> None:
    """Takes or gives the power of every pile."""
    fleet = sim.simulator.fleet
    for pile in fleet.piles:
        fleet.put(change(pile))


async def test_modbus_pile_without_power_answers_nobody(simulate: Callable) -> None:
    """A question meets silence on an open connection; after the start it is answered."""
    sim = await simulate(
        '[sim]\nmode = "stepped"\n[[pile]]\npile_id = "A-1"\nface = "modbus"\n'
        'model = "abb-terra-ac"\n'
    )
    reader, writer = await asyncio.open_connection(*sim.address("A-1"))
    power(sim, lose_pile_power)

    writer.write(READ_STATE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.readexactly(1)
    power(sim, restore_pile_power)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=BOOT_S))
    writer.write(READ_STATE)
    async with asyncio.timeout(60):
        answer = await reader.readexactly(13)
    writer.close()

    assert answer[:9] == bytes.fromhex("0001 0000 0007 01 03 04")


async def test_charge_point_without_power_is_gone_and_boots_again(
    simulate: Callable, central: CentralSystem, eventually: Callable
) -> None:
    """The link falls, nothing is dialled; then it boots and tells what had ended."""
    sim = await simulate(
        f'[sim]\nmode = "stepped"\n{DIAL}[[pile]]\npile_id = "B-01"\nface = "ocpp16"\n'
        f'url = "{central.url("B-01")}"\nmax_power_kw = 60.0\nconnectors = 2\n'
    )
    await central.wait_for_status(2, "Available")
    await sim.bench.PlugIn(pb.PlugInRequest(evse_id="B-01*1", soc_pct=20))
    await central.wait_for("StartTransaction")
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=80))
    power(sim, lose_pile_power)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=600))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await eventually(lambda: len(central.connections) > 1)
    power(sim, restore_pile_power)
    await sim.bench.Advance(pb.AdvanceRequest(duration_s=BOOT_S))
    stop = await central.wait_for("StopTransaction")
    await eventually(lambda: central.actions().count("BootNotification") == 2)

    assert stop.payload["reason"] == "PowerLoss"
    assert stop.payload["meterStop"] == pytest.approx(1000, abs=1)
    assert len(central.connections) == 2
