"""Every way to choose, on the scenes of many seeds, in one process or several.

What a way came to in all of them together is in `summary.py`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.guided import Plans, guided
from city_sim.paper.instance import Instance, draw
from city_sim.paper.judging import judged, unguided
from city_sim.paper.methods import methods
from city_sim.paper.optimum import optimum
from city_sim.paper.sizes import Size

Index = NDArray[np.intp]
Rows = dict[str, dict[str, float]]  # figures by the name of the way to choose

PILEWISE, IN_STEPS, HOLD, OPTIMUM = "pilewise", "pilewise-in-steps", "greedy-hold", "optimum"


@dataclass(frozen=True, slots=True)
class Run:
    """One scene. `literal_traffic`: the traffic method takes the greatest load, as printed."""

    letter: str
    size: Size
    seed: int
    literal_traffic: bool = False


def scene_of(run: Run) -> Instance:
    """The scene that a run is about."""
    return draw(CONFIGURATIONS[run.letter], run.size, run.seed)


def choices(run: Run, scene: Instance) -> dict[str, tuple[Index, int]]:
    """By each way to choose, the station of each car, and how often cars were sent elsewhere."""
    made = {name: (way(scene), 0) for name, way in methods(run.literal_traffic).items()}
    for name, plans in ((HOLD, Plans.NONE), (IN_STEPS, Plans.STEPS), (PILEWISE, Plans.WHOLE)):
        told = guided(scene, plans)
        made[name] = told.station, told.switches
    made[OPTIMUM] = optimum(scene), 0
    return made


def outcome(run: Run) -> Rows:
    """Figures of every way to choose; the same for the same run."""
    scene = scene_of(run)
    without = unguided(scene)
    return {
        name: judged(scene, chosen, without).row() | {"switches_per_car": switches / scene.cars}
        for name, (chosen, switches) in choices(run, scene).items()
    }


def played(
    runs: Sequence[Run], jobs: int = 0, tick: Callable[[], None] | None = None
) -> list[Rows]:
    """The outcomes in order, by so many processes (0: one a core); `tick` is told of each."""
    jobs = min(jobs or os.cpu_count() or 1, len(runs))
    if jobs <= 1:
        return list(_ticking(map(outcome, runs), tick))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        chunk = max(min(len(runs) // (jobs * 8), 16), 1)
        return list(_ticking(pool.map(outcome, runs, chunksize=chunk), tick))


def _ticking(made: Iterable[Rows], tick: Callable[[], None] | None) -> Iterator[Rows]:
    for rows in made:
        if tick is not None:
            tick()
        yield rows
