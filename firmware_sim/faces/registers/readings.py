"""What piles measure, as the numbers that registers are filled with.

How many counts a unit has, and where a number stands, each model's own file says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.evse import AC_VOLTAGE_V, Evse, Lock, Phase
from firmware_sim.core.pilot import cable_of
from firmware_sim.faces.registers.map import Device, Field, Reader
from firmware_sim.faces.registers.words import Raw

_CABLE_A = 32.0
PhaseReading = Callable[[Evse, int], float | None]


def of(value: Callable[[Evse], Raw], index: int = 0) -> Reader:
    """Reads a value of one EVSE."""
    return lambda device: value(device.pile.evses[index])


def fixed(value: Raw) -> Reader:
    """Reads the same value always."""
    return lambda device: value


def kept(name: str, default: float) -> Reader:
    """Reads a setting that a master wrote, or what the device comes with."""
    return lambda device: device.kept.get(name, default)


def starting_as(number: int, read: Reader) -> Reader:
    """Reads a number of its own while the device starts."""
    return lambda device: number if device.is_starting else read(device)


def by_phase(
    first: Field, step: int, value: PhaseReading, per_unit: float = 1.0, index: int = 0
) -> list[Field]:
    """Fields of the three phases, `step` registers apart; a count is 1 / `per_unit` of a unit.

    The first is as given, the others alike; the last digit of the name counts.
    """

    def reader(phase: int) -> Reader:
        def read(device: Device) -> Raw:
            number = value(device.pile.evses[index], phase)
            return None if number is None else number * per_unit

        return read

    return [
        replace(
            first,
            address=first.address + step * phase,
            name=f"{first.name}_l{phase + 1}",
            read=reader(phase),
        )
        for phase in range(3)
    ]


def volts(evse: Evse, phase: int) -> float:
    """Voltage of a phase, V; 0 where the pile has no such phase."""
    wired = evse.phase_voltages_v
    return wired[phase] if phase < len(wired) else 0.0


def amps(evse: Evse, phase: int) -> float:
    """Current of a phase, A; 0 where the pile has no such phase."""
    wired = evse.phase_currents_a
    return wired[phase] if phase < len(wired) else 0.0


def watts(evse: Evse, phase: int) -> float:
    """Power of a phase, W."""
    return amps(evse, phase) * volts(evse, phase)


def in_all_w(evse: Evse) -> float:
    """Power of all phases, W."""
    return evse.power_kw * 1000


def offered_a(evse: Evse) -> float:
    """Current per phase that the EVSE could give now, A."""
    return evse.offered_a


def limit_a(evse: Evse) -> float:
    """What the last master asked for, A; the rating where nobody did."""
    if evse.limit_kw is None:
        return evse.spec.rated_current_a
    return evse.limit_kw * 1000 / (AC_VOLTAGE_V * evse.spec.supply.phases)


def duty_pct(evse: Evse) -> float:
    """Duty of the pilot, %; 0 where it is not modulated."""
    return evse.duty_pct if evse.pilot.is_modulated else 0.0


def temperature_c(evse: Evse) -> float:
    """Temperature in the cabinet, degrees Celsius."""
    return evse.temperature_c


def session_s(evse: Evse) -> int:
    """How long energy has flowed in this session, s."""
    return int(evse.session.charging_s) if evse.session else 0


def id_tag(evse: Evse) -> bytes:
    """The token that this session was granted, nothing without one."""
    return (evse.session.granted_token or "").encode() if evse.session else b""


def cable_a(evse: Evse) -> float:
    """What the cable in the socket carries, A: by its resistor where a bench set one, else 32."""
    if evse.car is None:
        return 0.0
    ohm = evse.inputs.proximity_ohm
    return _CABLE_A if ohm is None else cable_of(ohm) or 0.0


def has_ended(evse: Evse) -> bool:
    """Whether the car stands there after its session."""
    return evse.session is not None and evse.session.phase is Phase.ENDED


def is_locked(evse: Evse) -> bool:
    """Whether the plug is held in its socket."""
    return evse.lock is Lock.LOCKED


def stops(evse: Evse) -> list[str]:
    """Names of the faults that stop it, as they came."""
    return [fault.kind.name for fault in evse.faults if fault.kind.stops]


def stop_numbers(evse: Evse) -> list[int]:
    """Numbers of the faults that stop it, as they came: those of their MREC codes, 27 and more
    for what MREC does not name."""
    return [fault.kind.number for fault in evse.faults if fault.kind.stops]


def first_code(evse: Evse, codes: dict[str, int], otherwise: int) -> int:
    """The number that a model has for the first fault; 0 without one."""
    names = stops(evse)
    return codes.get(names[0], otherwise) if names else 0


def text(words: str) -> Reader:
    """Reads a text that never changes."""
    return fixed(words.encode())
