"""What an EVSE is built to do: its supply, its ratings, the letters of its control pilot.

How one stands at an instant is in `evse.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

AC_VOLTAGE_V = 230.0
# IEC 61851-1: below 6 A the pilot cannot offer a current.
AC_MIN_CURRENT_A = 6.0
# Alpitronic inhibits a session at 1547 W without ending it; the next watt is the least it gives.
DC_MIN_POWER_KW = 1.548
DC_MAX_CURRENT_A = 500.0
# Of the 20 s of a DC handshake: left when the plug is locked, and when the cable is checked. The
# check is made at 500 V (IEC 61851-23); then the output is brought to the pack's voltage.
CABLE_CHECK_LEFT_S = 18.0
PRECHARGE_LEFT_S = 6.0
CABLE_CHECK_V = 500.0


class Supply(Enum):
    """What flows through the plug; the value is the number of AC phases, 0 for DC."""

    DC = 0
    AC_1 = 1
    AC_3 = 3

    @property
    def phases(self) -> int:
        """AC phases; 0 for DC."""
        return int(self._value_)


class Pilot(Enum):
    """IEC 61851-1 control pilot; 1 is without and 2 with pulse-width modulation."""

    A1 = "A1"
    B1 = "B1"
    B2 = "B2"
    C1 = "C1"
    C2 = "C2"
    D1 = "D1"
    D2 = "D2"
    E = "E"
    F = "F"

    @property
    def letter(self) -> str:
        """The letter alone, A to F."""
        return str(self._value_)[0]

    @property
    def is_modulated(self) -> bool:
        """Whether the pilot carries a pulse-width modulated signal."""
        return str(self._value_)[-1] == "2"


class Phase(Enum):
    """Where a session stands between plug-in and plug-out."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Stage(Enum):
    """What a pile does between authorisation and the end of the session."""

    IDLE = "idle"
    LOCKING = "locking"
    CABLE_CHECK = "cable check"
    PRECHARGE = "pre-charge"
    ENERGY = "energy"
    SUSPENDED = "suspended"


class Contactor(Enum):
    """What the mirror contact tells; WELDED is closed although nobody asks for it."""

    OPEN = "open"
    CLOSED = "closed"
    WELDED = "welded"


class Lock(Enum):
    """Whether the plug is held in its socket."""

    UNLOCKED = "unlocked"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class EvseSpec:
    """What an EVSE is built to do.

    `local_auth`: the pile accepts any token itself (otherwise a central system is asked).
    `handshake_s`: from authorisation to the closed relay (cable check and pre-charge for DC).
    `resumes_after_power_loss`: a transaction goes on when power is back; otherwise it has ended.
    """

    evse_id: str
    supply: Supply
    max_power_kw: float
    local_auth: bool = True
    ventilated: bool = False
    resumes_after_power_loss: bool = False

    @property
    def handshake_s(self) -> float:
        """Seconds from authorisation until energy flows."""
        return 20.0 if self.supply is Supply.DC else 2.0

    @property
    def min_power_kw(self) -> float:
        """The least power it can offer, kW."""
        if self.supply is Supply.DC:
            return DC_MIN_POWER_KW
        return AC_MIN_CURRENT_A * AC_VOLTAGE_V * self.supply.phases / 1000

    @property
    def rated_current_a(self) -> float:
        """Current per phase at full power, A; for DC what the cable carries."""
        if self.supply is Supply.DC:
            return DC_MAX_CURRENT_A
        return self.max_power_kw * 1000 / (AC_VOLTAGE_V * self.supply.phases)
