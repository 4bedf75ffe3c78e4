"""The solver's worker process: plans as in this process, and what happens when it dies."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from coordinator.core.areas.assignment import Problem
from coordinator.jobs.solver import WorkerSolver
from coordinator.usecases.replan import InlineSolver


def contended(seed: int, cars: int = 40, places: int = 30) -> Problem:
    """Every car can have every place."""
    rng = np.random.default_rng(seed)
    return Problem(
        rng.integers(1, 4, cars),
        np.full(cars, -1, dtype=np.intp),
        np.zeros(cars, dtype=bool),
        np.repeat(np.arange(cars), places),
        np.tile(np.arange(places), cars),
        np.round(rng.uniform(0.0, 3_000.0, cars * places)),
        np.arange(places) // 3,
    )


@pytest.mark.slow
async def test_worker_makes_the_plan_that_this_process_would() -> None:
    """A plan from the worker is the inline one, place by place."""
    solver, problem = WorkerSolver(), contended(1)
    try:
        there = await solver.plan(problem)
    finally:
        await solver.close()

    here = await InlineSolver().plan(problem)

    assert there is not None
    assert here is not None
    assert there.place.tolist() == here.place.tolist()


@pytest.mark.slow
async def test_dead_worker_gives_no_plan_and_the_next_call_a_new_one() -> None:
    """A worker that is killed costs one plan; the next one is made by a new process."""
    solver, problem = WorkerSolver(), contended(2)
    try:
        await solver.plan(problem)
        await asyncio.to_thread(solver.kill)

        assert await solver.plan(problem) is None
        assert await solver.plan(problem) is not None
    finally:
        await solver.close()


@pytest.mark.slow
async def test_worker_without_time_repairs_only() -> None:
    """A worker that may take no time gives everybody what is left, in order."""
    solver = WorkerSolver(budget_s=0.0)
    try:
        plan = await solver.plan(contended(3))
    finally:
        await solver.close()

    assert plan is not None
    assert plan.repaired == 40
    assert plan.served == 30


ORPHANED = """
import asyncio, sys
sys.path[:0] = {path!r}
from coordinator.jobs.solver import WorkerSolver
from test_replan_solver import contended

async def main():
    solver = WorkerSolver()
    await solver.plan(contended(3))
    print(*solver._pool._processes, flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.slow
async def test_worker_ends_with_a_coordinator_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the coordinator leaves no worker behind that holds its stdout and its memory."""
    script = tmp_path / "orphaned.py"
    script.write_text(ORPHANED.format(path=[str(Path(__file__).parent)]))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    worker = int(await asyncio.wait_for(process.stdout.readline(), 60))
    process.kill()

    try:
        # It has the pipe open, too: its end is the end of the output.
        assert await asyncio.wait_for(process.stdout.read(), 60) == b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        await process.wait()
