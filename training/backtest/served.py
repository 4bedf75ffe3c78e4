"""What the product itself would have said, on rows of the backtests: its models, its rules.

Opens a bundle as the coordinator does; needs no torch. Figures are made where the rows are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import FailureModel
from coordinator.core.reliability.evidence import anchored_prior
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.levels import at_level
from coordinator.core.reliability.pile_vector import REFERENCE, Facts, fleet_scale, vectors
from coordinator.jobs.map_making import usual_of
from coordinator.models.serving import Serving, open_models
from training.backtest.outages import Timeline
from training.sources import OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE, Connectors

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY_S = 86_400.0
DC_TYPES = frozenset({"CHAdeMO", "CCS", "COMBO", "ComboCCS"})
RAPID_AC_TYPES = frozenset({"AC43", "FastAC43"})


class NoBundle(ValueError):
    """The bundle that was named cannot be served."""


def models_of(folder: Path | None) -> Serving:
    """The models of a folder, or those that the package brings; raises `NoBundle`."""
    models = open_models("" if folder is None else str(folder))
    if models.problems and not models.parts:
        raise NoBundle("; ".join(models.problems))
    return models


def direct(connectors: Connectors) -> Flags:
    """Which connectors give direct current."""
    return np.isin(connectors.type, [i for i, t in enumerate(connectors.types) if t in DC_TYPES])


def rapid(connectors: Connectors) -> Flags:
    """Which connectors charge a car within the hour: direct current, or 43 kW."""
    fast = [i for i, t in enumerate(connectors.types) if t in RAPID_AC_TYPES]
    return direct(connectors) | np.isin(connectors.type, fast)


def failure_rates(
    failure: FailureModel,
    connectors: Connectors,
    lines: list[Timeline],
    from_s: float,
    to_s: float,
) -> tuple[Floats, Floats, float]:
    """Failure rates as the knowledge map would hold them at `to_s`, the same before the map, and
    the shape of the frailty.

    Age, maker and model of these connectors are unknown.
    """

    def spent_days(state: int) -> Floats:
        return np.array([line.spent_s(from_s, to_s, state) for line in lines]) / DAY_S

    out, silent, used = (spent_days(s) for s in (OUT_OF_SERVICE, OUT_OF_CONTACT, OCCUPIED))
    exposure = np.maximum((to_s - from_s) / DAY_S - out - silent, 0.0)
    faults = np.array([len(line.onsets(from_s, to_s)) for line in lines], dtype=np.float64)
    uses = np.array([line.episodes(from_s, to_s, OCCUPIED) for line in lines], dtype=np.float64)
    unknown = np.full(len(lines), np.nan)
    facts = Facts(
        kind=["dc" if dc else "ac" for dc in direct(connectors)],
        maker=[""] * len(lines),
        model=[""] * len(lines),
        age_years=unknown,
        hours_used=used * 24.0,
        mean_charge_min=np.where(uses > 0, used * 1440.0 / np.maximum(uses, 1.0), np.nan),
        faults=faults,
        uses=uses,
    )
    said = failure.rates(vectors(facts.without_faults(), REFERENCE)).astype(np.float64)
    usual = usual_of(failure)
    kind = at_level(said, facts.maker, facts.model, faults, exposure, usual)
    shape = gamma_shape(faults, exposure, kind, usual)
    prior = anchored_prior(faults, exposure, kind, shape)
    knowledge = KnowledgeMap(vectors(facts, fleet_scale(facts)), prior, exposure)
    return knowledge.rates, prior, shape


def within(rate: Floats, days: float) -> Floats:
    """P(an outage within so many days) of one that has this rate every day."""
    return np.asarray(-np.expm1(days * np.log1p(-np.clip(rate, 0.0, 1.0 - 1e-9))))
