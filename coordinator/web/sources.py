"""What the pages read, handed in by the composition root; nothing here is changed by looking.

The few things that a token allows go through `commander` and `switch`, what a driver asks through
`charging`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.importers.outgoing import Outgoing
from coordinator.jobs.knowledge import Knowledge
from coordinator.models.shadow import Shadow
from coordinator.models.switch import ModelSwitch
from coordinator.rpc.charging_json import ChargingJson
from coordinator.usecases.commanding import Commander
from coordinator.usecases.counters import Counters
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.events import Events
from coordinator.usecases.guide import Guidance
from coordinator.usecases.indexes_now import Happened
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.promises import Promises
from coordinator.usecases.roads import RoadKeeper
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.telemetry import TelemetryStore
from coordinator.usecases.world import World


@dataclass(frozen=True, slots=True)
class Sources:
    """The parts of a coordinator that its pages show."""

    name: str  # of the district
    clock: Clock
    district: District
    view: DistrictView
    inventory: Inventory
    events: Events
    counters: Counters
    links: AgentLinks
    store: TelemetryStore
    book: SessionBook
    promises: Promises
    claims: ClaimStore
    knowledge: Knowledge
    switch: ModelSwitch
    shadow: Shadow
    commander: Commander
    outgoing: Outgoing
    world: World
    roads: RoadKeeper
    happened: Happened
    charging: ChargingJson
    guidance: Guidance
    unproved_cars: bool  # whether whoever asks as a car needs no proof
    offset_h: Callable[[], float]  # local time of the district against UTC
    identified: bool = False  # whether callers have to prove who they are
