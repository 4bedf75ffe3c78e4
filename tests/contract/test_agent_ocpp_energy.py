"""The energy register of an OCPP pile never falls: over resets of its meter and of the agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from durable_edge_service import DurableEdgeService
from local_agent import LocalAgent, command
from ocpp_gateway import gateway_of, raw_station
from raw_pile import RawPile

from edge_agent.core.reading import RecordFlags

VERSIONS = ("ocpp1.6", "ocpp2.0.1")


def occupied(version: str) -> dict[str, Any]:
    """A StatusNotification of an EVSE where a car stands."""
    if version == "ocpp1.6":
        return {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}
    at = datetime.now(UTC).isoformat()
    return {"evseId": 1, "connectorId": 1, "connectorStatus": "Occupied", "timestamp": at}


def meter(version: str, wh: float) -> dict[str, Any]:
    """A MeterValues of now."""
    sample: dict[str, Any] = {"timestamp": datetime.now(UTC).isoformat()}
    if version == "ocpp1.6":
        return {"connectorId": 1, "meterValue": [{**sample, "sampledValue": [{"value": f"{wh}"}]}]}
    return {"evseId": 1, "meterValue": [{**sample, "sampledValue": [{"value": wh}]}]}


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("before", "after", "total_kwh"),
    [
        ((50_000, 51_000, 200, 1_200), (1_700, 2_200), 53.0),
        ((50_000, 51_000), (200, 1_200), 52.0),
    ],
    ids=["reset, then restart", "reset while no agent ran"],
)
async def test_E6_energy_goes_on_where_it_was_after_a_restart(
    tmp_path: Path, version: str, before: tuple[int, ...], after: tuple[int, ...], total_kwh: float
) -> None:
    """What a meter counted before it was reset is not forgotten with the agent's memory."""
    for samples in (before, after):
        async with (
            gateway_of(tmp_path, version, settle_s=60.0) as gateway,
            raw_station(gateway) as station,
        ):
            await station.call("StatusNotification", occupied(version))
            for wh in samples:
                await station.call("MeterValues", meter(version, wh))
            records = await gateway.records()

    told = [r for r in records if r.values.energy_kwh is not None]
    energies = [r.values.energy_kwh for r in told if r.values.energy_kwh is not None]
    doubted = [r for r in told if r.flags & RecordFlags.IMPLAUSIBLE]
    assert energies == sorted(energies)
    assert energies[-1] == pytest.approx(total_kwh)
    assert doubted


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[LocalAgent]:
    service = DurableEdgeService(tmp_path / "coordinator.db")
    await service.start()
    made = LocalAgent(tmp_path, service)
    yield made
    await made.stop()
    await service.crash()


@pytest.mark.slow
async def test_E1_energy_goes_on_where_it_was_after_a_kill(agent: LocalAgent) -> None:
    """A killed agent process knows of the reset when it is back."""
    for samples in ((50_000, 51_000, 200, 1_200), (1_700,)):
        ready = await agent.start()
        pile = RawPile("ocpp1.6")
        await pile.dial(f"{ready['ocpp']}A-01")
        await pile.call("StatusNotification", occupied("ocpp1.6"))
        for wh in samples:
            await pile.call("MeterValues", meter("ocpp1.6", wh))
        _, out, _ = await command("tail", "-c", str(agent.config), "--json")
        if samples[0] == 50_000:
            assert agent.process is not None
            agent.process.kill()
            await asyncio.wait_for(agent.process.wait(), 60)
        await pile.hang_up()

    found = [json.loads(line) for line in out.splitlines()]
    energies = [record["energy_kwh"] for record in found if "energy_kwh" in record]
    assert energies[-1] == pytest.approx(52.5)
