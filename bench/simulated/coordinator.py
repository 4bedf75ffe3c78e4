"""A district: production ingest, ledger, promises, holds and re-plans over stores that can die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.simulated.disk import Disk
from bench.simulated.inline import InlineWriter
from bench.simulated.network import Connection, Context, Network
from coordinator.brain import Brain, assemble_brain
from coordinator.clock import Clock
from coordinator.core.areas.ledger import Moment
from coordinator.core.district import District
from coordinator.core.history import History
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.surroundings import Surroundings
from coordinator.errors import CoordinatorError
from coordinator.rpc.batch_codec import WireCodec
from coordinator.rpc.edge import EdgeServicer
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.agent_register import AgentRegister, Around
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from coordinator.usecases.fences import FENCE_BEHIND, Fences
from coordinator.usecases.ingest import Ingest
from coordinator.usecases.inventory import Inventory
from coordinator.usecases.learning import Learner
from coordinator.usecases.links import AgentLinks
from coordinator.usecases.sessions import SessionBook
from coordinator.usecases.surroundings import SurroundingsKeeper

STALE_AFTER_S = 60.0
OnWrite = Callable[[str, Any], None]


class SimClock(Clock):
    """Link time is the loop's; domain and system time can be set."""

    steps: dict[str, float]
    clocks: tuple[Callable[[], float], Callable[[], float]]  # domain, link

    def __init__(self, wall_s: Callable[[], float], link_s: Callable[[], float]) -> None:
        super().__init__()
        object.__setattr__(self, "steps", {"s": 0.0})
        object.__setattr__(self, "clocks", (wall_s, link_s))

    def now_s(self) -> float:
        """Domain time, as this host shows it."""
        return self.clocks[0]() + self.steps["s"]

    def system_s(self) -> float:
        """The same: this clock is one."""
        return self.now_s()

    def link_s(self) -> float:
        """The loop's time, which nobody sets."""
        return self.clocks[1]()


@dataclass
class SimCoordinator:
    """One district through its lives; the disk outlives each of them."""

    network: Network
    disk: Disk
    clock: SimClock
    on_write: OnWrite
    models: Models = field(default_factory=lambda: Models(RULES_RANKER))
    lives: int = 0
    running: bool = False
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    district: District = field(init=False)
    brain: Brain = field(init=False)
    ingest: Ingest = field(init=False)
    inventory: Inventory = field(init=False)
    links: AgentLinks = field(init=False)
    fences: Fences = field(init=False)
    store: SqliteTelemetry = field(init=False)
    claims: SqliteClaims = field(init=False)
    events: Events = field(init=False)

    async def start(self) -> bool:
        """A new life on the same disk; False where the disk refuses."""
        self.lives += 1
        clock = self.clock
        try:
            self._make(Moment(clock.now_s(), clock.link_s()))
        except CoordinatorError:
            return False
        self.running = True
        try:
            await self.brain.start()
        except CoordinatorError:
            self.kill()
            return False
        self._tasks = [
            asyncio.ensure_future(work)
            for work in (self.ingest.run(), self.brain.watchman.run(), self.brain.run_holds())
        ]
        self.network.serve = self._serve
        return True

    def _make(self, moment: Moment) -> None:
        clock, counters = self.clock, Counters()
        self.store = SqliteTelemetry(self.disk.folder)
        known = self.store.load()
        self.district, history = District(known.stations), History()
        self.events = Events(clock.now_s, clock.system_s)
        self.inventory = Inventory(
            self.district, self.store, self.events, clock.now_s, agent_open=True,
            owners=known.owners, retired=known.retired,
        )  # fmt: skip
        book = SessionBook(self.district, self.store, known.sessions, known.visits)
        learner = Learner(self.inventory, history, WireCodec(), clock, self.events, book)
        learner.start(known)
        self.ingest = Ingest(
            self.inventory, learner, WireCodec(), self.store, clock, self.events, counters,
            known.spools,
        )  # fmt: skip
        self.claims = SqliteClaims(self.disk.folder / "claims.db", moment, archive=self.store)
        keeper = SurroundingsKeeper(Surroundings(()), self.district, clock, self.store)
        self.brain = assemble_brain(
            self.district, self.models, clock, self.events, counters, self.claims,
            STALE_AFTER_S, book, keeper,
        )  # fmt: skip
        self.brain.world.utc_offset_h = 0.0
        self.ingest.on_changes.append(self.brain.watchman.on_changes)
        self.links = AgentLinks(self.inventory.speaker_of)
        evse_ids = frozenset(self.district.evse_ids)
        self.fences = Fences(self.claims, "", lambda: len(self.inventory.agents()), evse_ids)
        self.fences.on_behind.append(lambda why: setattr(self.claims, "paused", FENCE_BEHIND))
        self.fences.on_advanced.append(lambda: setattr(self.claims, "paused", ""))
        self.brain.hold_at_piles(self.district, self.links, self.fences)
        around = Around(self.links, self.events, counters, clock.system_s)
        register = AgentRegister("sim", self.store, known.agents, around, required=False)
        self.servicer = EdgeServicer(
            "sim", clock, self.inventory, self.ingest, self.links, self.fences, self.events,
            register,
        )  # fmt: skip

    async def _serve(self, connection: Connection) -> None:
        context: Any = Context(connection, self.on_write)
        await self.servicer.Connect(None, context)

    def kill(self) -> None:
        """SIGKILL."""
        self.network.serve = None
        self.running = False
        for connections in self.network.connections.values():
            for connection in connections:
                connection.kill_coordinator_end()
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        for writer in (self.store._writer, self.claims._writer):
            assert isinstance(writer, InlineWriter)
            writer.kill()

    def cut_power(self, rng: random.Random) -> None:
        """The host loses power."""
        image = self.disk.power_image(rng)
        self.kill()
        self.disk.replaced_by(image)

    def use(self, models: Models) -> None:
        """Other models rank from now on; they outlive a restart."""
        self.models = models
        self.brain.models.now = models
