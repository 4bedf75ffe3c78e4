"""The link between agent and coordinator, spoilt in every way that links are spoilt."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from linked_agent import LinkedAgent, free_now, linked_agent, meters, until

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = pytest.mark.slow
HOUR_MS = 3_600_000


async def test_L1_live_words_overtake_three_days_of_history(tmp_path: Path) -> None:
    """After a long outage the present is known within 2 s, while history still drains."""
    async with linked_agent(tmp_path) as agent:
        await agent.connected()
        agent.proxy.refusing = True
        agent.proxy.cut()
        begin_ms = int(time.time() * 1000) - 72 * HOUR_MS
        await agent.commit(meters(20_000, begin_ms, every_ms=72 * HOUR_MS // 20_000))
        agent.proxy.up.bytes_per_s = 40_000.0
        agent.proxy.refusing = False
        await agent.connected()
        await agent.commit([free_now()])
        since_s = time.monotonic()

        await _present_is_known(agent)
        took_s, stored = time.monotonic() - since_s, (await agent.stored()).record_count
        agent.proxy.up.bytes_per_s = 0.0

        assert took_s <= 2.0
        assert stored < agent.given
        await agent.all_stored_once()


async def _present_is_known(agent: LinkedAgent) -> None:
    """Returns when the coordinator tells what `free_now` said."""
    async with grpc.aio.insecure_channel(agent.coordinator.address) as channel:
        operator = op_rpc.OperatorServiceStub(channel)

        async def known() -> bool:
            live = await operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
            return nouns.EVSE_STATUS_AVAILABLE in [e.status for e in live.evses]

        await until("the present is known", known)


@pytest.mark.parametrize("way", ["up", "down"])
async def test_L2_half_open_link_is_noticed_within_25_s(tmp_path: Path, way: str) -> None:
    """Bytes of one direction vanish: the stream is given up, a new one resumes, nothing doubles."""
    async with linked_agent(tmp_path) as agent:
        await agent.connected()
        await agent.commit(meters(50, int(time.time() * 1000)))
        await agent.all_stored_once()
        getattr(agent.proxy, way).silent = True
        since_s = time.monotonic()
        await agent.commit(meters(50, int(time.time() * 1000) + 1000))

        async def noticed() -> bool:
            return not agent.reporter.connected

        await until("the silence is noticed", noticed)
        took_s = time.monotonic() - since_s
        getattr(agent.proxy, way).silent = False
        agent.proxy.cut()

        assert took_s <= 26.0
        await agent.all_stored_once()


async def test_L3_narrow_link_keeps_the_present_in_front(tmp_path: Path) -> None:
    """At 64 kbit/s history drains over one stream, and what is new waits for little of it."""
    async with linked_agent(tmp_path) as agent:
        agent.proxy.refusing = True
        agent.proxy.cut()
        await agent.commit(meters(6_000, int(time.time() * 1000) - HOUR_MS))
        agent.proxy.up.bytes_per_s = agent.proxy.down.bytes_per_s = 8_000.0
        agent.proxy.refusing = False
        await agent.connected()
        streams = agent.reporter.connections
        await agent.commit([free_now()])
        since_s = time.monotonic()

        await _present_is_known(agent)
        took_s, stored = time.monotonic() - since_s, (await agent.stored()).record_count
        await agent.all_stored_once()

        assert took_s <= 5.0
        assert stored < agent.given
        assert agent.reporter.connections == streams


async def test_L4_flapping_link_loses_nothing_and_is_not_stormed(tmp_path: Path) -> None:
    """A link that comes and goes: everything arrives once, with few tries meanwhile."""
    async with linked_agent(tmp_path) as agent:
        await agent.connected()
        before = agent.proxy.connections
        for _ in range(4):
            agent.proxy.refusing = True
            agent.proxy.cut()
            await agent.commit(meters(30, int(time.time() * 1000)))
            await asyncio.sleep(2.0)
            agent.proxy.refusing = False
            await agent.connected()
        tries = agent.proxy.connections - before

        await agent.all_stored_once()
        # Full jitter up to 0.5 s here: about 8 tries in 2 s of silence, and one that succeeds.
        assert tries <= 4 * 30


async def test_L5_ack_that_is_lost_costs_a_resend_and_no_copy(tmp_path: Path) -> None:
    """The link breaks again and again before acks come through: each record is stored once."""
    async with linked_agent(tmp_path, records=20) as agent:
        await agent.connected()
        for _ in range(5):
            before = agent.reporter.connections
            # A few bytes of acks pass, the rest is lost after the coordinator has committed.
            agent.proxy.down.cut_after = 30
            await agent.commit(meters(60, int(time.time() * 1000)))

            async def again(before: int = before) -> bool:
                return agent.reporter.connections > before and agent.reporter.connected

            await until("the stream stands again", again)

        await agent.all_stored_once()


async def test_L7_coordinator_that_goes_away_is_found_again(tmp_path: Path) -> None:
    """A coordinator that restarts in order says GOAWAY: no record is lost, none comes twice."""
    async with linked_agent(tmp_path) as agent:
        await agent.connected()
        writing = asyncio.create_task(_keep_writing(agent), name="test:writing")
        assert await agent.coordinator.stop() == 0
        await agent.coordinator.start()
        await agent.connected()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

        await agent.all_stored_once()


async def _keep_writing(agent: LinkedAgent) -> None:
    while True:
        await agent.commit(meters(5, int(time.time() * 1000)))
        await asyncio.sleep(0.05)


async def test_L8_five_seconds_of_latency_pile_nothing_up(tmp_path: Path) -> None:
    """With 2.5 s each way the stream lives through its pings, and what is in flight is bounded."""
    async with linked_agent(tmp_path) as agent:
        agent.proxy.up.delay_s = agent.proxy.down.delay_s = 2.5
        await agent.connected()
        since_s, deepest = time.monotonic(), 0
        while time.monotonic() < since_s + 20.0:  # beyond a ping and its answer
            await agent.commit(meters(20, int(time.time() * 1000)))
            deepest = max(deepest, agent.given - agent.reporter.acked)
            await asyncio.sleep(0.2)
        agent.proxy.up.delay_s = agent.proxy.down.delay_s = 0.0

        assert agent.reporter.connections == 1
        # 100 records a second, each answered after the round trip and one more batch.
        assert deepest <= 100 * 5 * 3
        await agent.all_stored_once()
