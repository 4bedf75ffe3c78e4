"""An energy register that only rises, out of what piles show.

Some show only the energy of the session; meters are exchanged, reset, and roll over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from edge_agent.core.reading import Values

# A session register may jitter by this much without a new session having begun.
SESSION_RESET_KWH: Final = 0.01
# A total register that falls by less was read out of order, or is rounded differently by two
# messages; one that falls by more was reset or exchanged.
REGISTER_JITTER_KWH: Final = 1.0
# Where registers roll over: six to eight digits, 32-bit watt-hours.
ROLLOVERS_KWH: Final = (1e5, 1e6, 1e7, 2**31 / 1e3, 2**32 / 1e3)
_ROLLOVER_EDGE: Final = 0.001


@dataclass(frozen=True, slots=True)
class EnergyRegister:
    """`base_kwh` of what came before, and the device's own number seen last (`session_kwh`).

    `total` marks a device with a register of its own, whose base is 0 until that falls.
    """

    base_kwh: float = 0.0
    session_kwh: float = 0.0
    total: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What of an EVSE outlives a restart: the open session and the energy register."""

    session_id: str = ""
    register: EnergyRegister = EnergyRegister()


def with_register(register: EnergyRegister, values: Values) -> tuple[EnergyRegister, Values]:
    """The register after these values, and the values with it as `energy_kwh`.

    A pile that has a register of its own keeps it, until that falls (`fell`). A session energy
    that falls begins a session.

    >>> with_register(EnergyRegister(10.0, 5.0), Values(session_energy_kwh=1.0))[0]
    EnergyRegister(base_kwh=15.0, session_kwh=1.0, total=False)
    """
    session_kwh = values.session_energy_kwh
    if values.energy_kwh is not None:
        register = _after_total(register, values.energy_kwh)
        told_kwh = register.base_kwh + register.session_kwh
        if told_kwh == values.energy_kwh:
            return register, values
        return register, replace(values, energy_kwh=told_kwh)
    if session_kwh is None:
        return register, values
    if session_kwh < register.session_kwh - SESSION_RESET_KWH:
        register = EnergyRegister(register.base_kwh + register.session_kwh, session_kwh)
    elif session_kwh > register.session_kwh:
        register = EnergyRegister(register.base_kwh, session_kwh)
    total_kwh = register.base_kwh + register.session_kwh
    return register, replace(values, energy_kwh=total_kwh)


def fell(register: EnergyRegister, values: Values) -> bool:
    """True where the device's own register falls so far that it was reset or rolled over.

    >>> fell(EnergyRegister(0.0, 500.0, total=True), Values(energy_kwh=3.0))
    True
    """
    if values.energy_kwh is None or not register.total:
        return False
    return values.energy_kwh < register.session_kwh - REGISTER_JITTER_KWH


def lifted(register: EnergyRegister, values: Values) -> Values:
    """The values with their own register raised by what came before it was reset.

    >>> lifted(EnergyRegister(497.0, 3.0, total=True), Values(energy_kwh=4.0)).energy_kwh
    501.0
    """
    if values.energy_kwh is None or not register.total or not register.base_kwh:
        return values
    return replace(values, energy_kwh=register.base_kwh + values.energy_kwh)


def _after_total(register: EnergyRegister, energy_kwh: float) -> EnergyRegister:
    """A rollover adds what the register holds; after a reset the total goes on where it was.

    What flowed between the last reading and a reset is lost: nothing is invented.

    >>> _after_total(EnergyRegister(0.0, 999_999.5, total=True), 0.5)
    EnergyRegister(base_kwh=1000000.0, session_kwh=0.5, total=True)
    >>> _after_total(EnergyRegister(0.0, 500.0, total=True), 3.0)
    EnergyRegister(base_kwh=497.0, session_kwh=3.0, total=True)
    """
    if not register.total:
        return EnergyRegister(0.0, energy_kwh, total=True)
    last_kwh = register.session_kwh
    if energy_kwh >= last_kwh - REGISTER_JITTER_KWH:
        return replace(register, session_kwh=max(last_kwh, energy_kwh))
    for full_kwh in ROLLOVERS_KWH:
        edge_kwh = full_kwh * _ROLLOVER_EDGE
        if abs(full_kwh - last_kwh) <= edge_kwh and energy_kwh <= edge_kwh:
            return EnergyRegister(register.base_kwh + full_kwh, energy_kwh, total=True)
    return EnergyRegister(register.base_kwh + last_kwh - energy_kwh, energy_kwh, total=True)
