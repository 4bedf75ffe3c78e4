"""BenchService over real sockets: who watches, how many may, what can be broken, how time runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from firmware_sim.bench.server import BenchServer
from firmware_sim.bench.service import Bench
from firmware_sim.bench.watch import MOST_WATCHERS
from firmware_sim.clock import Clock, LiveClock, SteppedClock
from firmware_sim.core.evse import Supply
from firmware_sim.core.pile import PileSpec
from firmware_sim.fleet import Fleet
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc as rpc

DEADLINE_S = 60.0


@asynccontextmanager
async def served(
    names: list[str], clock: Clock | None = None, patience_s: float = 20.0
) -> AsyncIterator[tuple[grpc.aio.Channel, Bench]]:
    """A bench over piles of these names, with a channel to it."""
    fleet = Fleet([PileSpec(name, "generic", 11.0, Supply.AC_3) for name in names])
    faces = dict.fromkeys(names, ("modbus", ""))
    bench = Bench(fleet, clock or SteppedClock(0), faces, {}, seed=7)
    server = BenchServer(bench, "127.0.0.1:0", patience_s=patience_s)
    channel = grpc.aio.insecure_channel(await server.start())
    yield channel, bench
    await channel.close()
    await server.close()


@pytest.mark.slow
async def test_watcher_that_reads_nothing_is_cut_off() -> None:
    """What the transport does not take up within the patience ends the stream, and says so."""
    # Longer names than anybody writes, so that few states fill the transport's own buffers.
    names = [f"P-{number:04000d}" for number in range(2000)]
    async with served(names, patience_s=0.3) as (channel, bench), asyncio.timeout(DEADLINE_S):
        slow = rpc.BenchServiceStub(channel).Watch(pb.BenchServiceWatchRequest())
        await slow.wait_for_connection()
        while bench.watchers.count:
            await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in slow:
                pass

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "nothing was read for 0.3 s" in (caught.value.details() or "")


async def test_watchers_are_counted() -> None:
    """One watcher too many is told so; when one hangs up, there is room again."""
    async with served(["P-01"]) as (channel, bench), asyncio.timeout(DEADLINE_S):
        stub = rpc.BenchServiceStub(channel)
        watching = [stub.Watch(pb.BenchServiceWatchRequest()) for _ in range(MOST_WATCHERS)]
        for watch in watching:
            await watch.read()

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Watch(pb.BenchServiceWatchRequest()).read()
        watching[0].cancel()
        while bench.watchers.count == MOST_WATCHERS:
            await asyncio.sleep(0.01)
        await stub.Watch(pb.BenchServiceWatchRequest()).read()

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == (
        "64 watchers are the most that one bench serves: end another Watch first"
    )


async def test_health_can_be_watched() -> None:
    """A tool that follows the health of the bench hears that it serves."""
    async with served(["P-01"]) as (channel, _), asyncio.timeout(DEADLINE_S):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())

        first = await watch.read()

    assert first.status == health_pb2.HealthCheckResponse.SERVING


async def test_every_listed_fault_can_be_injected() -> None:
    """The catalogue names what `InjectFault` takes, with code, OCPP error and effect."""
    async with served(["P-01"]) as (channel, _), asyncio.timeout(DEADLINE_S):
        stub = rpc.BenchServiceStub(channel)

        listed = await stub.ListFaults(pb.ListFaultsRequest())
        for fault in listed.faults:
            request = pb.InjectFaultRequest(evse_id="P-01*1", fault=fault.name)
            state = (await stub.InjectFault(request)).state
            assert fault.name in state.faults
            await stub.ClearFault(pb.ClearFaultRequest(evse_id="P-01*1"))

    facts = {fault.name: fault for fault in listed.faults}
    assert len(facts) >= 20
    weld = facts["EVSEContactorFault"]
    assert (weld.code, weld.ocpp_error, weld.stops) == ("CX017", "PowerSwitchFailure", True)
    derate = facts["CableOverTempDerate"]
    assert (derate.stops, derate.power_left_pct) == (False, 50.0)
    assert {"wire:silent", "wire:delay"} <= set(listed.wire_faults)
    assert {"ocpp:no_answer", "ocpp:stamps_1970"} <= set(listed.ocpp_faults)


@pytest.mark.parametrize(
    ("clock", "stepped", "speed"),
    [(SteppedClock(1_700_000_000_000), True, 0.0), (LiveClock(0, 0.0, 60.0), False, 60.0)],
    ids=["stepped", "live"],
)
async def test_the_clock_says_how_it_runs(clock: Clock, stepped: bool, speed: float) -> None:
    """Domain time, manual or at a speed, and the seed of the piles."""
    async with served(["P-01"], clock) as (channel, _), asyncio.timeout(DEADLINE_S):
        before_ms = clock.now_ms()

        told = await rpc.BenchServiceStub(channel).GetClock(pb.GetClockRequest())

    assert (told.stepped, told.speed, told.seed) == (stepped, speed, 7)
    assert before_ms <= told.domain_at_ms <= clock.now_ms()
