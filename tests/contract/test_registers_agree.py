"""The simulator and the agent read each datasheet apart; over a real socket they must agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from modbus_site import Notes, Site, site_of
from register_models import MODELS, Model, pile_table, profile_of, read_model

from edge_agent.core.reading import EvseStatus, Reading
from edge_agent.profiles import load_profile, profile_names
from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    cancel_reservation,
    clear,
    inject,
    plug_in,
    reserve,
    set_input,
    set_limit,
    set_operative,
    stop,
    unplug,
)
from firmware_sim.core.evse import Car, Evse, Reservation
from firmware_sim.core.faults import FAULTS
from firmware_sim.faces.registers.models import REGISTER_MAPS

Change = Callable[[Evse], Evse]
DUMPS = Path(__file__).parents[1] / "golden" / "profiles"


def plug(evse: Evse) -> Evse:
    return plug_in(evse, Car(Battery(60.0, 37.5, 120.0), 80.0), "")


def ventilated(evse: Evse) -> Evse:
    """A car that asks for ventilation, where there is one: letter D."""
    car = Car(Battery(60.0, 37.5, 120.0), 80.0, wants_ventilation=True)
    return plug_in(replace(evse, spec=replace(evse.spec, ventilated=True)), car, "")


def charging(evse: Evse) -> Evse:
    return advance(advance(evse, 25), 1800)


def uneven(evse: Evse) -> Evse:
    """Three phases of different voltage; every value of a phase is then its own."""
    for name, value in (("mains_l1_v", 236.0), ("mains_l2_v", 225.0), ("mains_l3_v", 231.0)):
        evse = set_input(evse, name, value)
    return evse


def broken(evse: Evse) -> Evse:
    return inject(evse, FAULTS["GroundFailure"], None)


# What is done to the pile, one after the other, and what it then is.
WALK: list[tuple[str, list[Change], str]] = [
    ("idle", [], "AVAILABLE"),
    ("handshake", [plug], "CHARGING"),
    ("charging", [charging], "CHARGING"),
    ("limited", [lambda e: set_limit(e, e.spec.max_power_kw / 2)], "CHARGING"),
    ("paused", [lambda e: set_limit(e, 1.0)], "CHARGING"),
    ("on again", [lambda e: set_limit(e, None)], "CHARGING"),
    ("uneven mains", [uneven], "CHARGING"),
    ("full", [lambda e: advance(e, 40_000)], "CHARGING"),
    ("stopped", [lambda e: stop(e, "Local")], "CHARGING"),
    ("broken with a car", [broken], "OUTOFORDER"),
    ("broken", [unplug], "OUTOFORDER"),
    ("well", [lambda e: clear(e, None)], "AVAILABLE"),
    ("reserved", [lambda e: reserve(e, Reservation(1, "T", 1e6))], "RESERVED"),
    ("out of service", [cancel_reservation, lambda e: set_operative(e, False)], "INOPERATIVE"),
    ("ventilated", [lambda e: set_operative(e, True), ventilated, charging], "CHARGING"),
    ("pilot short", [lambda e: inject(e, FAULTS["PilotFault"], None)], "OUTOFORDER"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", REGISTER_MAPS)
async def test_agent_reads_what_the_pile_is_through_a_whole_session(
    tmp_path: Path, name: str
) -> None:
    """A to F, limits, end, fault, repair, reservation, out of service: status, letter and every
    value that the model's registers have arrive as the simulated pile has them."""
    model = MODELS[name]
    async with site_of(tmp_path, pile_table(name)) as site:
        notes = read_model(site, name)
        for situation, changes, meant in WALK:
            for change in changes:
                site.simulator.fleet.change(f"A-01*{model.evses}", change)
            if is_read_seldom(name):
                site.tasks.pop().cancel()
                notes = read_model(site, name)

            reading = await settled(notes, model)

            check(situation, model, meant, reading, site)
            assert notes.misses == []


# Whether a car is there, such a pile does not tell.
FAILING = ("broken with a car", "broken", "out of service", "pilot short")


async def settled(notes: Notes, model: Model) -> Reading:
    """The last EVSE's reading once the reader knows the device, and has begun and ended a poll
    since; who the device is decides what some values mean."""
    await notes.until(lambda: notes.told or len(notes.readings) > 4 * model.evses)
    await notes.more_readings(2 * model.evses)
    return next(r for r in reversed(notes.readings) if r.evse_id == f"A-01*{model.evses}")


def is_read_seldom(name: str) -> bool:
    """Whether some values come every few seconds only, so that a new reader is quicker."""
    return any(point.every_s for point in profile_of(name).points.values())


def check(situation: str, model: Model, meant: str, reading: Reading, site: Site) -> None:
    truth = site.simulator.fleet.evse(f"A-01*{model.evses}")
    status = EvseStatus[seen_status(situation, model, meant)]
    assert (situation, reading.status.name) == (situation, status.name)
    assert (situation, reading.suspect, reading.doubt) == (situation, False, "")
    if status is EvseStatus.OUTOFORDER:
        assert reading.faults, situation
    if truth.pilot.letter in model.letters and situation not in model.blurred:
        assert (situation, reading.iec.name) == (situation, truth.pilot.letter)
    for value, step in model.tells.items():
        told, is_so = getattr(reading.values, value), true_value(value, truth)
        if is_so is None and situation in FAILING:
            continue
        assert (situation, value, told) == (situation, value, pytest.approx(is_so, abs=step))
    told = {key for key in vars_of(reading) if getattr(reading.values, key) is not None}
    assert told <= set(model.tells), situation


def seen_status(situation: str, model: Model, meant: str) -> str:
    """The status that a model's registers let the agent see."""
    if situation == "pilot short" and "E" not in model.letters:
        situation = "broken with a car"
    return model.blind.get(situation, meant)


def vars_of(reading: Reading) -> list[str]:
    return list(type(reading.values).__dataclass_fields__)


def true_value(value: str, evse: Evse) -> float | None:
    """What the simulated pile has, worked out from its state and from nothing that a face made."""
    if value == "soc_pct":
        return evse.car.battery.soc_pct if evse.car else None
    return {
        "power_kw": evse.power_kw,
        "current_a": max(evse.phase_currents_a, default=evse.current_a),
        "voltage_v": max(evse.phase_voltages_v, default=evse.voltage_v),
        "energy_kwh": evse.meter.total_wh / 1000,
        "session_energy_kwh": evse.session_wh / 1000,
        "temperature_c": evse.temperature_c,
    }[value]


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.serial])
async def test_agent_reads_the_serial_number_of_the_pile(tmp_path: Path, name: str) -> None:
    """Bytes, digits and texts arrive as the serial number that the simulated pile has."""
    async with site_of(tmp_path, pile_table(name)) as site:
        notes = read_model(site, name)
        await notes.until(lambda: any(told.get("serial") for told in notes.told))
        serial = site.simulator.fleet.pile("A-01").spec.serial

    told = next(told["serial"] for told in notes.told if told.get("serial"))
    assert told.upper() in {serial, serial[:10], str(int(serial[:7], 16))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["keba-p30", "webasto-next", "delta-ac-max", "schneider-evlink-pro-ac"]
)
async def test_agent_sees_that_a_pile_is_starting(tmp_path: Path, name: str) -> None:
    """What has a number for starting is out of service until it has started."""
    more = '[pile.registers]\nboot_s = 30\nboot = "shown"\n'
    async with site_of(tmp_path, pile_table(name, more=more)) as site:
        notes = read_model(site, name)
        starting = await settled(notes, MODELS[name])
        site.simulator.clock.move(31)  # type: ignore[union-attr]
        started = await settled(notes, MODELS[name])

    assert (starting.status, started.status) == (EvseStatus.INOPERATIVE, EvseStatus.AVAILABLE)


@pytest.mark.parametrize(("firmware", "unit_wh"), [("1.2.0", 1.0), ("1.2.1", 0.1)])
async def test_energy_unit_of_a_p40_goes_with_its_firmware(
    tmp_path: Path, firmware: str, unit_wh: float
) -> None:
    """The same energy stands in other words below 1.2.1, and both readings know it."""
    more = f'firmware = "{firmware}"\n'
    async with site_of(tmp_path, pile_table("keba-p40", more=more)) as site:
        for change in (plug, charging):
            site.simulator.fleet.change("A-01*1", change)
        notes = read_model(site, "keba-p40")
        await notes.until(lambda: any(r.values.energy_kwh for r in notes.readings))
        evse = site.simulator.fleet.evse("A-01*1")
        words = site.simulator._modbus["A-01"].read(3, 1036, 2)

    read_kwh = next(r.values.energy_kwh for r in reversed(notes.readings) if r.values.energy_kwh)
    assert read_kwh == pytest.approx(evse.meter.total_wh / 1000, abs=0.001)
    assert (words[0] << 16 | words[1]) * unit_wh == pytest.approx(evse.meter.total_wh, abs=1)


def test_every_simulated_model_has_a_profile_that_reads_it() -> None:
    """No map is shown that the comparison above does not cover."""
    assert set(MODELS) == set(REGISTER_MAPS)
    assert all(profile_of(name).is_modbus for name in MODELS)


def test_every_modbus_profile_has_a_simulated_model_or_a_register_dump() -> None:
    """A profile that nobody but its author has read fails here."""
    profiles = {name for name in profile_names() if load_profile(name).is_modbus}
    simulated = {model.profile or name for name, model in MODELS.items()}
    dumped = {path.stem for path in DUMPS.glob("*.toml")}

    assert profiles - simulated - dumped == set()
    assert simulated <= profiles
