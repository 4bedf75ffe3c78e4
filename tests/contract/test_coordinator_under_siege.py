"""A coordinator in trouble: SIGTERM under load, no descriptors left, a loop that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from grpc_health.v1 import health_pb2, health_pb2_grpc
from wire_agent import WireAgent, batch, pile

from bench.sockets_bad import KINDS
from coordinator.jobs.loop_watch import LoopWatch
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

ROOT = Path(__file__).resolve().parents[2]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[CoordinatorProcess]:
    process = CoordinatorProcess(tmp_path, agent_open=True)
    process.log = tmp_path / "coordinator.log"
    await process.start()
    yield process
    await process.stop()


def asking(car: str) -> wire.RecommendRequest:
    return wire.RecommendRequest(
        request_id=car,
        vehicle_id=car,
        soc_pct=40.0,
        vehicle=wire.VehicleProfile(battery_kwh=60.0),
        position=nouns.Position(latitude_deg=22.5, longitude_deg=114.0),
    )


@pytest.mark.slow
async def test_C6_sigterm_under_load_answers_what_is_under_way_and_exits_0(
    coordinator: CoordinatorProcess,
) -> None:
    """Watchers hear NOT_SERVING, calls that were taken are answered, the exit is 0 within 25 s."""
    codes: list[grpc.StatusCode] = []

    async def load(stub: rpc.ChargingServiceStub, name: str) -> None:
        for number in range(10_000):
            try:
                await stub.Recommend(asking(f"{name}-{number}"), timeout=20)
                codes.append(grpc.StatusCode.OK)
            except grpc.aio.AioRpcError as error:
                codes.append(error.code())
                return

    async with (
        grpc.aio.insecure_channel(coordinator.address) as channel,
        WireAgent(coordinator.address, piles=[pile("P1")]) as agent,
    ):
        await agent.report(batch("spool-1", 1, ["P1*1"] * 5))
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        events = op_rpc.OperatorServiceStub(channel).Watch(op.OperatorServiceWatchRequest())
        await events.initial_metadata()
        stub = rpc.ChargingServiceStub(channel)
        cars = [asyncio.create_task(load(stub, f"car-{n}"), name=f"test:{n}") for n in range(16)]
        async with asyncio.timeout(60):
            while len(codes) < 20:
                await asyncio.sleep(0.01)
        begun_s = time.monotonic()
        ending = asyncio.create_task(coordinator.stop(), name="test:stop")
        health = (await watch.read()).status
        await asyncio.gather(*cars)
        code = await ending
        took_s = time.monotonic() - begun_s

    assert health == NOT_SERVING
    assert code == 0
    assert took_s < 25.0
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


@pytest.mark.slow
async def test_C8_no_descriptors_left_is_told_and_passes(tmp_path: Path) -> None:
    """New connections wait, those there are served, the log says what to do, and it goes on."""
    process = CoordinatorProcess(tmp_path)
    process.log = tmp_path / "coordinator.log"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    await process.start()
    host, port = process.address.rsplit(":", 1)
    try:
        async with grpc.aio.insecure_channel(process.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            # Without a call of its own a connection is soon closed, and there is none to be had.
            watch = health.Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            used = _descriptors(process.pid)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (2 * used, hard))
            crowd = [_connected(host, int(port)) for _ in range(2 * used)]
            await _logged(process.log, "file descriptors run out")
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=60)
            for wire_socket in crowd:
                wire_socket.close()
            await _logged(process.log, "file descriptors are free again")
            async with grpc.aio.insecure_channel(
                process.address, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as other:
                later = await health_pb2_grpc.HealthStub(other).Check(
                    health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True
                )
        code = await process.stop()
    finally:
        await process.stop()

    assert answer.status == later.status == SERVING
    assert code == 0
    assert "ulimit -n" in _said(process.log)


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _said(log: Path) -> str:
    return log.read_text()


def _connected(host: str, port: int) -> socket.socket:
    made = socket.create_connection((host, port), 5)
    # Said so that it is no silent one, which would be closed soon.
    made.sendall(KINDS["idle_http2"][0])
    return made


async def _logged(log: Path, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in _said(log):
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_C9_loop_that_stands_still_is_told_and_health_is_degraded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A thread says where it stands; afterwards health is down for a while, then well again."""
    counters, told = Counters(), []
    well = asyncio.Event()
    events = Events(time.time, time.time)

    async def degrade(degraded: bool) -> None:
        told.append(degraded)
        if not degraded:
            well.set()

    watch = LoopWatch(counters, events, degrade)
    task = asyncio.create_task(watch.run(), name="test:watch")
    await asyncio.sleep(0.3)
    _stand_still(time.sleep, 2.6)
    async with asyncio.timeout(60):
        await well.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    counted = counters.values()
    assert told == [True, False]
    assert counted["loop_blocked"] == 1
    assert counted["loop_blocked_longest_s"] >= 2.0
    assert counted["loop_degraded"] == 0
    assert [event.kind for event in events.after(events.newest_id - 1)] == ["HEALTH"]
    assert "_stand_still" in capsys.readouterr().out


def _stand_still(sleep: Callable[[float], None], seconds: float) -> None:
    sleep(seconds)


@pytest.mark.slow
async def test_C9_stopped_process_says_so_when_it_goes_on(coordinator: CoordinatorProcess) -> None:
    """SIGSTOP for 3 s: health is NOT_SERVING afterwards, and SERVING again."""
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        heard = [(await watch.read()).status]
        coordinator.signal(signal.SIGSTOP)
        await asyncio.sleep(3.0)  # the fault itself
        coordinator.signal(signal.SIGCONT)
        async with asyncio.timeout(60):
            heard += [(await watch.read()).status for _ in range(2)]

    assert heard == [SERVING, NOT_SERVING, SERVING]


@pytest.mark.slow
async def test_C4_bad_sockets_are_closed_and_good_clients_served() -> None:
    """The short form of the bench: none of the bad sockets stays, no good call fails."""
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.sockets", "--json", "--count", "400",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(run.communicate(), 110)
    found = json.loads(out.decode().splitlines()[-1])

    assert run.returncode == 0
    assert found["left"] == 0
    assert found["opened"] == 400
    assert found["good_failed"] == 0
    assert found["good_calls"] > 0
    assert set(found["longest_s"]) == set(KINDS)
