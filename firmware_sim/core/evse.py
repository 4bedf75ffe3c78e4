"""The state of one EVSE as values: what it is, who stands there, what runs, what is broken.

How one state becomes the next is in `controller.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from firmware_sim.core.battery import Battery
from firmware_sim.core.faults import ActiveFault
from firmware_sim.core.meter import Meter

AC_VOLTAGE_V = 230.0
# IEC 61851-1: below 6 A the pilot cannot offer a current.
AC_MIN_CURRENT_A = 6.0
# Alpitronic inhibits a session at 1547 W without ending it; the next watt is the least it gives.
DC_MIN_POWER_KW = 1.548
DC_MAX_CURRENT_A = 500.0


class Supply(Enum):
    """What flows through the plug; the value is the number of AC phases, 0 for DC."""

    DC = 0
    AC_1 = 1
    AC_3 = 3

    @property
    def phases(self) -> int:
        """AC phases; 0 for DC."""
        return int(self.value)


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
        return self.value[0]


class Phase(Enum):
    """Where a session stands between plug-in and plug-out."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class EvseSpec:
    """What an EVSE is built to do.

    `local_auth`: the pile accepts any token itself (otherwise a central system is asked).
    `handshake_s`: from authorisation to the closed relay (cable check and pre-charge for DC).
    """

    evse_id: str
    supply: Supply
    max_power_kw: float
    local_auth: bool = True
    ventilated: bool = False

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


@dataclass(frozen=True, slots=True)
class Car:
    """The car at the plug: its battery, where it wants to stop, how well it stores energy."""

    battery: Battery
    target_soc_pct: float
    stored_share: float = 1.0
    wants_ventilation: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the charge that it came for is reached."""
        return self.battery.soc_pct >= self.target_soc_pct - 1e-9


@dataclass(frozen=True, slots=True)
class Session:
    """Plug-in to plug-out.

    `presented_token` is what the driver showed (empty: free vending); `granted_token` is set once
    somebody accepted one. `number` counts the sessions of this EVSE.
    """

    number: int
    presented_token: str
    start_wh: float
    handshake_left_s: float
    phase: Phase = Phase.WAITING
    granted_token: str | None = None
    charging_s: float = 0.0
    end_reason: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The EVSE is kept for one token; lapses after `remaining_s` of domain time."""

    reservation_id: int
    token: str
    remaining_s: float


@dataclass(frozen=True, slots=True)
class TokenAhead:
    """A token accepted before the cable came; lapses after `remaining_s` of domain time."""

    token: str
    remaining_s: float


@dataclass(frozen=True, slots=True)
class Evse:
    """Everything that is true of one EVSE at an instant.

    `limit_kw` is what a master asked for (None: nothing), `fallback_kw` what the pile falls back
    to while its master is silent, `share_kw` its part of a pile that shares power. `parked` means
    that something stands in the bay without being plugged in.
    """

    spec: EvseSpec
    meter: Meter = field(default_factory=Meter)
    pilot: Pilot = Pilot.A1
    power_kw: float = 0.0
    car: Car | None = None
    session: Session | None = None
    sessions_begun: int = 0
    faults: tuple[ActiveFault, ...] = ()
    is_operative: bool = True
    operative_after_session: bool | None = None
    reservation: Reservation | None = None
    token_ahead: TokenAhead | None = None
    limit_kw: float | None = None
    fallback_kw: float | None = None
    share_kw: float = math.inf
    parked: bool = False
    queue_length: int = 0

    @property
    def bay_occupied(self) -> bool:
        """Whether anything stands in the bay: a plugged car, or something parked."""
        return self.parked or self.car is not None

    @property
    def is_broken(self) -> bool:
        """Whether a fault keeps the relay open."""
        return any(fault.kind.stops for fault in self.faults)

    @property
    def relay_closed(self) -> bool:
        """Whether the contactor connects the car."""
        return self.pilot in (Pilot.C2, Pilot.D2)

    @property
    def is_running(self) -> bool:
        """Whether a transaction runs."""
        return self.session is not None and self.session.phase is Phase.RUNNING

    @property
    def session_wh(self) -> float:
        """Energy of the present session, Wh; 0 without a car."""
        return self.meter.total_wh - self.session.start_wh if self.session else 0.0

    @property
    def offered_kw(self) -> float:
        """What the EVSE could give now, kW: rating, share, limits and derating together."""
        offered_kw = min(self.spec.max_power_kw, self.share_kw)
        for limit_kw in (self.limit_kw, self.fallback_kw):
            if limit_kw is not None:
                offered_kw = min(offered_kw, limit_kw)
        for fault in self.faults:
            offered_kw *= fault.kind.power_factor
        return offered_kw

    @property
    def voltage_v(self) -> float:
        """Voltage at the plug, V: mains for AC, the pack's for DC, 0 without a car on DC."""
        if self.spec.supply is not Supply.DC:
            return AC_VOLTAGE_V
        return self.car.battery.pack_v if self.car and self.relay_closed else 0.0

    @property
    def current_a(self) -> float:
        """Current per phase (DC: in all), A."""
        if self.power_kw == 0:
            return 0.0
        return self.power_kw * 1000 / (self.voltage_v * max(self.spec.supply.phases, 1))
