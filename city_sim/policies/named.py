"""Every policy by its name, made for a scene; what each does is in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from city_sim.cars import Policy
from city_sim.parts import REMOVABLE, WHOLE, Parts
from city_sim.past import NO_PAST, Past
from city_sim.policies.free_now import Nearest, NearestFree, Random
from city_sim.policies.paper import METHODS, PaperMethod
from city_sim.policies.queues import GreedyExact, GreedyHold, QueueEta
from city_sim.product import Pilewise
from city_sim.scenarios import Scenario
from city_sim.thinking import Learnt
from coordinator.core.district import District
from coordinator.core.recommend.context import Models
from coordinator.models.serving import Serving

OURS = "pilewise"
Make = Callable[[Scenario], Policy]


def without(part: str) -> str:
    """The name of the product less one part.

    >>> without("hold")
    'pilewise-no-hold'
    """
    return f"{OURS}-no-{part}"


def policies(models: Serving | None = None, past: Past = NO_PAST) -> dict[str, Make]:
    """How to make each policy for a scene, by its name; `past` is what those who look know."""
    made: dict[str, Make] = {
        "random": lambda scene: Random(),
        "nearest": lambda scene: Nearest(),
        "nearest-free": lambda scene: NearestFree(),
        "queue-eta": lambda scene: QueueEta(),
    }
    for method in METHODS:
        made[f"paper-{method}"] = partial(_by_paper, method, past)
    made["greedy-hold"] = lambda scene: GreedyHold()
    made["greedy-exact"] = lambda scene: GreedyExact()
    made[OURS] = partial(_product, models, past, WHOLE)
    for part in REMOVABLE:
        made[without(part)] = partial(_product, models, past, WHOLE.without(part))
    return made


def _by_paper(method: str, past: Past, scene: Scenario) -> Policy:
    return PaperMethod(method, past.visits)


def _product(models: Serving | None, past: Past, parts: Parts, scene: Scenario) -> Policy:
    judges, learnt = Models(), Learnt(past)
    if models is not None:
        judges = Models(models.ranker, models.arrival, models.travel)
        learnt = Learnt(past, models.failure, models.portrait)
    roads = scene.roads(District(scene.stations))
    return Pilewise(roads, judges, parts=parts, learnt=learnt)
