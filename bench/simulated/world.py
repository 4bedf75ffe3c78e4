"""One run's world: a seed decides what happens when; every step is looked at.

What may happen is listed in `actions.py`; at the end everything heals, and must agree.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.simulated import invariants
from bench.simulated.agent import SimAgent, SimPile
from bench.simulated.cars import Cars
from bench.simulated.clock import EPOCH_S
from bench.simulated.coordinator import SimClock, SimCoordinator
from bench.simulated.disk import Disk
from bench.simulated.network import Network
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.pile import EvseStatus as Believed
from coordinator.core.recommend.context import Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from edge_agent.core.directive import Outcome
from edge_agent.core.reading import EvseStatus
from pilewise.v1 import edge_service_pb2 as edge

EVSES = {"G1": ("A-01*1", "A-02*1"), "G2": ("B-01*1", "B-02*1")}
PAUSES_S = (0.003, 0.01, 0.05, 0.2, 1.0, 1.0, 4.0, 16.0)
HEAL_S = 25.0
PATIENCE_S = 120.0
# What may happen: its name, how often, and what it does.
Act = tuple[str, float, Callable[[Any], Awaitable[str]]]


@dataclass
class World:
    """Everybody, and what is done to them."""

    seed: int
    folder: Path
    loop: asyncio.AbstractEventLoop
    trace: list[str] = field(default_factory=list)
    broken: BaseException | None = None
    # Directives with a fence, as they were sent, and the newest fence of each EVSE.
    sent: list[tuple[str, edge.ConnectResponse]] = field(default_factory=list)
    drawn: dict[str, int] = field(default_factory=dict)
    replayed: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.network = Network(random.Random(self.seed + 1), list(EVSES))
        self.disks = {name: Disk(self.folder / name) for name in ("coordinator", *EVSES)}
        for disk in self.disks.values():
            disk.folder.mkdir()
        self.coordinator = SimCoordinator(
            self.network, self.disks["coordinator"], SimClock(self.wall_s, self.loop.time),
            self.on_write,
        )  # fmt: skip
        serials = itertools.count(1)
        self.agents = [
            SimAgent(
                agent_id, self.network, self.disks[agent_id],
                {evse_id: SimPile(evse_id) for evse_id in evse_ids}, self.wall_s, serials,
            )
            for agent_id, evse_ids in EVSES.items()
        ]  # fmt: skip
        self.cars = Cars(self.rng, self.coordinator)

    def wall_s(self) -> float:
        """The true time."""
        return EPOCH_S + self.loop.time()

    def on_write(self, agent_id: str, message: edge.ConnectResponse) -> None:
        """Looks at what a coordinator says; a breach ends the run."""
        try:
            invariants.ack_is_durable(self.disks["coordinator"].folder, message)
            if message.WhichOneof("message") == "directive" and message.directive.fence:
                self.sent.append((agent_id, message))
                invariants.fence_rises(self.drawn, message.directive)
        except invariants.Broken as error:
            self.broken = self.broken or error
            raise

    def note(self, *words: object) -> None:
        """One more line of the trace."""
        self.trace.append(f"{self.loop.time():.4f} " + " ".join(map(str, words)))

    async def run(self, steps: int, actions: Sequence[Act]) -> None:
        """So many steps, then healing; raises `Broken`."""
        watch = asyncio.ensure_future(self.network.keep_alive())
        await self.coordinator.start()
        for agent in self.agents:
            await agent.start()
        await asyncio.sleep(2.0)
        names, weights = zip(*((name, weight) for name, weight, _ in actions), strict=True)
        acts = {name: act for name, _, act in actions}
        for _ in range(steps):
            name = self.rng.choices(names, weights)[0]
            try:
                async with asyncio.timeout(PATIENCE_S):
                    told = await acts[name](self)
            except TimeoutError:
                raise invariants.Broken(f"hang: {name} took {PATIENCE_S:g} s") from None
            self.note(name, told)
            await asyncio.sleep(self.rng.choice(PAUSES_S))
            self.check()
        await self.heal()
        watch.cancel()

    def check(self) -> None:
        """Raises `Broken` where something does not hold."""
        if self.broken is not None:
            raise self.broken
        invariants.after_step(self.coordinator, self.agents)

    async def heal(self) -> None:
        """Everything works again; then everybody must agree."""
        for disk in self.disks.values():
            disk.heal()
        if not self.coordinator.running:
            await self.coordinator.start()
        if self.coordinator.fences.behind:
            await self.coordinator.fences.advance(
                self.coordinator.district.evse_ids, 1_000, self.coordinator.clock.system_s()
            )
        self.coordinator.use(Models(RULES_RANKER))
        for agent in self.agents:
            for connection in self.network.connections[agent.agent_id]:
                connection.break_(0.1)
            self.network.clear(agent.agent_id)
            if not agent.running:
                await agent.start()
            for pile in agent.piles.values():
                pile.mood, pile.slow_s = Outcome.DONE, 0.0
        await asyncio.sleep(HEAL_S)
        for agent in self.agents:
            for evse_id in agent.piles:
                agent.piles[evse_id].status = EvseStatus.AVAILABLE
            invariants.hold("I1", await agent.commit(list(agent.piles)), "a healed disk refuses")
        for promise in list(self.coordinator.brain.promises.open()):
            await self.coordinator.brain.guidance.release(promise.recommendation_id)
        await asyncio.sleep(HEAL_S)
        self.check()
        await self.agreed()

    async def agreed(self) -> None:
        """What was written is stored, nothing is held for nobody, piles are as they are."""
        coordinator = self.coordinator
        for agent in self.agents:
            connected = agent.reporter is not None and agent.reporter.connected
            hold = invariants.hold
            hold("end", connected, f"{agent.agent_id} is not connected")
            assert agent.spool is not None
            depth = await agent.spool.call(lambda file: file.numbers.depth())
            hold("end", depth <= 2 * len(agent.piles), f"{depth} records wait at {agent.agent_id}")
            for evse_id in agent.piles:
                row = coordinator.district.row.get(evse_id)
                hold("end", row is not None, f"{evse_id} is not known")
                believed = int(coordinator.district.status[row])
                # Stamps of a clock that was set back are older than what is believed.
                sure = agent.was_set or believed == Believed.AVAILABLE
                hold("end", sure, f"{evse_id} is believed {believed}")
                self.kept_for_somebody(agent, evse_id)
        for claim in coordinator.claims.table.live():
            waits = claim.future or claim.state in (ClaimState.OFFERED, ClaimState.CONFIRMED)
            promise = coordinator.brain.promises.of_claim(claim.claim_id)
            frozen = any(a.was_set for a in self.agents if claim.evse_id in a.piles)
            real = frozen or (waits and promise is not None)
            invariants.hold("end", real, f"nobody has {claim}")
        folder = self.disks["coordinator"].folder
        invariants.far_store_is_the_log(folder, self.agents, final=True)
        self.note("end", len(self.agents[0].written), len(self.agents[1].written))

    def kept_for_somebody(self, agent: SimAgent, evse_id: str) -> None:
        """What an agent keeps is for a live claim, or its coordinator died before it could say so.

        Then it lapses by itself.
        """
        kept = agent.desk and agent.desk.hold(evse_id)
        claim = self.coordinator.claims.table.get(kept.claim_id) if kept else None
        if (
            kept is None
            or claim is None
            or claim.live
            or self.coordinator.lives > 1
            or self.replayed
        ):
            return
        waiting = getattr(self.coordinator.brain.holding, "_kept", {})
        invariants.hold("end", evse_id in waiting, f"{evse_id} is kept for {claim.state.name}")
