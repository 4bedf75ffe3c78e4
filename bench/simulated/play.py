"""Plays a seed: one run, whole, in this process; the same seed gives the same trace.

Sets of words are walked in an order that Python draws anew for each process: fix PYTHONHASHSEED
to have the same trace in another one (`bench/simulate.py` does).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import structlog

from bench.simulated.actions import ACTIONS, Happening
from bench.simulated.clock import virtual_time
from bench.simulated.disk import failing_disks
from bench.simulated.inline import InlineWriter
from bench.simulated.network import Channel, Stub
from bench.simulated.world import World

STEPS = 50


@dataclass
class Run:
    """How a run ended: `broken` names the invariant, or is empty."""

    seed: int
    steps: int
    broken: str
    trace: list[str]

    @property
    def digest(self) -> str:
        """The same for the same run."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


@contextlib.contextmanager
def _in_place(world: World) -> Iterator[None]:
    """Transport, writers and disks of the run in place of the real ones; nothing is logged."""
    log = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    patches = (
        mock.patch(
            "edge_agent.uplink.reporter.open_channel",
            lambda address, tls: Channel(world.network, address),
        ),
        mock.patch("edge_agent.uplink.reporter.EdgeServiceStub", Stub),
        mock.patch("coordinator.store.claims_sqlite.Writer", InlineWriter),
        mock.patch("coordinator.store.sqlite.Writer", InlineWriter),
    )
    try:
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            stack.enter_context(failing_disks(list(world.disks.values())))
            yield
    finally:
        structlog.configure(**log)


def play(seed: int, steps: int = STEPS) -> Run:
    """One run of this seed."""
    folder = Path(tempfile.mkdtemp(prefix="pilewise-sim-", dir=_fast_folder()))
    try:
        with virtual_time(seed) as loop:
            asyncio.set_event_loop(loop)
            world = Happening(seed, folder, loop)
            broken = ""
            with _in_place(world):
                try:
                    loop.run_until_complete(world.run(steps, ACTIONS))
                except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                    broken = f"{type(error).__name__}: {error}"
                    world.note("broken", broken)
                finally:
                    loop.run_until_complete(_end(world))
            return Run(seed, steps, broken, world.trace)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _end(world: World) -> None:
    """Nobody is left."""
    for agent in world.agents:
        agent.kill()
    if world.coordinator.running:
        world.coordinator.kill()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for _ in range(3):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=60.0) if tasks else None
        tasks = {task for task in tasks if not task.done()}


def _fast_folder() -> str | None:
    """Memory, where there is some: durability is what is modelled, not what is tested here."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
