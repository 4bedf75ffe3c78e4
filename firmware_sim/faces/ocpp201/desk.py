"""What the handlers of an OCPP 2.0.1 station work with; what they answer is in `station.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.core.driver_list import DriverList
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import Pile
from firmware_sim.faces.ocpp201.journal import Journal
from firmware_sim.faces.ocpp201.variables import DeviceModel
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_identity import Identity
from firmware_sim.faces.ocpp_power import ProfileShelf
from firmware_sim.faces.ocpp_settings import Settings
from firmware_sim.faces.ocpp_upkeep import Job
from firmware_sim.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Desk:
    """The pile's state, its clock, its variables, its mail, and what goes on beside charging.

    `promise` makes a request due, `on_trigger` a message that was triggered, `on_reset` restarts
    for a reason, `on_report` tells some variables, `redial` comes back with other credentials.
    `networks` are the network profiles that were set, by slot.
    """

    fleet: Fleet
    pile_id: str
    now_ms: Callable[[], int]
    stamp: Callable[[], str]
    habits: Habits
    settings: Settings
    variables: DeviceModel
    journal: Journal
    drivers: DriverList
    shelf: ProfileShelf
    identity: Identity
    firmware: Job
    upload: Job
    promise: Callable[[Any], None]
    on_trigger: Callable[[str, int | None], None]
    on_reset: Callable[[str], None]
    on_report: Callable[[int, list[dict[str, Any]]], None]
    redial: Callable[[], None]
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self.fleet.pile(self.pile_id)

    def evse(self, number: int | None) -> Evse | None:
        """The EVSE of a number, None if there is none."""
        if number is None or not 1 <= number <= len(self.pile.evses):
            return None
        return self.pile.evses[number - 1]
