"""When a pile breaks by itself and how long it stays broken (Weibull onset, lognormal repair).

Which faults exist and what they do is in `faults.py`, how long which model lasts in `lives.py`.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from firmware_sim.core.faults import FAULTS, FaultKind

# What fails by itself and how often, relative to each other, where no model says it better: heat,
# contactors, locks and residual currents lead; an emergency stop is pressed by people.
_FAULTS: Final = (
    ("HighTemperature", 4.0),
    ("EVSEContactorFault", 2.0),
    ("ConnectorLockFailure", 2.0),
    ("GroundFailure", 2.0),
    ("PilotFault", 1.0),
    ("OverCurrentFailure", 1.0),
)


@dataclass(frozen=True, slots=True)
class Ageing:
    """How an EVSE ages.

    `shape` above 1 wears out, below 1 fails early; `scale_h` is the age at which 63 % have failed
    once; `repair_median_h` and `repair_sigma` describe the lognormal repair time. The default
    repair matches the Irish public network (median 0.42 h, mean 2.25 h). What fails
    is drawn from `faults` by their weights.
    """

    scale_h: float
    shape: float = 1.0
    age_h: float = 0.0
    repair_median_h: float = 0.42
    repair_sigma: float = 1.83
    faults: tuple[tuple[str, float], ...] = _FAULTS


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure to come: seconds until its onset, what fails, seconds until it is repaired."""

    in_s: float
    kind: FaultKind
    repair_s: float


def next_failure(ageing: Ageing, age_h: float, rng: random.Random) -> Failure:
    """The next failure of an EVSE that is `age_h` hours old, drawn from the residual life."""
    uniform = 1.0 - rng.random()  # (0, 1]: its logarithm is finite
    reached = (age_h / ageing.scale_h) ** ageing.shape
    life_h = ageing.scale_h * (reached - math.log(uniform)) ** (1 / ageing.shape)
    names = [name for name, _ in ageing.faults]
    name = rng.choices(names, weights=[weight for _, weight in ageing.faults])[0]
    repair_h = rng.lognormvariate(math.log(ageing.repair_median_h), ageing.repair_sigma)
    return Failure(max(life_h - age_h, 0.0) * 3600, FAULTS[name], repair_h * 3600)
