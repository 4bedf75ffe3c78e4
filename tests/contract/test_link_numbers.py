"""Numbers out of order, ids used twice, piles that changed hands, agents of the first contract."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
EVSE = "P1*1"


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path, agent_open=True)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def operator(coordinator: CoordinatorProcess) -> AsyncIterator[op_rpc.OperatorServiceStub]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        yield op_rpc.OperatorServiceStub(channel)


def rows(first: int, count: int) -> edge.ReportBatch:
    """So many rows with these numbers."""
    return batch("spool-1", first, [EVSE] * count)


def runs(ack: edge.Ack) -> tuple[int, list[tuple[int, int]]]:
    """What an ack says is stored."""
    return ack.stored.acked_through, [(r.first, r.last) for r in ack.stored.ranges]


async def test_L6_numbers_may_come_late_twice_or_never(
    coordinator: CoordinatorProcess, operator: op_rpc.OperatorServiceStub
) -> None:
    """Later runs are kept beside a hole, repeats are sliced off, a GAP closes what is lost."""
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        late = await agent.report(rows(11, 10))
        first = await agent.report(rows(1, 10))
        again = await agent.report(rows(6, 10))
        beyond = await agent.report(rows(31, 10))
        lost = edge.Gap(range=nouns.SeqRange(first=21, last=30), reason="CORRUPT")
        closed = await agent.report(edge.ReportBatch(spool_id="spool-1", gaps=[lost]))
        agents = (await operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents

    assert runs(late) == (0, [(11, 20)])
    assert runs(first) == runs(again) == (20, [])
    assert runs(beyond) == (20, [(31, 40)])
    assert runs(closed) == (40, [])
    (spool,) = agents[0].spools
    assert (spool.record_count, spool.gap_count, spool.rejected_count) == (30, 10, 0)


async def test_K4_agent_id_on_two_gateways_is_refused_and_told(
    coordinator: CoordinatorProcess, operator: op_rpc.OperatorServiceStub
) -> None:
    """The gateway that came second, known by its spool, is turned away; the first goes on."""
    events = operator.Watch(op.OperatorServiceWatchRequest())
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as first:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async with WireAgent(coordinator.address, spool_id="spool-2", piles=[pile("P1")]):
                pass
        ack = await first.report(rows(1, 3))
        told = await _event(events, "doubled")

    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert runs(ack) == (3, [])
    assert told.facts["agent_id"] == "agent-1"


async def _event(events: object, what: str) -> op.OperatorServiceWatchResponse:
    """The next event of this kind."""
    while True:
        event = await events.read()  # type: ignore[attr-defined]
        if event.facts.get("what") == what:
            return event


async def test_K5_pile_that_changed_hands_is_reported_by_its_new_agent_alone(
    coordinator: CoordinatorProcess, operator: op_rpc.OperatorServiceStub
) -> None:
    """After the move the old agent's rows are refused and settled, the new one's kept."""
    async with (
        WireAgent(coordinator.address, "agent-1", "spool-1", [pile("P1")]) as old,
        WireAgent(coordinator.address, "agent-2", "spool-2") as new,
    ):
        before = await old.report(rows(1, 2))
        await operator.AssignPile(
            op.AssignPileRequest(pile_id="P1", agent_id="agent-2"), timeout=10
        )
        seen_since = batch("spool-1", 3, [EVSE] * 2, at_ms=int(time.time() * 1_000))
        after = await old.report(seen_since)
        theirs = await new.report(batch("spool-2", 1, [EVSE]))

    assert (before.rejected_count, after.rejected_count, theirs.rejected_count) == (0, 2, 0)
    assert runs(after) == (4, [])
    assert after.rejections[0].record_seq == 3


async def test_K6_agent_of_the_first_contract_is_served(coordinator: CoordinatorProcess) -> None:
    """A hello with only what the first version had, and columns unknown to us, are taken."""
    known = rows(1, 2).SerializeToString()
    later = known + b"\xf2\xff\x03\x04\x01\x02\x03\x04"  # field 8190, which nobody knows yet
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        assert not agent.welcome.HasField("clock") or agent.welcome.clock.speed == 1.0
        ack = await agent.report(edge.ReportBatch.FromString(later))

    assert runs(ack) == (2, [])
    assert ack.rejected_count == 0
