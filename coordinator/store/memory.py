"""The telemetry store in memory, for simulations and tests: the same contract, gone at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.core.ownership import Ownership
from coordinator.core.pile import PlannedOutage, RetiredPile, Station, Tariff, User
from coordinator.core.pile_facts import Fact, FactSpan, changed
from coordinator.core.ranges import Ranges
from coordinator.core.reliability.map_settings import MapState
from coordinator.core.report import LostRun, Refusal
from coordinator.core.sessions import ChargeSession, Key, nobodys, visits_of
from coordinator.core.surroundings import ContextValue
from coordinator.errors import StoreClosed
from coordinator.usecases.agent_store import (
    BootstrapToken,
    EnrolledAgent,
    IssuedCertificate,
    KnownAgents,
)
from coordinator.usecases.requests import StoredRequest
from coordinator.usecases.telemetry import (
    Checkpoint,
    IngestGroup,
    Road,
    Snapshot,
    Spool,
    SpoolCount,
    StateRow,
    StoredBatch,
)


class MemoryTelemetry:
    """`TelemetryStore` that keeps everything in dictionaries."""

    def __init__(self) -> None:
        self.batches: list[StoredBatch] = []
        self.gaps: list[tuple[str, LostRun]] = []
        self.refusals: list[tuple[str, Refusal]] = []
        self.sessions: dict[Key, ChargeSession] = {}
        self.requests: dict[str, StoredRequest] = {}
        self._context: dict[tuple[str, int], ContextValue] = {}
        self._spools: dict[str, Spool] = {}
        self._states: dict[str, StateRow] = {}
        self._through = 0
        self._stations: dict[str, Station] = {}
        self._tariffs: dict[str, Tariff] = {}
        self._users: dict[str, User] = {}
        self._roads: dict[tuple[str, str], Road] = {}
        self._retired: list[RetiredPile] = []
        self._outages: list[PlannedOutage] = []
        self._owners = Ownership()
        self._piles: set[str] = set()
        self._agents: dict[str, EnrolledAgent] = {}
        self._certificates: dict[str, IssuedCertificate] = {}
        self._tokens: dict[str, BootstrapToken] = {}
        self._facts: dict[str, list[FactSpan]] = {}
        self._knowledge = MapState()
        self._closed = False

    def load(self) -> Snapshot:
        """Everything kept so far."""
        return Snapshot(
            stations=list(self._stations.values()),
            tariffs=list(self._tariffs.values()),
            users=list(self._users.values()),
            roads=list(self._roads.values()),
            outages=list(self._outages),
            owners=[s for pile in sorted(self._piles) for s in self._owners.spans_of(pile)],
            agents=KnownAgents(
                list(self._agents.values()),
                list(self._certificates.values()),
                list(self._tokens.values()),
            ),
            spools={spool_id: spool.copy() for spool_id, spool in self._spools.items()},
            states=list(self._states.values()),
            tail=self.batches[self._through :],
            sessions=[
                s
                for s in self._sessions_since(float("-inf"))
                if s.ended_at_s is None or s.user_id or s.vehicle_id
            ],
            visits=visits_of(self.sessions.values()),
            knowledge=self._knowledge,
            context=list(self._context.values()),
            retired=list(self._retired),
            recent_requests={
                r.request_id: r.recommendation_id
                for r in self.requests.values()
                if r.recommendation_id
            },
        )

    async def commit(self, group: IngestGroup) -> None:
        """Keeps a whole group."""
        self._check_open()
        self.batches += group.batches
        self.gaps += group.gaps
        self.refusals += group.refusals
        self._spools.update({s.spool_id: s.copy() for s in group.spools.values()})

    async def settled(self, spool_ids: Sequence[str]) -> dict[str, Ranges]:
        """What is kept of these spools now."""
        kept = ((at, self._spools.get(at)) for at in spool_ids)
        return {at: spool.settled.copy() for at, spool in kept if spool is not None}

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keeps states that hold every group committed so far."""
        self._check_open()
        self._states.update({row[0]: row for row in checkpoint.states()})
        self._through = len(self.batches)
        self.sessions.update({s.key: s for s in checkpoint.sessions})

    async def put_stations(self, stations: Sequence[Station]) -> None:
        """Adds or replaces stations."""
        self._check_open()
        self._stations.update({station.station_id: station for station in stations})

    async def put_tariffs(self, tariffs: Sequence[Tariff]) -> None:
        """Adds or replaces tariffs."""
        self._check_open()
        self._tariffs.update({tariff.tariff_id: tariff for tariff in tariffs})

    async def put_users(self, users: Sequence[User]) -> None:
        """Adds or replaces users."""
        self._check_open()
        self._users.update({user.user_id: user for user in users})

    async def put_roads(self, roads: Sequence[Road], replace: bool) -> None:
        """Adds edges, or replaces all."""
        self._check_open()
        if replace:
            self._roads.clear()
        self._roads.update({(road.from_node, road.to_node): road for road in roads})

    async def put_outages(self, outages: Sequence[PlannedOutage]) -> None:
        """Replaces the planned outages."""
        self._check_open()
        self._outages = list(outages)

    async def put_knowledge(self, state: MapState) -> None:
        """Replaces what outlives a knowledge map."""
        self._check_open()
        self._knowledge = state

    async def put_retired(self, piles: Sequence[RetiredPile]) -> None:
        """Replaces the scrapped piles."""
        self._check_open()
        self._retired = list(piles)

    async def put_owners(self, owners_: Mapping[str, str], at_s: float) -> None:
        """Says which agent speaks for a pile from then on."""
        self._check_open()
        for pile_id, agent_id in owners_.items():
            self._owners.give(pile_id, agent_id, at_s)
            self._piles.add(pile_id)

    async def put_agents(
        self,
        agents_: Sequence[EnrolledAgent] = (),
        certificates: Sequence[IssuedCertificate] = (),
        tokens: Sequence[BootstrapToken] = (),
        *,
        forget_before_s: float = 0.0,
    ) -> None:
        """Adds or replaces; tokens and certificates that ended before then are forgotten."""
        self._check_open()
        self._agents.update({a.agent_id: a for a in agents_})
        given = self._certificates | {c.serial: c for c in certificates}
        out = self._tokens | {t.token_sha256: t for t in tokens}
        self._certificates = {k: c for k, c in given.items() if c.valid_until_s >= forget_before_s}
        self._tokens = {k: t for k, t in out.items() if t.valid_until_s >= forget_before_s}

    async def put_facts(self, facts: Mapping[str, Mapping[str, Fact]], at_s: float) -> None:
        """Says what is known of piles from now on."""
        self._check_open()
        for pile_id, told in facts.items():
            spans = self._facts.setdefault(pile_id, [])
            present = {s.field: s for s in spans if s.valid_to_s is None}
            ended, begun = changed(present, told)
            for field in ended:
                spans[spans.index(present[field])] = present[field]._replace(valid_to_s=at_s)
            spans += [FactSpan(field, *told[field], at_s, None) for field in begun]

    async def list_facts(self, pile_id: str) -> list[FactSpan]:
        """The facts of a pile in the order in which they began to hold."""
        return list(self._facts.get(pile_id, ()))

    async def put_sessions(self, sessions: Sequence[ChargeSession]) -> None:
        """Adds or replaces sessions."""
        self._check_open()
        self.sessions.update({s.key: s for s in sessions})

    async def list_sessions(
        self, since_s: float, *, user_id: str = "", vehicle_id: str = ""
    ) -> list[ChargeSession]:
        """Sessions begun since then, oldest first; of this user or car, or of all."""
        return [
            s
            for s in self._sessions_since(since_s)
            if user_id in ("", s.user_id) and vehicle_id in ("", s.vehicle_id)
        ]

    def _sessions_since(self, since_s: float) -> list[ChargeSession]:
        kept = sorted(self.sessions.values(), key=lambda s: (s.started_at_s, s.evse_id))
        return [s for s in kept if s.started_at_s >= since_s]

    async def put_requests(self, requests: Sequence[StoredRequest]) -> None:
        """Adds or replaces requests."""
        self._check_open()
        self.requests.update({r.request_id: r for r in requests})

    async def request_of(self, recommendation_id: str) -> StoredRequest | None:
        """The request that was answered by this recommendation."""
        kept = self.requests.values()
        return next((r for r in kept if r.recommendation_id == recommendation_id), None)

    async def list_requests(self, since_s: float, user_id: str = "") -> list[StoredRequest]:
        """Requests since then, oldest first; of this user, or of all."""
        kept = sorted(self.requests.values(), key=lambda r: (r.at_s, r.request_id))
        return [r for r in kept if r.at_s >= since_s and user_id in ("", r.user_id)]

    async def forget_requests(self, before_s: float) -> int:
        """Removes requests older than that; gives how many."""
        old = [r.request_id for r in self.requests.values() if r.at_s < before_s]
        for request_id in old:
            del self.requests[request_id]
        return len(old)

    async def forget_whose(self, before_s: float) -> int:
        """Takes out of sessions older than that whose they were; gives how many."""
        old = [s for s in self.sessions.values() if s.started_at_s < before_s and s.user_id]
        for session in old:
            self.sessions[session.key] = nobodys(session)
        return len(old)

    async def put_context(self, values: Sequence[ContextValue], now_s: float) -> None:
        """Adds or replaces values of the surroundings; those that stand no more go."""
        self._check_open()
        kept = [v for v in self._context.values() if v.stands(now_s)]
        self._context = {(v.name, v.cell): v for v in (*kept, *values)}

    async def count_spools(self, agent_id: str) -> list[SpoolCount]:
        """What is kept of an agent, counted now."""
        return [
            SpoolCount(
                spool.spool_id,
                agent_id,
                spool.settled.copy(),
                sum(b.record_count for b in self.batches if b.spool_id == spool.spool_id),
                sum(g.last - g.first + 1 for s, g in self.gaps if s == spool.spool_id),
                sum(s == spool.spool_id for s, _ in self.refusals),
            )
            for spool in sorted(self._spools.values(), key=lambda s: s.spool_id)
            if spool.agent_id == agent_id
        ]

    async def close(self) -> None:
        """Takes no more work, until `reopen`."""
        self._closed = True

    def reopen(self) -> None:
        """Takes work again, with everything kept: what a restart is to a store on disk."""
        self._closed = False

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("memory")
