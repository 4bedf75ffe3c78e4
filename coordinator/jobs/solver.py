"""Solves joint re-plans in a process of its own: the matcher holds the interpreter's lock.

The process is started when it is first needed, ended when it is too slow, and started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import connection

import numpy as np
import structlog

from coordinator.core.areas.assignment import DEFAULT, Plan, Problem, Settings, assign

log = structlog.get_logger()

BUDGET_S = 2.0  # that the matcher may take; what would take longer is only repaired
LATE_S = 3.0  # beyond the budget, until the process counts as lost
START_S = 20.0  # the same for a process that has yet to load its libraries


class WorkerSolver:
    """Plans made in a worker process; None where it died or was too slow."""

    def __init__(self, settings: Settings = DEFAULT, budget_s: float = BUDGET_S) -> None:
        self._settings, self._budget_s = settings, budget_s
        self._pool: ProcessPoolExecutor | None = None

    async def plan(self, problem: Problem) -> Plan | None:
        """The joint plan, or None: then nobody is moved, and the next one is asked anew."""
        fresh = self._pool is None
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent)
        problem = await asyncio.to_thread(_small, problem)
        loop = asyncio.get_running_loop()
        limit_s = self._budget_s + LATE_S + (START_S if fresh else 0.0)
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(
                    self._pool, solve, problem, self._settings, self._budget_s
                )
        except (TimeoutError, BrokenProcessPool) as error:
            why = "it died" if isinstance(error, BrokenProcessPool) else "it was too slow"
            log.warning("no joint plan", why=why, cars=problem.count, limit_s=limit_s)
            await self.close()
            return None

    def kill(self) -> None:
        """Ends the process at once, whatever it does; the next plan starts another."""
        processes = {} if self._pool is None else self._pool._processes  # no public way
        for process in tuple((processes or {}).values()):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
                process.join(1.0)

    async def close(self) -> None:
        """Ends the process and forgets it."""
        if self._pool is not None:
            await asyncio.to_thread(self.kill)
            pool, self._pool = self._pool, None
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)


def end_with_parent() -> None:
    """Has this worker end when its coordinator is killed.

    A pool's worker waits at a pipe that it holds open itself, so it would wait for ever, and keep
    the coordinator's stdout open with it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(0)

    threading.Thread(target=watch, args=(parent.sentinel,), name="parent", daemon=True).start()


def solve(problem: Problem, settings: Settings, budget_s: float) -> Plan:
    """The plan, made within about so many seconds; runs in the worker."""
    problem = replace(
        problem,
        car=problem.car.astype(np.intp),
        place=problem.place.astype(np.intp),
        cost_s=problem.cost_s.astype(np.float64),
    )
    ends_at = time.monotonic() + budget_s
    return assign(problem, settings, lambda: ends_at - time.monotonic())


def _small(problem: Problem) -> Problem:
    """The problem in half the bytes: copying it is all that the loop's process does."""
    return replace(
        problem,
        car=problem.car.astype(np.int32),
        place=problem.place.astype(np.int32),
        cost_s=problem.cost_s.astype(np.float32),
    )
