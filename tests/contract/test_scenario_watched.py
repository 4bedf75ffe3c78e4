"""A scenario can be watched in real time: on sockets, beside a central system of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from central_system import CentralSystem
from pymodbus.client import AsyncModbusTcpClient

from firmware_sim.bench.scenario import read
from firmware_sim.live_scenario import Watch, watch_scenario

DEADLINE_S = 60.0
HEAD = '[scenario]\ntitle = "watched"\n[ocpp]\nsample_s = 5\n'
PLUG = '[[step]]\ndo = "plug"\ntoken = "CARD"\n'
MODBUS = '[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "keba-p30"\n'
OCPP = '[[pile]]\npile_id = "B-01"\nface = "ocpp16"\n'


@pytest.mark.slow
async def test_master_outside_sees_what_a_scenario_does() -> None:
    """While a scenario runs at sixty times real time its pile answers on a socket."""
    held = '[[step]]\nexpect = "register.charging_state == 3"\nwithin_s = 60\nholds_for_s = 120\n'
    scenario = read(HEAD + MODBUS + PLUG + held, name="w", file="w.toml")
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    run = asyncio.create_task(watch_scenario(scenario, 0, Watch(speed=60), ready.set_result))

    async with asyncio.timeout(DEADLINE_S):
        line = await ready
        host, _, port = line["piles"][0]["address"].rpartition(":")
        client = AsyncModbusTcpClient(host, port=int(port), timeout=2, retries=0)
        seen = []
        while not run.done():
            if not client.connected and not await client.connect():
                break
            answer = await client.read_holding_registers(1000, count=2, device_id=255)
            seen.append(answer.registers[1] if not answer.isError() else None)
            await asyncio.sleep(0.1)
        client.close()
        report = await run

    assert report.passed, report.failure
    assert report.simulated_s >= 120
    assert line["clock"]["speed"] == 60
    assert 3 in seen


@pytest.mark.slow
async def test_scenario_listens_in_on_a_central_system_elsewhere() -> None:
    """Messages to a foreign central system are counted; asking is left to that one."""
    steps = (
        '[[step]]\nwait_until = "central.connected == true"\nwithin_s = 60\n'
        + PLUG
        + '[[step]]\nexpect = "sent.StartTransaction[idTag=CARD] == 1"\nwithin_s = 60\n'
        + '[[step]]\ndo = "remote_stop"\n'
    )
    scenario = read(HEAD + OCPP + steps, name="w", file="w.toml")
    system = CentralSystem()
    await system.open()
    try:
        watch = Watch(speed=20, central=f"ws://127.0.0.1:{system.port}")
        async with asyncio.timeout(DEADLINE_S):
            report = await watch_scenario(scenario, 0, watch, lambda _: None)
    finally:
        await system.close()

    assert "StartTransaction" in system.actions()
    assert report.failure is not None
    assert report.failure.text == "remote_stop"
    assert "it must ask" in report.failure.seen
    assert [check.passed for check in report.checks] == [True, False]
