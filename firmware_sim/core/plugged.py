"""Who stands at an EVSE and what runs there: car, session, reservation, a fault on its way.

The whole state is put together in `evse.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_sim.core.battery import Battery
from firmware_sim.core.spec import Phase


@dataclass(frozen=True, slots=True)
class Car:
    """The car at the plug: its battery, where it wants to stop, how well it stores energy.

    `phases` is how many AC phases its on-board charger uses.
    """

    battery: Battery
    target_soc_pct: float
    stored_share: float = 1.0
    wants_ventilation: bool = False
    phases: int = 3

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
class Brewing:
    """A fault on its way: by name, with the part of its tripping time that has passed, 0 to 1."""

    name: str
    share: float
