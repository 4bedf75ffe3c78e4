"""Spool and reporter of an agent before a real coordinator process, with a spoilt link between."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from chaos_proxy import ChaosProxy, chaos_proxy
from coordinator_process import CoordinatorProcess

from edge_agent.core.clock import DomainClock
from edge_agent.core.directive import Action, Answer, Outcome
from edge_agent.core.facts import ConnectorFacts, PileFacts
from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource, Values
from edge_agent.uplink.channel import LinkSettings
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

EVSE = "A-01*1"
FACTS = PileFacts(
    "A-01",
    "A",
    (ConnectorFacts("IEC_62196_T2", "AC_3_PHASE", 11.0),),
    latitude_deg=22.5,
    longitude_deg=114.0,
)
DEADLINE_S = 60.0


class NoHands:
    """A performer for agents that nobody commands."""

    async def perform(self, evse_id: str, action: Action) -> Answer:
        return Answer(Outcome.UNSUPPORTED)


def meters(count: int, at_ms: int, every_ms: int = 1) -> list[Record]:
    """So many measurements from this instant on."""
    return [
        Record(
            EVSE,
            RecordKind.METER,
            at_ms + number * every_ms,
            EvseStatus.CHARGING,
            StatusSource.MODBUS,
            values=Values(power_kw=round(number % 11 + 0.5, 1)),
        )
        for number in range(count)
    ]


def free_now() -> Record:
    """A status as of now."""
    now_ms = int(time.time() * 1000)
    return Record(EVSE, RecordKind.STATUS, now_ms, EvseStatus.AVAILABLE, StatusSource.MODBUS)


@dataclass
class LinkedAgent:
    """An agent's uplink, the proxy that it dials, and the coordinator behind it."""

    coordinator: CoordinatorProcess
    proxy: ChaosProxy
    spool: Spool
    reporter: Reporter
    given: int = 0

    async def commit(self, records: Iterable[Record]) -> None:
        """Writes records down; they are to arrive exactly once."""
        taken = list(records)
        for start in range(0, len(taken), 500):
            await self.spool.commit(taken[start : start + 500])
        self.given += len(taken)

    async def stored(self) -> op.StoredSpool:
        """What the coordinator counts of this spool in its store."""
        async with grpc.aio.insecure_channel(self.coordinator.address) as channel:
            stub = op_rpc.OperatorServiceStub(channel)
            agents = (await stub.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
        return agents[0].spools[0] if agents and agents[0].spools else op.StoredSpool()

    async def all_stored_once(self) -> op.StoredSpool:
        """Returns when everything given is stored; then each number is there exactly once."""

        async def complete() -> bool:
            return (await self.stored()).stored.acked_through >= self.given

        await until("everything is stored", complete)
        stored = await self.stored()
        assert stored.record_count == stored.stored.acked_through == self.given
        assert (stored.gap_count, stored.rejected_count) == (0, 0)
        return stored

    async def connected(self) -> None:
        """Returns when a stream stands."""

        async def stands() -> bool:
            return self.reporter.connected

        await until("the stream stands", stands)


async def until(what: str, met: Callable[[], Awaitable[bool]]) -> None:
    """Returns once it is met; fails at the deadline."""
    end_s = time.monotonic() + DEADLINE_S
    while not await met():
        assert time.monotonic() < end_s, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def linked_agent(folder: Path, **limits: float) -> AsyncIterator[LinkedAgent]:
    """The whole chain, running; `limits` change those of a batch."""
    coordinator = CoordinatorProcess(folder, agent_open=True)
    await coordinator.start()
    # The same port after a restart.
    text = coordinator.config.read_text()
    coordinator.config.write_text(f'{text}listen = "{coordinator.address}"\n')
    spool = Spool(folder / "agent", iter(f"spool-{n}" for n in range(1, 100)).__next__)
    await spool.start()
    async with chaos_proxy(coordinator.address) as proxy:
        settings = LinkSettings(
            agent_id="G1",
            coordinator=f"127.0.0.1:{proxy.port}",
            clock=DomainClock(0, 0.0),
            limits=BatchLimits(**{"linger_s": 0.02, **limits}),  # type: ignore[arg-type]
            backoff_base_s=0.05,
            backoff_cap_s=0.5,
        )
        desk = DirectiveDesk(spool, NoHands(), _now_ms, EVSE.__eq__)
        reporter = Reporter(settings, spool, desk, lambda: [FACTS], _now_ms, random.Random(1))
        task = asyncio.create_task(reporter.run(), name="test:uplink")
        try:
            yield LinkedAgent(coordinator, proxy, spool, reporter)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await spool.close()
            await coordinator.stop()


def _now_ms() -> int:
    return int(time.time() * 1000)
