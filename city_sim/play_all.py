"""Plays many runs side by side, each in a process of its own, and keeps what is finished."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from city_sim.logs import warnings_only
from city_sim.progress import Watched
from city_sim.results_file import ResultsFile
from city_sim.runs import Run, outcome

LOOK_S = 0.5


def play_all(
    runs: Sequence[Run], jobs: int = 0, kept: ResultsFile | None = None
) -> list[dict[str, Any]]:
    """The outcome of each run, in their order; those in the file are not played again.

    `jobs` processes at once, 0 for one a core. Every outcome is kept as soon as it is there, so
    that nothing but the runs under way is lost when this is stopped.
    """
    made: dict[Run, dict[str, Any]] = {}
    for run in runs:
        known = kept.get(run) if kept is not None else None
        if known is not None:
            made[run] = known
    left = [run for run in dict.fromkeys(runs) if run not in made]
    left.sort(key=lambda run: not run.policy.startswith("pilewise"))  # the longest first
    with Watched("runs", len(set(runs))) as watched:
        watched.done(len(made))
        if left:
            _play(left, jobs, kept, made, watched)
    return [made[run] for run in runs]


def _play(
    left: Sequence[Run],
    jobs: int,
    kept: ResultsFile | None,
    made: dict[Run, dict[str, Any]],
    watched: Watched,
) -> None:
    jobs = min(jobs or os.cpu_count() or 1, len(left))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin) as pool:
        under_way = {pool.submit(outcome, run): run for run in left}
        try:
            while under_way:
                over, _ = wait(under_way, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for future in over:
                    run = under_way.pop(future)
                    made[run] = future.result()
                    if kept is not None:
                        kept.put(run, made[run])
                    watched.done()
                watched.look()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # What they play is not kept, and whoever stops does not wait for it.
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _begin() -> None:
    """First in a process that plays: whoever gave the runs out ends it, not a key."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings_only()
