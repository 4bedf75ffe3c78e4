"""An energy register that only rises, for piles that only show the energy of the session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from edge_agent.core.reading import Values

# A session register may jitter by this much without a new session having begun.
SESSION_RESET_KWH: Final = 0.01


@dataclass(frozen=True, slots=True)
class EnergyRegister:
    """Energy of the sessions that ended (`base_kwh`) and of the last one seen (`session_kwh`)."""

    base_kwh: float = 0.0
    session_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class Carried:
    """What of an EVSE outlives a restart: the open session and the energy register."""

    session_id: str = ""
    register: EnergyRegister = EnergyRegister()


def with_register(register: EnergyRegister, values: Values) -> tuple[EnergyRegister, Values]:
    """The register after these values, and the values with it as `energy_kwh`.

    A pile that has a register of its own keeps it. A session energy that falls begins a session.

    >>> with_register(EnergyRegister(10.0, 5.0), Values(session_energy_kwh=1.0))[0]
    EnergyRegister(base_kwh=15.0, session_kwh=1.0)
    """
    session_kwh = values.session_energy_kwh
    if session_kwh is None or values.energy_kwh is not None:
        return register, values
    if session_kwh < register.session_kwh - SESSION_RESET_KWH:
        register = EnergyRegister(register.base_kwh + register.session_kwh, session_kwh)
    elif session_kwh > register.session_kwh:
        register = EnergyRegister(register.base_kwh, session_kwh)
    total_kwh = register.base_kwh + register.session_kwh
    return register, replace(values, energy_kwh=total_kwh)
