"""What the server does not take: too much, too late, no message at all, and readers that do not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from served_brain import asking, serve_brain, station

from coordinator.rpc.limits import Limits
from coordinator.rpc.server import RpcServer
from coordinator.usecases.counters import Counters
from coordinator.usecases.deadline import DUE, step_s
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

RECOMMEND = "/pilewise.v1.ChargingService/Recommend"
LIST_PILES = "/pilewise.v1.OperatorService/ListPiles"
# Field 1000 with the value 0: two bytes of tag, one of value.
UNKNOWN = b"\xc0\x3e\x00"


class Operator(op_rpc.OperatorServiceServicer):
    """Answers as each test has it answer."""

    def __init__(self) -> None:
        self.list_piles: Callable[[], Awaitable[None]] = _at_once
        self.said = 0
        self.ended = asyncio.Event()

    async def ListPiles(self, request: Any, context: Any) -> op.OperatorServiceListPilesResponse:
        await self.list_piles()
        return op.OperatorServiceListPilesResponse()

    async def Watch(
        self, request: Any, context: Any
    ) -> AsyncIterator[op.OperatorServiceWatchResponse]:
        try:
            while True:
                self.said += 1
                yield op.OperatorServiceWatchResponse(text="x" * 60_000)
        finally:
            self.ended.set()


async def _at_once() -> None:
    return None


@asynccontextmanager
async def served(
    limits: Limits, operator: Operator
) -> AsyncIterator[tuple[grpc.aio.Channel, Counters]]:
    """An operator's service behind these limits."""
    counters = Counters()
    server = RpcServer(random.Random(1), counters, limits)
    server.guarded.serve(op_rpc.add_OperatorServiceServicer_to_server, operator)
    port = server.bind("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel, counters
    finally:
        await server.stop(0.1)


async def _read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Code and words of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert isinstance(refused.value, grpc.aio.AioRpcError)
    return refused.value.code(), refused.value.details() or ""


async def test_C2_message_that_is_too_large_is_refused_and_the_connection_lives() -> None:
    """A car's message beyond 256 KiB is RESOURCE_EXHAUSTED; the next call on the channel is not."""
    async with serve_brain([station("S", 2.0)]) as served_brain:
        large = asking("car-1", id_token="x" * 300_000)
        code, why = await refusal(served_brain.client.Recommend(large, timeout=10))
        answer = await served_brain.client.Recommend(asking("car-1"), timeout=10)

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "at most 262144" in why
    assert answer.HasField("promise")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff" * 40,
        asking("car-1").SerializeToString()[:-3],
        b"\x0b" * 120,  # groups in groups
        asking("car-1").SerializeToString() + UNKNOWN * 80_000,
    ],
    ids=["random", "cut", "deep", "unknown"],
)
async def test_C3_bytes_that_are_no_message_are_an_argument_not_an_error(raw: bytes) -> None:
    """Cut, random and deeply nested bytes and floods of unknown fields: INVALID_ARGUMENT."""
    async with (
        serve_brain([station("S", 2.0)]) as served_brain,
        grpc.aio.insecure_channel(served_brain.target) as channel,
    ):
        code, why = await refusal(channel.unary_unary(RECOMMEND)(raw, timeout=10))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "message" in why
    assert "class" not in why


async def test_C3_peer_that_sends_no_messages_is_throttled() -> None:
    """After so many of them the peer waits, its good calls too, and is told how long."""
    limits = Limits(strikes=5, strikes_s=0.4)
    async with served(limits, Operator()) as (channel, counters):
        bad = channel.unary_unary(LIST_PILES)
        codes = [(await refusal(bad(b"\xff\xff", timeout=10)))[0] for _ in range(5)]
        with pytest.raises(grpc.aio.AioRpcError) as throttled:
            await bad(b"", timeout=10)
        async with asyncio.timeout(60):
            while True:
                try:
                    await bad(b"", timeout=10)
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)

    assert codes == [grpc.StatusCode.INVALID_ARGUMENT] * 5
    assert throttled.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 0.0 < retry_s(throttled.value) <= 0.4
    assert counters.values()["messages_unfit"] == 5


def retry_s(error: grpc.aio.AioRpcError) -> float:
    """Seconds that a refused caller is asked to wait; 0 if it is not."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return float(info.retry_delay.ToNanoseconds() / 1e9)
    return 0.0


async def test_long_texts_and_lists_are_named() -> None:
    """Texts beyond 256 characters and lists beyond 64 entries are told by their fields."""
    async with serve_brain([station("S", 2.0)]) as served_brain:
        wordy = asking("car-1", user_id="x" * 257)
        wordy.payment_methods.extend([1] * 300)
        code, why = await refusal(served_brain.client.Recommend(wordy, timeout=10))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "user_id: is longer than 256 characters" in why
    assert "payment_methods: has more than 64 entries" in why


async def test_call_without_a_deadline_gets_one() -> None:
    """It ends with DEADLINE_EXCEEDED, and so does what it waits for."""
    ended = asyncio.Event()
    operator = Operator()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    operator.list_piles = forever
    async with served(Limits(unary_s=0.2), operator) as (channel, counters):
        code, _ = await refusal(channel.unary_unary(LIST_PILES)(b""))

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ended.is_set()
    assert counters.values()["calls_late"] == 1


async def test_deadline_goes_down_less_a_tenth() -> None:
    """A step below a call may take nine tenths of what the caller has left, and no more."""
    seen: list[float] = []
    operator = Operator()

    async def look() -> None:
        seen.append(step_s(60.0))

    operator.list_piles = look
    async with served(Limits(), operator) as (channel, _):
        await channel.unary_unary(LIST_PILES)(b"", timeout=4.0)
        await channel.unary_unary(LIST_PILES)(b"")

    assert 3.0 < seen[0] <= 3.6
    assert 8.5 < seen[1] <= 9.0
    assert DUE.get() is None


async def test_call_that_never_sends_its_request_is_ended() -> None:
    """A header without a message holds nothing for longer than the limit."""
    async with served(Limits(first_list_s=0.2), Operator()) as (channel, counters):
        call = channel.stream_unary(LIST_PILES)()
        code, _ = await refusal(call)

    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert counters.values()["calls_without_request"] == 1


async def test_C5_reader_that_stops_is_cut_with_a_reason() -> None:
    """What waits for a reader is bounded; after the limit the stream ends and says why."""
    operator = Operator()
    async with served(Limits(write_s=0.3), operator) as (channel, counters):
        call = op_rpc.OperatorServiceStub(channel).Watch(op.OperatorServiceWatchRequest())
        await call.read()
        async with asyncio.timeout(60):
            await operator.ended.wait()
            said = operator.said
            code, why = await refusal(_read_all(call))

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "not taken within 0.3 s" in why
    assert said < 200
    assert counters.values()["readers_cut"] == 1


async def test_C5_streams_of_one_peer_are_counted() -> None:
    """One more than the limit is refused with the time to wait; a closed one makes room."""
    operator = Operator()
    async with served(Limits(streams_per_peer=2, write_s=60.0), operator) as (channel, counters):
        stub = op_rpc.OperatorServiceStub(channel)
        calls = [stub.Watch(op.OperatorServiceWatchRequest()) for _ in range(2)]
        for call in calls:
            await call.read()
        code, why = await refusal(stub.Watch(op.OperatorServiceWatchRequest()).read())
        open_before = counters.values()["open_streams"]
        calls[0].cancel()
        async with asyncio.timeout(60):
            while counters.values()["open_streams"] > 1:
                await asyncio.sleep(0.01)
        third = stub.Watch(op.OperatorServiceWatchRequest())
        assert (await third.read()).text
        for call in (calls[1], third):
            call.cancel()

    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "streams of this peer" in why
    assert open_before == 2
