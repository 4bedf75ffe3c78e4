"""Simulators on real sockets for the tests of this room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from central_system import CentralSystem

from firmware_sim.app import Simulator
from firmware_sim.config import load_config
from pilewise.v1 import bench_service_pb2_grpc

DEADLINE_S = 60.0


@dataclass
class RunningSimulator:
    """A simulator that serves, and a bench client to it."""

    simulator: Simulator
    ready: dict[str, Any]
    bench: bench_service_pb2_grpc.BenchServiceStub
    channel: grpc.aio.Channel
    stop: asyncio.Event
    task: asyncio.Task[None]
    closed: list[str] = field(default_factory=list)

    def address(self, pile_id: str) -> tuple[str, int]:
        """Host and port of a Modbus pile."""
        pile = next(pile for pile in self.ready["piles"] if pile["pile_id"] == pile_id)
        host, _, port = pile["address"].rpartition(":")
        return host, int(port)


Simulate = Callable[[str], Awaitable[RunningSimulator]]


@pytest.fixture
async def simulate(tmp_path: Path) -> AsyncIterator[Simulate]:
    """Starts simulators from TOML text inside the test's event loop; stops them at the end."""
    running: list[RunningSimulator] = []

    async def start(text: str) -> RunningSimulator:
        path = tmp_path / f"sim-{len(running)}.toml"
        path.write_text(text)
        simulator = Simulator(load_config(path))
        stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
        task = asyncio.create_task(simulator.run(stop, ready.set_result), name="test:simulator")
        done, _ = await asyncio.wait(
            [ready, task], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if task in done:
            await task
        line = ready.result()
        channel = grpc.aio.insecure_channel(line["bench"])
        stub = bench_service_pb2_grpc.BenchServiceStub(channel)
        running.append(RunningSimulator(simulator, line, stub, channel, stop, task))
        return running[-1]

    yield start
    for one in running:
        await one.channel.close()
        one.stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await one.task


@pytest.fixture
async def central() -> AsyncIterator[CentralSystem]:
    """A central system on a free port."""
    system = CentralSystem()
    await system.open()
    yield system
    await system.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits until a condition holds; fails after ten seconds."""

    async def wait(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                await asyncio.sleep(0.01)

    return wait
