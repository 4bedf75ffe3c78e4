"""A gateway: the production spool, reporter and directive desk over piles that are told what to do.

`written` is the agent's log: every record whose commit was answered, by its serial number.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.simulated.disk import Disk
from bench.simulated.inline import InlineSpool
from bench.simulated.network import Network
from edge_agent.core.clock import DomainClock
from edge_agent.core.directive import Action, Answer, Directive, Outcome, Reserve, Result
from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource, Values
from edge_agent.errors import SpoolError
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.reporter import Reporter

HEARTBEAT_S = 15.0
# Where nothing is really measured, the energy is the record's own number.
SERIAL_KWH = 1.0


@dataclass
class SimPile:
    """A pile of one EVSE; `mood` is how it takes reservations."""

    evse_id: str
    status: EvseStatus = EvseStatus.AVAILABLE
    mood: Outcome = Outcome.DONE
    slow_s: float = 0.0


@dataclass
class SimAgent:
    """One gateway through its lives; its disk and its piles outlive each of them."""

    agent_id: str
    network: Network
    disk: Disk
    piles: dict[str, SimPile]
    wall_s: Callable[[], float]
    serials: itertools.count[int]
    written: dict[int, tuple[str, int]] = field(default_factory=dict)  # serial: evse, status
    offered: set[int] = field(default_factory=set)
    # Fences acted on, in order, by EVSE; over all lives.
    acted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lives: int = 0
    step_s: float = 0.0  # how far its clock was set
    was_set: bool = False
    spool: InlineSpool | None = None
    reporter: Reporter | None = None
    desk: DirectiveDesk | None = None
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.spool is not None

    def now_ms(self) -> int:
        """Its domain time, which follows its system clock."""
        return int((self.wall_s() + self.step_s) * 1000)

    def steady_ms(self) -> int:
        """The same for holds, whatever becomes of the clock."""
        return int(self.wall_s() * 1000)

    def set_clock(self, by_s: float) -> None:
        """Somebody sets its clock."""
        self.step_s += by_s
        self.was_set = True

    async def start(self) -> None:
        """A new life on the same disk; stays dead where the disk refuses."""
        self.lives += 1
        ids = (f"{self.agent_id}-{self.lives}-{n}" for n in itertools.count(1))
        spool = InlineSpool(self.disk.folder, ids.__next__)
        try:
            await spool.start()
        except (SpoolError, OSError):
            spool.kill()
            return
        self.spool = spool
        settings = LinkSettings(
            self.agent_id, self.agent_id, DomainClock(0, 0.0), limits=BatchLimits(linger_s=0.05),
            backoff_base_s=0.2, backoff_cap_s=5.0,
        )  # fmt: skip
        self.desk = Desk(self, spool)
        rng = random.Random(f"{self.agent_id}-{self.lives}")
        self.reporter = Reporter(settings, spool, self.desk, self.facts, self.now_ms, rng)
        self._tasks = [
            asyncio.ensure_future(self.reporter.run()),
            asyncio.ensure_future(self._beat()),
        ]

    def kill(self) -> None:
        """SIGKILL."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        if self.spool is not None:
            self.spool.kill()
        for connection in self.network.connections[self.agent_id]:
            connection.cancel()
        self.spool = self.reporter = self.desk = None

    def cut_power(self, rng: random.Random) -> None:
        """The gateway loses power; what its disk had not synced is gone."""
        image = self.disk.power_image(rng)
        self.kill()
        self.disk.replaced_by(image)

    def facts(self) -> list[PileFacts]:
        """The inventory."""
        plug = ConnectorFacts("IEC_62196_T2_COMBO", "DC", 120.0)
        return [
            PileFacts(
                evse_id.removesuffix("*1"), evse_id, (plug,), station_id=f"S-{evse_id[0]}",
                latitude_deg=22.54 + 0.01 * (ord(evse_id[0]) - 64), longitude_deg=114.05,
            )
            for evse_id in self.piles
        ]  # fmt: skip

    def record(self, evse_id: str, kind: RecordKind = RecordKind.STATUS) -> tuple[int, Record]:
        """The next record of an EVSE, with its serial number in place of the energy."""
        serial, pile = next(self.serials), self.piles.get(evse_id)
        status = EvseStatus.OUTOFORDER if pile is None else pile.status
        values = Values(energy_kwh=serial * SERIAL_KWH)
        at_ms, source = self.now_ms(), StatusSource.MODBUS
        return serial, Record(evse_id, kind, at_ms, status, source, values=values)

    async def see(self, evse_id: str, status: EvseStatus) -> bool:
        """The pile changes; True where that was written down durably."""
        pile = self.piles[evse_id]
        if pile.status is status:
            return False
        pile.status = status
        return await self.commit([evse_id])

    async def commit(self, evse_ids: list[str]) -> bool:
        """Writes a status of each down; True where that is durable."""
        if self.spool is None:
            return False
        made = [self.record(evse_id) for evse_id in evse_ids]
        self.offered |= {serial for serial, _ in made}
        try:
            async with asyncio.timeout(60.0):
                await self.spool.commit([record for _, record in made])
        except (SpoolError, TimeoutError):
            return False
        for serial, record in made:
            if record.evse_id in self.piles:
                self.written[serial] = record.evse_id, int(record.status)
        return True

    async def _beat(self) -> None:
        """Tells every status again from time to time, and measures."""
        while self.spool is not None:
            made = [self.record(evse_id, RecordKind.METER) for evse_id in self.piles]
            self.offered |= {serial for serial, _ in made}
            self.spool.offer([record for _, record in made])
            await asyncio.sleep(HEARTBEAT_S)

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """What the pile does."""
        pile = self.piles[evse_id]
        if pile.slow_s:
            await asyncio.sleep(pile.slow_s)
        if isinstance(action, Reserve) and pile.status is not EvseStatus.AVAILABLE:
            return Answer(Outcome.REFUSED, "occupied")
        return Answer(pile.mood)


class Desk(DirectiveDesk):
    """The production desk; what it acts on is noted."""

    def __init__(self, agent: SimAgent, spool: InlineSpool) -> None:
        super().__init__(spool, agent, agent.steady_ms, agent.piles.__contains__)
        self._agent = agent

    async def handle(self, directive: Directive) -> Result | None:
        """What became of it."""
        known = directive.directive_id in self._results
        result = await super().handle(directive)
        if result is not None and not known and directive.fence:
            done = (Outcome.DONE, Outcome.DONE_SOFTLY)
            if result.answer.outcome in done:
                self._agent.acted[directive.evse_id].append(directive.fence)
        return result
