"""Three more models on real sockets: the agent's profile against the simulator's own map."""

from __future__ import annotations

from pathlib import Path

import pytest
from modbus_site import ABB, Notes, Site, site_of

from edge_agent.core.reading import EvseStatus, Reading
from edge_agent.profiles import load_profile
from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import inject, plug_in
from firmware_sim.core.evse import Car, Evse
from firmware_sim.core.faults import FAULTS

MODELS = {
    "keba-p30": ("keba-p30-p40", 255),
    "bender-cc613": ("bender-cc613", 255),
    "phoenix-ev-cc": ("phoenix-ev-cc-ac1", 1),
}


def charging(evse: Evse) -> Evse:
    car = Car(Battery(60.0, 30.0, 120.0), 80.0)
    return advance(advance(plug_in(evse, car, ""), 20), 600)


def broken(evse: Evse) -> Evse:
    return inject(evse, FAULTS["GroundFailure"], None)


def read(site: Site, model: str) -> Notes:
    profile, unit = MODELS[model]
    return site.read(site.bus("A-01"), unit=unit, profile=load_profile(profile))


async def seen(folder: Path, model: str, *changes: object) -> Reading:
    """The third reading of a pile after changes: its identity has been heard by then."""
    async with site_of(folder, ABB.replace("abb-terra-ac", model)) as site:
        for change in changes:
            site.simulator.fleet.change("A-01*1", change)  # type: ignore[arg-type]
        notes = read(site, model)
        await notes.more_readings(3)
        assert notes.misses == []
        return notes.readings[-1]


@pytest.mark.parametrize("model", MODELS)
async def test_idle_pile_is_available(tmp_path: Path, model: str) -> None:
    """Nobody is there: AVAILABLE, without faults."""
    reading = await seen(tmp_path, model)

    assert (reading.status, reading.faults) == (EvseStatus.AVAILABLE, ())


@pytest.mark.parametrize("model", MODELS)
async def test_charging_pile_shows_its_power(tmp_path: Path, model: str) -> None:
    """11.04 kW for 618 s, 1.895 kWh, arrive as the model's registers give them."""
    reading = await seen(tmp_path, model, charging)

    assert reading.status is EvseStatus.CHARGING
    if model == "phoenix-ev-cc":  # it has no meter
        return
    assert reading.values.power_kw == pytest.approx(11.04, abs=0.01)
    assert reading.values.session_energy_kwh == pytest.approx(1.895, abs=0.001)


@pytest.mark.parametrize("model", MODELS)
async def test_broken_pile_is_out_of_order(tmp_path: Path, model: str) -> None:
    """An earth fault arrives as OUTOFORDER with a fault."""
    reading = await seen(tmp_path, model, broken)

    assert reading.status is EvseStatus.OUTOFORDER
    assert reading.faults
