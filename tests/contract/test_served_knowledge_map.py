"""The knowledge map of a real coordinator: shown, updated, set anew, by RPC and by command."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
Stub: TypeAlias = "operator_service_pb2_grpc.OperatorServiceAsyncStub"
NAMES = [f"P{n}" for n in range(4)]


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def operator(coordinator: CoordinatorProcess) -> AsyncIterator[Stub]:
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        yield operator_service_pb2_grpc.OperatorServiceStub(channel)


@pytest.fixture
async def agent(coordinator: CoordinatorProcess) -> AsyncIterator[WireAgent]:
    """Four equal piles, all available."""
    async with WireAgent(coordinator.address, piles=[pile(name) for name in NAMES]) as agent:
        await agent.report(batch("spool-1", 1, [f"{name}*1" for name in NAMES]))
        yield agent


async def shown(operator: Stub, pile_id: str = "", order: int = 0) -> op.GetKnowledgeMapResponse:
    request = op.GetKnowledgeMapRequest(pile_id=pile_id, order=order)
    answer: op.GetKnowledgeMapResponse = await operator.GetKnowledgeMap(request, timeout=10)
    return answer


async def update(operator: Stub, **request: object) -> op.UpdateKnowledgeMapResponse:
    answer: op.UpdateKnowledgeMapResponse = await operator.UpdateKnowledgeMap(
        op.UpdateKnowledgeMapRequest(**request),  # type: ignore[arg-type]
        timeout=20,
    )
    return answer


async def test_map_shows_a_pile_with_its_neighbours(operator: Stub, agent: WireAgent) -> None:
    """A pile comes first, then those alike with their similarity, rates and the newest update."""
    made = await update(operator)
    told = await shown(operator, "P1")

    assert told.nodes[0].pile_id == "P1"
    assert {node.evse_id for node in told.nodes} == {f"{name}*1" for name in NAMES}
    assert {(edge.from_pile_id, edge.to_pile_id) for edge in told.edges} == {
        ("P1", name) for name in NAMES if name != "P1"
    }
    assert all(edge.similarity > 0.99 and edge.order == 1 for edge in told.edges)
    assert all(0.0 < node.failure_rate < 1.0 for node in told.nodes)
    assert told.iterations == made.iterations
    assert told.last_update.condition == op.KNOWLEDGE_CONDITION_ASKED
    assert told.last_update.updated_at.seconds > 1_700_000_000
    assert (told.pile_count, told.edge_count, told.settings.threshold) == (4, 12, 0.8)


async def test_fault_updates_the_map_at_once(operator: Stub, agent: WireAgent) -> None:
    """An outage that an agent reports raises the rates of those alike, as a specific update."""
    await update(operator)
    before = await shown(operator, "P0")

    await agent.report(batch("spool-1", 5, ["P0*1"], [nouns.EVSE_STATUS_OUTOFORDER]))
    async with asyncio.timeout(60):
        while (told := await shown(operator, "P0")).iterations == before.iterations:
            await asyncio.sleep(0.02)

    assert told.last_update.condition == op.KNOWLEDGE_CONDITION_SPECIFIC
    assert told.last_update.updated_count == 4
    rates = zip(told.nodes, before.nodes, strict=True)
    assert all(now.failure_rate > was.failure_rate for now, was in rates)


async def test_map_is_updated_in_part(operator: Stub, agent: WireAgent) -> None:
    """Named piles take their present counts in at once; the regular condition takes no names."""
    await update(operator)
    before = (await shown(operator)).iterations

    partly = await update(operator, pile_ids=["P2", "P3*1"])
    specific = await update(operator, pile_ids=["P2"], condition=op.KNOWLEDGE_CONDITION_SPECIFIC)
    last = (await shown(operator)).last_update
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update(operator, pile_ids=["P2"], condition=op.KNOWLEDGE_CONDITION_REGULAR)

    assert (partly.iterations, specific.iterations) == (before + 1, before + 2)
    assert last.condition == op.KNOWLEDGE_CONDITION_SPECIFIC
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "pile_ids" in str(refused.value.details())


async def test_settings_are_changed_and_survive_a_restart(
    coordinator: CoordinatorProcess, operator: Stub, agent: WireAgent
) -> None:
    """Threshold and measure hold from the next map on, and after the process was killed."""
    settings = op.KnowledgeMapSettings(threshold=0.99, similarity="attributes", kappa_days=5)
    await update(operator, settings=settings)
    now = await shown(operator, "P0")
    await coordinator.kill()
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        again = await shown(operator_service_pb2_grpc.OperatorServiceStub(channel))

    for told in (now.settings, again.settings):
        assert (told.threshold, told.similarity, told.kappa_days) == (0.99, "attributes", 5.0)
        assert told.neighbour_order == 2
    assert len(now.edges) == 0  # the unknown equals nothing
    assert again.iterations >= now.iterations


async def test_wrong_settings_are_all_named(operator: Stub) -> None:
    """Each figure that the map cannot use is told by its field."""
    settings = op.KnowledgeMapSettings(threshold=2, similarity="manhattan", edge_weights=[1])

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update(operator, settings=settings)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    words = str(refused.value.details())
    for name in ("settings.threshold", "settings.similarity", "settings.edge_weights"):
        assert name in words


async def test_unknown_pile_is_not_found(operator: Stub) -> None:
    """A pile that nobody knows is NOT_FOUND and named."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await shown(operator, "P-none")

    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert "P-none" in str(refused.value.details())


async def pilewise(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command as people run it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from pilewise.cli import main; main()", *args),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_command_shows_and_updates_the_map(
    coordinator: CoordinatorProcess, agent: WireAgent
) -> None:
    """`pilewise coordinator knowledge` prints one object, or lines for people, or what is wrong."""
    at = ("--target", coordinator.address)
    said = ("coordinator", "knowledge")
    updated = await pilewise(*said, "update", "--threshold", "0.7", *at, "--json")
    partly = await pilewise(*said, "update", "--pile", "P1", "--condition", "specific", *at)
    told = await pilewise(*said, "show", "P1", *at, "--json")
    lines = await pilewise(*said, "show", "P1", "--order", "2", *at)
    wrong = await pilewise(*said, "update", "--condition", "yearly", *at)

    assert json.loads(updated[1])["updated"] == 4
    assert partly[0] == 0
    seen = json.loads(told[1].splitlines()[-1])
    assert seen["settings"]["threshold"] == 0.7
    assert seen["last_update"]["condition"] == "specific"
    assert {one["to"] for one in seen["neighbours"]} == {"P0*1", "P2*1", "P3*1"}
    assert "P1*1 ~ P0*1" in lines[2]
    assert wrong[0] == 2
    assert "error[CMD-101]" in wrong[2]
