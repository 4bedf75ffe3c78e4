"""What masters order through registers: a limit, letting on, stopping, service, a setting.

Which values a model takes, and what it calls them, each model's own file says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from firmware_sim.core.controller import restart, set_limit, set_operative, stop
from firmware_sim.core.evse import AC_MIN_CURRENT_A, AC_VOLTAGE_V, Evse
from firmware_sim.faces.registers.map import Device, IllegalValueError, Writer
from firmware_sim.faces.registers.words import Value

Change = Callable[[Evse], Evse]


def on_evse(device: Device, change: Change, index: int = 0) -> Device:
    """The device after a change of one EVSE."""
    evse_id = device.pile.evses[index].spec.evse_id
    return replace(device, pile=device.pile.with_evse(evse_id, change))


def limit_current(
    per_a: float, *, index: int = 0, zero_pauses: bool = True, most_a: float = 80.0
) -> Writer:
    """Takes a current limit of `per_a` counts for each ampere.

    Between 0 and the 6 A that a pilot can say, and above `most_a`, the value is refused; 0 pauses
    the session where the model knows that.
    """

    def write(device: Device, raw: Value) -> Device:
        limit_a = raw / per_a
        refused = not math.isfinite(limit_a) or limit_a > most_a + 1e-6
        if refused or (limit_a < AC_MIN_CURRENT_A - 1e-6 and not (limit_a == 0 and zero_pauses)):
            raise IllegalValueError(raw)
        return on_evse(device, lambda evse: set_limit(evse, kw_of(evse, limit_a)), index)

    return write


def limit_power(per_kw: float, *, index: int = 0) -> Writer:
    """Takes a power limit of `per_kw` counts for each kilowatt; 0 pauses the session."""

    def write(device: Device, raw: Value) -> Device:
        return on_evse(device, lambda evse: set_limit(evse, raw / per_kw), index)

    return write


def release(*, index: int = 0) -> Writer:
    """1 lets a waiting or ended session on, 0 ends it."""

    def write(device: Device, raw: Value) -> Device:
        if raw not in (0, 1):
            raise IllegalValueError(raw)
        return on_evse(device, restart if raw else lambda evse: stop(evse, "Remote"), index)

    return write


def availability(*, index: int = 0) -> Writer:
    """1 puts the EVSE into service, 0 takes it out."""

    def write(device: Device, raw: Value) -> Device:
        if raw not in (0, 1):
            raise IllegalValueError(raw)
        return on_evse(device, lambda evse: set_operative(evse, bool(raw)), index)

    return write


def setting(name: str, lowest: float = 0, highest: float = 0xFFFF) -> Writer:
    """Keeps a number; outside of its limits it is refused."""

    def write(device: Device, raw: Value) -> Device:
        if not lowest <= raw <= highest:
            raise IllegalValueError(raw)
        return device.keep(name, raw)

    return write


def only(*values: int) -> Writer:
    """Takes these values without doing more than having heard them."""

    def write(device: Device, raw: Value) -> Device:
        if raw not in values:
            raise IllegalValueError(raw)
        return device

    return write


def kw_of(evse: Evse, current_a: float) -> float:
    """Power of a current in all phases of an EVSE, kW."""
    return current_a * AC_VOLTAGE_V * evse.spec.supply.phases / 1000


def fallback_kw(name: str, default_a: float, per_a: float = 1.0) -> Callable[[Device], float]:
    """Power of the failsafe current that is kept under a name, kW."""
    return lambda device: kw_of(
        device.pile.evses[0], device.kept.get(name, default_a * per_a) / per_a
    )
