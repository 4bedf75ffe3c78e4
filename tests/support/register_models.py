"""Which simulated register map is which agent profile, and what its registers can tell.

Taken from the datasheet facts, not from either reading of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from modbus_site import Notes, Site

from edge_agent.core.profile import Profile
from edge_agent.core.registers import STATION_DEVICE
from edge_agent.piles.modbus import ModbusPile
from edge_agent.piles.modbus_address import SerialAddress
from edge_agent.piles.modbus_blocks import Lane
from edge_agent.piles.modbus_bus import Bus
from edge_agent.profiles import load_profile

POWER, CURRENT, VOLTAGE = "power_kw", "current_a", "voltage_v"
ENERGY, SESSION = "energy_kwh", "session_energy_kwh"
SOC, TEMPERATURE = "soc_pct", "temperature_c"
_METERED = {POWER: 0.001, CURRENT: 0.01, VOLTAGE: 0.1, ENERGY: 0.001}


@dataclass(frozen=True)
class Model:
    """One simulated model.

    `tells` are the values that its registers have, each with half of the least step they show.
    `blind` are the situations that it has no register for: there the agent sees what is given. In
    `blurred` ones the registers do not tell the letter; `letters` are those that they can show.
    """

    profile: str = ""
    tells: dict[str, float] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)
    blurred: tuple[str, ...] = ()
    letters: str = ""
    serial: bool = True
    transport: str = "tcp"
    dc: bool = False
    evses: int = 1


# Where there is no number for a reservation, none for service, and where letter F means both broken
# and out of service.
_NO_RESERVED = {"reserved": "AVAILABLE"}
_NO_SERVICE = {**_NO_RESERVED, "out of service": "AVAILABLE"}
_F_IS_SERVICE = {**_NO_RESERVED, "broken": "INOPERATIVE", "broken with a car": "INOPERATIVE"}

MODELS: dict[str, Model] = {
    "abb-terra-ac": Model(
        tells={POWER: 0.001, CURRENT: 0.001, VOLTAGE: 0.1, SESSION: 0.001},
        blind=_NO_SERVICE,
        letters="ABC",
    ),
    "alfen-ng9xx": Model(tells=_METERED, blind=_F_IS_SERVICE, evses=2, letters="ABCDEF"),
    "alpitronic-hypercharger": Model(
        tells={**_METERED, SESSION: 0.01, SOC: 0.01}, dc=True, evses=2
    ),
    "bender-cc613": Model(tells={**_METERED, VOLTAGE: 0.5, SESSION: 0.001}, serial=False),
    "compleo": Model(
        tells={POWER: 0.05, CURRENT: 0.05, VOLTAGE: 0.5, SESSION: 0.1},
        blind={
            **_NO_RESERVED,
            "out of service": "AVAILABLE",
            "broken": "AVAILABLE",
            "broken with a car": "CHARGING",
        },
        blurred=("paused",),
        serial=False,
        evses=2,
        letters="ABC",
    ),
    "delta-ac-max": Model(
        tells={POWER: 0.001, CURRENT: 0.01, VOLTAGE: 0.1, SESSION: 0.001},
        blind={"reserved": "CHARGING"},
        evses=2,
    ),
    "evse-din": Model(
        blind={**_NO_RESERVED, "out of service": "OUTOFORDER"},
        serial=False,
        transport="rtu-over-tcp",
        letters="ABCD",
    ),
    "heidelberg-energy-control": Model(
        tells={**_METERED, CURRENT: 0.05, VOLTAGE: 0.5, TEMPERATURE: 0.05},
        blind=_NO_RESERVED,
        serial=False,
        transport="rtu-over-tcp",
        letters="ABCE",
    ),
    "keba-p30": Model(
        "keba-p30-p40",
        {**_METERED, VOLTAGE: 0.5, SESSION: 0.001},
        _NO_SERVICE,
        blurred=("paused",),
        letters="ABC",
    ),
    "keba-p40": Model(
        "keba-p30-p40",
        {**_METERED, VOLTAGE: 0.5, SESSION: 0.001},
        _NO_SERVICE,
        blurred=("paused",),
        letters="ABC",
    ),
    "mennekes-amtron-compact-20s": Model(
        tells={**_METERED, SESSION: 0.001},
        blind=_F_IS_SERVICE,
        blurred=("paused",),
        transport="rtu-over-tcp",
        letters="ABC",
    ),
    "mennekes-amtron-hcc3": Model(
        tells={POWER: 0.001, SESSION: 0.001},
        blind={
            **_NO_RESERVED,
            "out of service": "UNKNOWN",
            "broken": "UNKNOWN",
            "broken with a car": "UNKNOWN",
        },
        letters="ABCD",
    ),
    "phoenix-charx-sec": Model(
        tells={**_METERED, SESSION: 0.001},
        blind=_F_IS_SERVICE,
        serial=False,
        evses=2,
        letters="ABCDEF",
    ),
    "phoenix-em-cp-pp-eth": Model(
        tells={POWER: 0.01, CURRENT: 0.01, VOLTAGE: 0.01, ENERGY: 0.01},
        blind=_F_IS_SERVICE,
        serial=False,
        letters="ABCDEF",
    ),
    "phoenix-ev-cc": Model("phoenix-ev-cc-ac1", blind=_NO_RESERVED, serial=False, letters="ABCDEF"),
    "phoenix-ev-cc-eth": Model(
        tells={**_METERED, CURRENT: 0.5, VOLTAGE: 0.5},
        blind=_F_IS_SERVICE,
        serial=False,
        letters="ABCDEF",
    ),
    "schneider-evlink-pro-ac": Model(tells={**_METERED, SESSION: 0.001}, serial=False),
    "siemens-versicharge-gen3": Model(
        tells={POWER: 0.002, CURRENT: 0.5, VOLTAGE: 0.5, ENERGY: 0.001, TEMPERATURE: 0.5},
        blind=_F_IS_SERVICE,
        letters="ABCDEF",
    ),
    "webasto-next": Model(
        tells={POWER: 0.001, CURRENT: 0.001, ENERGY: 0.001},
        blind={"out of service": "AVAILABLE"},
        blurred=("paused", "reserved"),
        serial=False,
        letters="ABC",
    ),
    "webasto-unite": Model(
        tells={POWER: 0.001, CURRENT: 0.001, VOLTAGE: 0.5, ENERGY: 0.1, SESSION: 0.001},
    ),
    "weidmueller-ac-smart": Model(
        tells=_METERED,
        blind={
            **_NO_RESERVED,
            "out of service": "UNKNOWN",
            "broken": "UNKNOWN",
            "broken with a car": "UNKNOWN",
        },
        serial=False,
        letters="ABC",
    ),
}


def profile_of(name: str) -> Profile:
    """The agent's profile of a simulated model."""
    return load_profile(MODELS[name].profile or name)


def pile_table(name: str, pile_id: str = "A-01", more: str = "") -> str:
    """The `[[pile]]` of a simulated model, as the simulator's file has it."""
    model = MODELS[name]
    power_kw = 150 if model.dc else 22.08
    return (
        f'[[pile]]\npile_id = "{pile_id}"\nface = "modbus"\nmodel = "{name}"\n'
        f'transport = "{model.transport}"\nmax_power_kw = {power_kw}\n'
        f"connectors = {model.evses}\n{more}"
    )


def read_model(site: Site, name: str, *, period_s: float = 0.05, writes: bool = False) -> Notes:
    """The agent's own reader of a simulated model; every EVSE's readings are noted."""
    model, profile = MODELS[name], profile_of(name)
    transport = "modbus-tcp" if model.transport == "tcp" else "modbus-rtu-over-tcp"
    bus = Bus(site.address("A-01", transport), Random(1))
    bus.gap_s = profile.gap_s
    return read_over(site, bus, profile, model.evses, period_s=period_s, writes=writes)


def read_over(
    site: Site, bus: Bus, profile: Profile, evses: int, *, period_s: float, writes: bool = False
) -> Notes:
    """A reader of the pile on a connection."""
    devices = [*range(evses if profile.step.many_devices else 1)]
    if profile.station_device_id is not None:
        devices.append(STATION_DEVICE)
    lanes = {d: Lane(bus, profile.reach(d, 502, profile.device_id)[1]) for d in devices}
    notes = Notes()
    ids = [f"A-01*{number}" for number in range(1, evses + 1)]
    rng = Random(1)
    pile = ModbusPile("A-01", ids, profile, lanes, period_s, notes, notes, rng, writes=writes)
    site.tasks.append(asyncio.create_task(pile.run(), name="test:reader"))
    return notes


def serial_bus(line: Path, profile: Profile) -> Bus:
    """The agent's end of a serial line; a pseudo-terminal has no parity."""
    bus = Bus(SerialAddress(str(line), 115_200), Random(1))
    bus.gap_s = profile.gap_s
    return bus
