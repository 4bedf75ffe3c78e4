"""Which agent speaks for a pile, checked for every record, before a real coordinator process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.protobuf.timestamp_pb2 import Timestamp
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

pytestmark = pytest.mark.slow


class Town:
    """A coordinator without certificates, and its operator."""

    def __init__(self, process: CoordinatorProcess, operator: op_rpc.OperatorServiceStub) -> None:
        self.process = process
        self.operator = operator

    def agent(self, agent_id: str, *piles: str) -> WireAgent:
        """An agent that brings these piles."""
        facts = [pile(pile_id) for pile_id in piles]
        return WireAgent(self.process.address, agent_id, f"spool-{agent_id}", facts)

    async def assign(self, pile_id: str, agent_id: str, from_s: float | None = None) -> None:
        """What an operator says of a pile."""
        request = op.AssignPileRequest(pile_id=pile_id, agent_id=agent_id)
        if from_s is not None:
            request.valid_from.CopyFrom(Timestamp(seconds=int(from_s)))
        await self.operator.AssignPile(request, timeout=10)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """A running coordinator; it is stopped at the end."""
    process = CoordinatorProcess(tmp_path)
    await process.start()
    async with grpc.aio.insecure_channel(process.address) as channel:
        yield Town(process, op_rpc.OperatorServiceStub(channel))
    await process.stop()


async def test_K5_moved_piles_old_agent_is_refused_from_then_on(town: Town) -> None:
    """What the former agent saw before the move is taken, what it saw afterwards is refused.

    The rest of the batch is taken, the new agent speaks, and a restart changes nothing of it.
    """
    spool = "spool-old"
    async with town.agent("old", "P1", "P2") as old:
        first = await old.report(batch(spool, 1, ["P1*1", "P2*1"]))
        before_ms = int(time.time() * 1000) - 1
        await town.assign("P1", "new")
        late = await old.report(batch(spool, 3, ["P1*1", "P2*1"], at_ms=before_ms + 60_000))
        backlog = await old.report(batch(spool, 5, ["P1*1"], at_ms=before_ms))
    async with town.agent("new", "P1") as new:
        news = await new.report(batch("spool-new", 1, ["P1*1"], at_ms=before_ms + 60_000))
        too_early = await new.report(batch("spool-new", 2, ["P1*1"], at_ms=before_ms - 60_000))
    await town.process.kill()
    await town.process.start()
    async with town.agent("old", "P1", "P2") as old:
        again = await old.report(batch(spool, 6, ["P1*1", "P2*1"], at_ms=before_ms + 120_000))

    assert (first.rejected_count, late.rejected_count, backlog.rejected_count) == (0, 1, 0)
    assert late.stored.acked_through == 4
    assert [(r.record_seq, r.code) for r in late.rejections] == [(3, "AUTH-001")]
    assert "at that time" in late.rejections[0].message
    assert (news.rejected_count, too_early.rejected_count) == (0, 1)
    assert [(r.record_seq, r.code) for r in again.rejections] == [(6, "AUTH-001")]


async def test_foreign_records_are_an_alarm_and_counted(town: Town) -> None:
    """An agent that reports another's pile is refused row by row; operators hear of it once."""
    watch = town.operator.Watch(op.OperatorServiceWatchRequest(kinds=["SECURITY"]))
    await watch.initial_metadata()
    async with town.agent("one", "P1") as one, town.agent("two", "P2") as two:
        await one.report(batch("spool-one", 1, ["P1*1"]))
        ack = await two.report(batch("spool-two", 1, ["P1*1", "P2*1", "P1*1"]))
        event = await asyncio.wait_for(watch.read(), 60)
    watch.cancel()
    counts = (await town.operator.GetIndexes(op.GetIndexesRequest(), timeout=10)).indexes

    assert [r.code for r in ack.rejections] == ["AUTH-001", "AUTH-001"]
    assert ack.stored.acked_through == 3
    assert counts["records_foreign"] == 2
    assert event.facts["what"] == "foreign_records"


async def test_pile_given_to_nobody_is_not_taken_by_the_next_comer(town: Town) -> None:
    """An operator's word outlasts the rule that the first comer owns a pile."""
    async with town.agent("one", "P1") as one:
        await one.report(batch("spool-one", 1, ["P1*1"]))
    await town.assign("P1", "")
    async with town.agent("two", "P1") as two:
        ack = await two.report(batch("spool-two", 1, ["P1*1"]))
    agents = (await town.operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents

    assert [r.code for r in ack.rejections] == ["AUTH-001"]
    assert all("P1" not in agent.pile_ids for agent in agents)


async def test_pile_moves_at_the_instant_that_was_named(town: Town) -> None:
    """A move may be told ahead of time, or afterwards; an instant of no time is refused."""
    now_s = time.time()
    async with town.agent("one", "P1") as one:
        await one.report(batch("spool-one", 1, ["P1*1"]))
        await town.assign("P1", "two", now_s + 3600)
        sooner = await one.report(batch("spool-one", 2, ["P1*1"]))
        later_ms = int((now_s + 7200) * 1000)
        later = await one.report(batch("spool-one", 3, ["P1*1"], at_ms=later_ms))
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await town.assign("P1", "two", 9e9)

    assert (sooner.rejected_count, later.rejected_count) == (0, 1)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
