"""EdgeService of a real coordinator process, spoken to by hand."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path)
    await process.start()
    yield process
    await process.stop()


async def failure(agent: WireAgent) -> grpc.aio.AioRpcError:
    """The status that ends the stream."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await agent.read()
    return caught.value


def fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Fields that a BadRequest names."""
    status = rpc_status.from_call(error)
    request = error_details_pb2.BadRequest()
    for detail in status.details if status else ():
        detail.Unpack(request)
    return [violation.field for violation in request.field_violations]


async def spools(address: str) -> dict[str, op.StoredSpool]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        answer = await stub.ListAgents(op.ListAgentsRequest(), timeout=10)
    return {spool.spool_id: spool for agent in answer.agents for spool in agent.spools}


async def test_bad_rows_are_named_and_the_others_counted(coordinator: CoordinatorProcess) -> None:
    """NaN and a foreign pile are refused by number and code; the stream lives on."""
    async with (
        WireAgent(coordinator.address, "agent-1", "spool-1", [pile("P1")]) as agent,
        WireAgent(coordinator.address, "agent-2", "spool-2", [pile("P2")]),
    ):
        report = batch("spool-1", 1, ["P1*1", "P1*1", "P2*1"], power_kw=[1.0, math.nan, 1.0])
        ack = await agent.report(report)
        later = await agent.report(batch("spool-1", 4, ["P1*1"]))
        stored = (await spools(coordinator.address))["spool-1"]

    assert {(r.record_seq, r.code) for r in ack.rejections} == {(2, "DATA-004"), (3, "AUTH-001")}
    assert ack.rejected_count == 2
    assert later.stored.acked_through == 4
    assert (stored.record_count, stored.rejected_count) == (2, 2)


async def test_bytes_that_are_no_message_are_an_invalid_argument(
    coordinator: CoordinatorProcess,
) -> None:
    """Malformed protobuf ends the call with INVALID_ARGUMENT and no class names."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        connect = channel.stream_stream("/pilewise.v1.EdgeService/Connect")
        stream = connect()
        await stream.write(b"\x0a\xff\xff\xff\xff\x0f")
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            await stream.read()
        unary = channel.unary_unary("/pilewise.v1.OperatorService/ListPiles")
        with pytest.raises(grpc.aio.AioRpcError) as called:
            await unary(b"\xff\xff\xff", timeout=10)

    for caught in (streamed.value, called.value):
        assert caught.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "DecodeError" not in (caught.details() or "")
        assert fields(caught) == ["message"]


async def test_a_wrong_hello_names_its_fields(coordinator: CoordinatorProcess) -> None:
    """An agent id that is no identifier is refused, and the field is named."""
    agent = WireAgent(coordinator.address, "agent one", "spool-1")
    await agent.send(edge.ConnectRequest(hello=edge.Hello(agent_id="agent one", spool_id="s")))
    error = await failure(agent)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields(error) == ["agent_id"]


async def test_another_clock_is_refused_and_said(coordinator: CoordinatorProcess) -> None:
    """An agent at ten times the speed is told which clocks differ and what to do."""
    agent = WireAgent(coordinator.address)
    clock = nouns.DomainClock(epoch_at_ms=1, anchor_s=2.0, speed=10.0)
    hello = edge.Hello(agent_id="agent-1", spool_id="spool-1", clock=clock)
    await agent.send(edge.ConnectRequest(hello=hello))
    error = await failure(agent)

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "speed 10" in (error.details() or "")
    assert "[clock]" in (error.details() or "")


async def test_the_first_message_must_be_a_hello(coordinator: CoordinatorProcess) -> None:
    """A batch before the hello breaks the protocol."""
    agent = WireAgent(coordinator.address)
    await agent.send(edge.ConnectRequest(batch=batch("spool-1", 1, ["P1*1"])))

    assert (await failure(agent)).code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_oversized_message_ends_the_stream_not_the_server(
    coordinator: CoordinatorProcess,
) -> None:
    """More than 256 KiB is RESOURCE_EXHAUSTED; the agent connects again and goes on."""
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        report = batch("spool-1", 1, ["P1*1"])
        report.details.append(edge.RecordDetail(text="x" * 300_000))
        await agent.send(edge.ConnectRequest(batch=report))
        error = await failure(agent)
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        ack = await agent.report(batch("spool-1", 1, ["P1*1"]))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ack.stored.acked_through == 1


async def test_too_many_rows_name_the_field(coordinator: CoordinatorProcess) -> None:
    """A batch of more than 500 rows cannot be settled and is an invalid argument."""
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        await agent.send(edge.ConnectRequest(batch=batch("spool-1", 1, ["P1*1"] * 501)))
        error = await failure(agent)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields(error) == ["record_count"]


async def test_a_new_stream_of_an_agent_displaces_the_old_one(
    coordinator: CoordinatorProcess,
) -> None:
    """The old stream gets a GoAway that says why, and ends."""
    async with (
        WireAgent(coordinator.address, piles=[pile("P1")]) as old,
        WireAgent(coordinator.address, piles=[pile("P1")]) as new,
    ):
        goodbye = await old.read()
        with pytest.raises(EOFError):
            await old.read()
        ack = await new.report(batch("spool-1", 1, ["P1*1"]))

    assert goodbye.go_away.reason == "DISPLACED"
    assert ack.stored.acked_through == 1


async def test_a_command_reaches_the_pile_and_its_answer_comes_back(
    coordinator: CoordinatorProcess,
) -> None:
    """Poll now goes down the agent's stream; without the agent it is said to be offline."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        stub = operator_service_pb2_grpc.OperatorServiceStub(channel)
        poll = op.CommandRequest(
            evse_ids=["P1*1"], directive=edge.Directive(poll_now=edge.PollNow())
        )
        async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
            answer = asyncio.ensure_future(stub.Command(poll, timeout=10))
            directive = (await agent.read()).directive
            result = edge.DirectiveResult(
                directive_id=directive.directive_id,
                outcome=edge.DIRECTIVE_OUTCOME_DONE,
                message="read",
            )
            await agent.send(edge.ConnectRequest(directive_result=result))
            done = await answer
        for _ in range(100):
            away = await stub.Command(poll, timeout=10)
            if away.errors:
                break

    assert directive.evse_id == "P1*1"
    assert directive.HasField("poll_now")
    assert [r.message for r in done.results] == ["read"]
    assert [error.code for error in away.errors] == ["LINK-001"]


async def test_nothing_acknowledged_is_lost_or_doubled_when_killed(tmp_path: Path) -> None:
    """SIGKILL in mid-stream, twice: after the resends every record is stored exactly once."""
    coordinator = CoordinatorProcess(tmp_path)
    names = ["P1*1", "P2*1"] * 25
    total, acked = 4_000, 0
    for _ in range(3):
        await coordinator.start()
        async with WireAgent(coordinator.address, piles=[pile("P1"), pile("P2")]) as agent:
            welcome = agent.welcome.stored.acked_through
            assert welcome >= acked
            first = welcome + 1
            target = total if coordinator.kills == 2 else first + 1_000
            sender = asyncio.create_task(send_all(agent, names, first, total))
            acked = (await agent.acked_through(min(target, total))).stored.acked_through
            if acked >= total:
                await sender
                break
            await coordinator.kill()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
    stored = (await spools(coordinator.address))["spool-1"]
    code = await coordinator.stop()

    assert stored.record_count == total
    assert stored.stored.acked_through == total
    assert code == 0


async def send_all(agent: WireAgent, names: list[str], first: int, last: int) -> None:
    """Sends records from `first` to `last` in batches that overlap the one before."""
    sequence = first
    while sequence <= last:
        begin = max(1, sequence - 10)
        count = min(len(names), last - begin + 1)
        report = batch("spool-1", begin, names[:count], at_ms=int(time.time() * 1000) - 5_000)
        await agent.send(edge.ConnectRequest(batch=report))
        sequence = begin + count


async def test_a_stream_open_at_sigterm_gets_a_goodbye(coordinator: CoordinatorProcess) -> None:
    """The end is orderly: GoAway to agents, exit code 0, and nothing to replay."""
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        await agent.report(batch("spool-1", 1, ["P1*1"]))
        stopping = asyncio.create_task(coordinator.stop())
        goodbye = await agent.read()
        code = await stopping

    assert goodbye.go_away.reason == "SHUTDOWN"
    assert code == 0
