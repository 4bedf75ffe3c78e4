"""What the use cases ask of the telemetry store, and the values that pass between them.

Engines: `store/sqlite.py` and `store/memory.py`; one conformance test holds for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from coordinator.core.ownership import OwnerSpan
from coordinator.core.pile import PlannedOutage, RetiredPile, Station, Tariff, User
from coordinator.core.pile_facts import Fact, FactSpan
from coordinator.core.ranges import Ranges
from coordinator.core.reliability.map_settings import MapState
from coordinator.core.report import LostRun, Refusal
from coordinator.core.sessions import ChargeSession, Visits
from coordinator.core.surroundings import ContextValue
from coordinator.usecases.agent_store import AgentStore, KnownAgents
from coordinator.usecases.requests import RequestArchive

# Columns of a state row, in order: the picture of one EVSE and what its rows have taught.
STATE_COLUMNS: tuple[tuple[str, type], ...] = (
    ("evse_id", str),
    ("status", int),
    ("source", int),
    ("bay", int),
    ("queue_length", int),
    ("observed_at_s", float),
    ("changed_at_s", float),
    ("heard_at_s", float),  # domain time, so that it outlives the process
    ("power_kw", float),
    ("energy_kwh", float),
    ("soc_pct", float),
    ("fault_code", str),
    ("exposure_days", float),
    ("charging_s", float),
    ("fault_count", int),
    ("session_count", int),
    ("last_success_at_s", float),
    ("served_today", int),
    ("day", int),  # of served_today: days since 1970, domain time
    ("down", int),
    ("last_up_at_s", float),
    ("session_started_at_s", float),  # NULL where no car charges
    ("session_start_energy_kwh", float),
    ("session_start_soc_pct", float),
)
StateRow = tuple[Any, ...]


class StoredBatch(NamedTuple):
    """Rows as received, or as cut anew, with the record numbers they carry."""

    spool_id: str
    first_seq: int
    last_seq: int
    received_at_ms: int
    payload: bytes

    @property
    def record_count(self) -> int:
        """Rows in it."""
        return self.last_seq - self.first_seq + 1


@dataclass(slots=True)
class Spool:
    """What is settled of one spool: stored, refused or lost."""

    spool_id: str
    agent_id: str
    settled: Ranges = field(default_factory=Ranges)

    def copy(self) -> Spool:
        """The same, to be changed apart."""
        return Spool(self.spool_id, self.agent_id, self.settled.copy())


@dataclass(frozen=True, slots=True)
class SpoolCount:
    """Counted in the store: rows stored, numbers lost by gaps, rows refused."""

    spool_id: str
    agent_id: str
    settled: Ranges
    record_count: int
    gap_count: int
    rejected_count: int


@dataclass(slots=True)
class IngestGroup:
    """Everything that one commit makes durable, or nothing of it.

    `received_at_ms` is domain time and rises from group to group, so that it names the group.
    """

    received_at_ms: int = 0
    batches: list[StoredBatch] = field(default_factory=list)
    spools: dict[str, Spool] = field(default_factory=dict)
    gaps: list[tuple[str, LostRun]] = field(default_factory=list)
    refusals: list[tuple[str, Refusal]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the readings committed so far have made of the picture.

    The states are computed by the store's own thread from copies. A start needs the newest
    checkpoint and the batches after it.
    """

    states: Callable[[], list[StateRow]]
    sessions: Sequence[ChargeSession]


@dataclass(frozen=True, slots=True)
class Road:
    """One edge of the road graph."""

    from_node: str
    to_node: str
    from_position: tuple[float, float]
    to_position: tuple[float, float]
    length_km: float
    free_speed_kmh: float
    grade_by_hour: tuple[float, ...] = ()
    two_way: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a coordinator knows when it starts."""

    stations: list[Station]
    tariffs: list[Tariff]
    users: list[User]
    roads: list[Road]
    outages: list[PlannedOutage]
    owners: list[OwnerSpan]
    spools: dict[str, Spool]
    states: list[StateRow]
    tail: list[StoredBatch]  # committed after the states, in order
    # Under way, or of known drivers in the 30 days before the newest; oldest first.
    sessions: list[ChargeSession] = field(default_factory=list)
    visits: Visits = field(default_factory=dict)  # of all time
    knowledge: MapState = field(default_factory=MapState)
    recent_requests: dict[str, str] = field(default_factory=dict)  # to their recommendations
    context: list[ContextValue] = field(default_factory=list)
    retired: list[RetiredPile] = field(default_factory=list)
    agents: KnownAgents = field(default_factory=KnownAgents)


class TelemetryStore(RequestArchive, AgentStore, Protocol):
    """Durable memory of readings and of the district's lists. Every method is durable on return.

    Raises `StoreUnavailable` if the disk refuses, `StoreClosed` after `close`.
    """

    def load(self) -> Snapshot:
        """Everything, before the first write."""
        ...

    async def commit(self, group: IngestGroup) -> None:
        """Stores a whole group in one transaction."""
        ...

    async def settled(self, spool_ids: Sequence[str]) -> dict[str, Ranges]:
        """What is durable of these spools now; for after a commit that was reported as failed."""
        ...

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Stores states that hold every group whose commit was called for before."""
        ...

    async def put_stations(self, stations: Sequence[Station]) -> None:
        """Adds or replaces stations."""
        ...

    async def put_tariffs(self, tariffs: Sequence[Tariff]) -> None:
        """Adds or replaces tariffs."""
        ...

    async def put_users(self, users: Sequence[User]) -> None:
        """Adds or replaces users."""
        ...

    async def put_roads(self, roads: Sequence[Road], replace: bool) -> None:
        """Adds edges, or replaces all."""
        ...

    async def put_outages(self, outages: Sequence[PlannedOutage]) -> None:
        """Replaces the planned outages."""
        ...

    async def put_knowledge(self, state: MapState) -> None:
        """Replaces what outlives a knowledge map."""
        ...

    async def put_retired(self, piles: Sequence[RetiredPile]) -> None:
        """Replaces the scrapped piles."""
        ...

    async def put_owners(self, owners_: Mapping[str, str], at_s: float) -> None:
        """Says which agent speaks for a pile from then on; the former's time ends.

        An empty agent leaves it to nobody; what was to begin then or later is dropped.
        """
        ...

    async def put_facts(self, facts: Mapping[str, Mapping[str, Fact]], at_s: float) -> None:
        """Says what is known of piles from now on; facts that are no longer told end.

        What is told as it was before begins nothing new.
        """
        ...

    async def list_facts(self, pile_id: str) -> list[FactSpan]:
        """The facts of a pile in the order in which they began to hold."""
        ...

    async def put_sessions(self, sessions: Sequence[ChargeSession]) -> None:
        """Adds or replaces sessions, whole."""
        ...

    async def list_sessions(
        self, since_s: float, *, user_id: str = "", vehicle_id: str = ""
    ) -> list[ChargeSession]:
        """Sessions begun since then, oldest first; of this user or car, or of all."""
        ...

    async def put_context(self, values: Sequence[ContextValue], now_s: float) -> None:
        """Adds or replaces values of the surroundings; those that stand no more go."""
        ...

    async def count_spools(self, agent_id: str) -> list[SpoolCount]:
        """What is stored of an agent, counted now."""
        ...

    async def close(self) -> None:
        """Returns when everything is durable and the files are closed."""
        ...
