"""The figures of the knowledge map, and which of them make no sense.

What they do is in `knowledge_map.py`; where they are read from is not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from coordinator.core.reliability.baselines import Prior
from coordinator.core.reliability.pile_vector import ATTRIBUTES
from coordinator.core.reliability.similarity import Measure

# A greater κ or fixed share would need thousands of passes to settle.
GREATEST_KAPPA_DAYS = 1_000.0
GREATEST_SHARE = 0.99
MOST_EDGES = 1_024


class Algorithm(Enum):
    """How rates flow: anchored (default), or one of the patent's equations as printed.

    Source: US 12,393,974 B2, step 410.
    """

    ANCHORED = "anchored"
    EQUATION_1 = "eq1"
    EQUATION_2 = "eq2"


@dataclass(frozen=True, slots=True)
class MapSettings:
    """Figures of the map. `order` 1 or 2 is the patent's "size of the neighbour".

    `attributes` are those of claim 2 that make two piles alike; `prior` says where x⁰ comes from.
    `share` is one γ for all piles instead of one by evidence. A pile counts as observed for
    `least_exposure_days`, which the rate of its kind stands for: so γ < 1, and every graph has one
    fixed point. `tolerance` bounds the error of a whole update, `update_tolerance` that of an
    incremental one.

    Source: US 12,393,974 B2, claims 2, 3, step 410.
    """

    threshold: float = 0.8
    measure: Measure = Measure.COSINE
    attributes: tuple[str, ...] = ATTRIBUTES
    prior: Prior = Prior.MODEL
    max_edges: int = 32
    order: int = 2
    algorithm: Algorithm = Algorithm.ANCHORED
    kappa_days: float = 20.0
    least_exposure_days: float = 1.0
    share: float | None = None
    theta: float = 0.5
    alpha: float = 0.5
    beta: float = 0.5
    edge_weights: tuple[float, float] = (0.5, 0.5)
    tolerance: float = 1e-6
    update_tolerance: float = 1e-4


@dataclass(frozen=True, slots=True)
class MapState:
    """What outlives a map: how often it was updated, and settings that an operator changed.

    Source: US 12,393,974 B2, step 410.
    """

    iterations: int = 0
    settings: MapSettings | None = None


def faults_of(s: MapSettings) -> list[tuple[str, str]]:
    """What is wrong with these settings: name of the setting, and what was expected; [] if nothing.

    Source: US 12,393,974 B2, step 410.

    >>> faults_of(MapSettings()), faults_of(MapSettings(threshold=1.5, order=3))
    ([], [('threshold', '1.5 is not within [0, 1)'), ('order', '3 is neither 1 nor 2')])
    """
    found = []

    def within(name: str, value: float, low: float, high: float, brackets: str = "[]") -> None:
        inside = low <= value <= high and not (
            (brackets[0] == "(" and value == low) or (brackets[1] == ")" and value == high)
        )
        if not inside:  # NaN is inside nothing
            range_ = f"{brackets[0]}{low:g}, {high:g}{brackets[1]}"
            found.append((name, f"{value:g} is not within {range_}"))

    within("threshold", s.threshold, 0.0, 1.0, "[)")
    within("max_edges", s.max_edges, 1, MOST_EDGES)
    if s.order not in (1, 2):
        found.append(("order", f"{s.order} is neither 1 nor 2"))
    within("kappa_days", s.kappa_days, 0.0, GREATEST_KAPPA_DAYS, "(]")
    within("least_exposure_days", s.least_exposure_days, 1.0, math.inf, "[)")
    if s.share is not None:
        within("share", s.share, 0.0, GREATEST_SHARE)
    within("theta", s.theta, 0.0, 10.0)
    within("alpha", s.alpha, 0.0, 1.0)
    within("beta", s.beta, 0.0, 1.0)
    for weight in s.edge_weights:
        within("edge_weights", weight, 0.0, 1.0)
    if not 0.0 < sum(s.edge_weights) <= 1.0:
        found.append(("edge_weights", f"their sum {sum(s.edge_weights):g} is not within (0, 1]"))
    unknown = [name for name in s.attributes if name not in ATTRIBUTES]
    if unknown or not s.attributes:
        found.append(("attributes", f"{unknown or 'none'}; known are {', '.join(ATTRIBUTES)}"))
    return found
