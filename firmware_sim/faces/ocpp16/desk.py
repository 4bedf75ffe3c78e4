"""What the handlers of an OCPP 1.6 charge point work with; what they answer is in `station.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_sim.core.driver_list import DriverList
from firmware_sim.core.evse import Evse
from firmware_sim.core.pile import Pile
from firmware_sim.faces.ocpp16.outbox import Outbox, TransactionKey
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_identity import Identity
from firmware_sim.faces.ocpp_power import ProfileShelf
from firmware_sim.faces.ocpp_settings import Settings
from firmware_sim.faces.ocpp_upkeep import Job
from firmware_sim.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Desk:
    """The pile's state, its clock, its settings, its mail, and what goes on beside charging.

    `promise` makes a request due, `on_trigger` a message that was triggered, `on_reset` restarts
    (hard or not), `redial` comes back with other credentials,
    `ask_about` asks the central system whether a driver may begin.
    """

    fleet: Fleet
    pile_id: str
    now_ms: Callable[[], int]
    stamp: Callable[[], str]
    habits: Habits
    settings: Settings
    outbox: Outbox
    drivers: DriverList
    shelf: ProfileShelf
    identity: Identity
    firmware: Job
    upload: Job
    promise: Callable[[Any], None]
    on_trigger: Callable[[str, int | None], None]
    on_reset: Callable[[bool], None]
    redial: Callable[[], None]
    ask_about: Callable[[TransactionKey, str], None]

    @property
    def pile(self) -> Pile:
        """The pile as it stands now."""
        return self.fleet.pile(self.pile_id)

    def evse(self, connector_id: int | None) -> Evse | None:
        """The EVSE behind a connector number, None if there is none."""
        if connector_id is None or not 1 <= connector_id <= len(self.pile.evses):
            return None
        return self.pile.evses[connector_id - 1]

    def transaction_id(self, evse: Evse) -> int | None:
        """The number of the transaction that runs there, None without one."""
        if not evse.is_running or evse.session is None:
            return None
        return self.outbox.transaction_id(TransactionKey(evse.spec.evse_id, evse.session.number))
