"""The simulator and the agent read the datasheets apart; here their readings must meet."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edge_agent.core.decoder import Decoder
from edge_agent.core.profile_file import parse_profile
from edge_agent.core.reading import EvseStatus, IecState, Reading
from firmware_sim.core.battery import Battery
from firmware_sim.core.charging import advance
from firmware_sim.core.controller import (
    inject,
    plug_in,
    reserve,
    set_limit,
    set_operative,
    stop,
)
from firmware_sim.core.evse import Car, Evse, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.pile import PileSpec, build_pile
from firmware_sim.faces.registers.map import Device
from firmware_sim.faces.registers.models import REGISTER_MAPS

PROFILES = Path(__file__).resolve().parents[2] / "edge_agent" / "profiles"
SERIAL = "0123456789ABCDEF"
SPECS = {
    "abb-terra-ac": PileSpec("P", "abb-terra-ac", 22.08, Supply.AC_3, serial=SERIAL),
    "alpitronic-hypercharger": PileSpec(
        "P", "alpitronic-hypercharger", 150.0, Supply.DC, evse_count=2, serial=SERIAL
    ),
}
Change = Callable[[Evse], Evse]


def decoder(model: str) -> Decoder:
    tables = tomllib.loads((PROFILES / f"{model}.toml").read_text())
    evse_ids = [f"P*{n + 1}" for n in range(SPECS[model].evse_count)]
    return Decoder(parse_profile(tables), evse_ids)


def device(model: str, *changes: Change) -> Device:
    """The last EVSE of a pile after `changes`."""
    pile = build_pile(SPECS[model])
    for change in changes:
        pile = pile.with_evse(f"P*{SPECS[model].evse_count}", change)
    return Device(pile, time_s=1_700_000_000)


def words(shown: Device, spans: Sequence[object]) -> list[int]:
    """What the simulated device answers to the agent's reads, joined."""
    register_map = REGISTER_MAPS[shown.pile.spec.model](shown.pile.spec)
    return [
        word
        for span in spans
        for word in register_map.read(shown, span.function, span.address, span.count)
    ]


def seen(model: str, shown: Device) -> Reading:
    agent = decoder(model)
    return agent.readings(words(shown, agent.each))[-1]


def plug(token: str = "") -> Change:
    return lambda evse: plug_in(evse, Car(Battery(60.0, 37.5, 120.0), 80.0), token)


def time(seconds: float) -> Change:
    return lambda evse: advance(evse, seconds)


def broken(name: str) -> Change:
    return lambda evse: inject(evse, FAULTS[name], None)


CHARGING = (plug(), time(20), time(600))
BOTH: list[tuple[str, tuple[Change, ...], EvseStatus]] = [
    ("idle", (), EvseStatus.AVAILABLE),
    ("handshake", (plug(),), EvseStatus.CHARGING),
    ("charging", CHARGING, EvseStatus.CHARGING),
    ("limited", (*CHARGING, lambda e: set_limit(e, 8.0)), EvseStatus.CHARGING),
    ("paused", (*CHARGING, lambda e: set_limit(e, 1.0)), EvseStatus.CHARGING),
    ("derated", (*CHARGING, broken("CableOverTempDerate")), EvseStatus.CHARGING),
    ("full", (plug(), time(20_000)), EvseStatus.CHARGING),
    ("stopped", (*CHARGING, lambda e: stop(e, "Local")), EvseStatus.CHARGING),
    ("broken", (broken("GroundFailure"),), EvseStatus.OUTOFORDER),
    ("broken while charging", (*CHARGING, broken("PowerLoss")), EvseStatus.OUTOFORDER),
]
# A Terra AC has no registers for these two.
DC_ONLY: list[tuple[str, tuple[Change, ...], EvseStatus]] = [
    ("reserved", (lambda e: reserve(e, Reservation(1, "T", 60.0)),), EvseStatus.RESERVED),
    ("out of service", (lambda e: set_operative(e, False),), EvseStatus.INOPERATIVE),
]
CASES = [(model, *case) for model in SPECS for case in BOTH] + [
    ("alpitronic-hypercharger", *case) for case in DC_ONLY
]


@pytest.mark.parametrize(
    ("model", "changes", "status"),
    [(model, changes, status) for model, _, changes, status in CASES],
    ids=[f"{model}-{name}" for model, name, *_ in CASES],
)
def test_agent_reads_the_status_that_the_pile_is_in(
    model: str, changes: tuple[Change, ...], status: EvseStatus
) -> None:
    """Every state of the simulated pile arrives as the status that it means."""
    assert seen(model, device(model, *changes)).status is status


@pytest.mark.parametrize("model", SPECS)
@pytest.mark.parametrize("changes", [(), CHARGING, (plug(), time(20_000))])
def test_agent_reads_the_values_that_the_pile_has(model: str, changes: tuple[Change, ...]) -> None:
    """Power, energy, current, voltage and charge agree to the resolution of the registers."""
    shown = device(model, *changes)
    truth = shown.pile.evses[-1]

    values = seen(model, shown).values

    assert values.power_kw == pytest.approx(truth.power_kw, abs=0.001)
    assert values.current_a == pytest.approx(truth.current_a, abs=0.01)
    assert values.voltage_v == pytest.approx(truth.voltage_v, abs=0.1)
    assert values.session_energy_kwh == pytest.approx(truth.session_wh / 1000, abs=0.01)
    if model == "alpitronic-hypercharger":
        assert values.energy_kwh == pytest.approx(truth.meter.total_wh / 1000, abs=0.001)
        soc_pct = truth.car.battery.soc_pct if truth.car else None
        assert values.soc_pct == (None if soc_pct is None else pytest.approx(soc_pct, abs=0.01))


@pytest.mark.parametrize("name", sorted(name for name, kind in FAULTS.items() if kind.stops))
@pytest.mark.parametrize("model", SPECS)
def test_agent_sees_every_fault_that_stops(model: str, name: str) -> None:
    """No fault of the catalogue hides behind a status that looks usable."""
    reading = seen(model, device(model, *CHARGING, broken(name)))

    assert reading.status is EvseStatus.OUTOFORDER
    assert reading.faults


@pytest.mark.parametrize("model", SPECS)
def test_agent_reads_the_identity(model: str) -> None:
    """The serial number arrives as it was given."""
    agent = decoder(model)

    facts = agent.facts(words(device(model), agent.once))

    assert facts.serial.upper() == SERIAL


def test_agent_reads_the_pilot_of_a_terra_ac() -> None:
    """Letters A, B and C arrive, also where the state byte's top bit is set."""
    letters = [
        seen("abb-terra-ac", device("abb-terra-ac", *changes)).iec
        for changes in ((), (plug(),), CHARGING, (*CHARGING, lambda e: set_limit(e, 8.0)))
    ]

    assert letters == [IecState.A, IecState.B, IecState.C, IecState.C]
