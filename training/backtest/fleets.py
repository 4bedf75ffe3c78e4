"""Backtest: the failure rates of fleets whose truth is known, estimate by estimate, seed by seed.

The same piles for everyone: what happened so far and what is known of them come in, the probability
of an outage within the next days goes out. Real outages are in `reliability.py`; nobody publishes
those of piles whose maker, model and age are known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import FailureModel, FrailtyModel
from coordinator.core.reliability.evidence import (
    DEFAULT_SHAPE,
    anchored_prior,
    pooled_rate,
)
from coordinator.core.reliability.frailty import gamma_shape
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import Algorithm, MapSettings
from coordinator.core.reliability.pile_vector import fleet_scale, vectors
from training.backtest import metrics
from training.backtest.served import within
from training.fleet import Fleet, generate_fleet
from training.frailty import expected_of

Float64 = NDArray[np.float64]

DAYS = 30.0
FIRST_SEED = 1_000_000  # far from the seeds of training
_PRINTED = MapSettings(algorithm=Algorithm.EQUATION_1, order=1)
_HALF = MapSettings(share=0.5, order=1)


def fleets(
    failure: FailureModel, seeds: int, piles: int, seed: int = 7, days: float = DAYS
) -> dict[str, Any]:
    """Figures of what the product believes, and of the others on the same piles.

    `paired` says by how much each one's Brier score is above ours, fleet by fleet: mean, standard
    deviation and in how many fleets it is above.
    """
    found: dict[str, list[dict[str, float]]] = {}
    shapes = []
    for number in range(seeds):
        fleet = generate_fleet(FIRST_SEED * seed + number, piles, days)
        happened = fleet.future > 0
        truth = within(fleet.rate, days)
        rates, shape = estimates(failure, fleet)
        shapes.append(shape)
        for name, rate in rates.items():
            p = within(rate, days)
            rmse = float(np.sqrt(np.mean((p - truth) ** 2)))
            found.setdefault(name, []).append(
                {**metrics.probability(p, happened), "rmse_to_truth": rmse}
            )
    ours = found.pop("served")
    return {
        "fleets": seeds,
        "piles": piles,
        "days": days,
        **_mean(ours),
        "baselines": {name: _mean(rows) for name, rows in found.items()},
        "paired": {name: _paired(rows, ours) for name, rows in found.items()},
        "frailty_shape": round(float(np.mean(shapes)), 3),
    }


def estimates(failure: FailureModel, fleet: Fleet) -> tuple[dict[str, Float64], float]:
    """P(an outage within 24 h) by estimator, and the shape of the frailty that was found.

    `served` is what the product does: kind by the model, own outages by frailty, neighbours by the
    map. `kind` stops after the first, `frailty` after the second. `eb` and `eb_graph` know nothing
    of kinds; `oracle` knows the truth.
    """
    n, exposure = fleet.past, fleet.observed_days
    rows = vectors(fleet.facts, fleet_scale(fleet.facts))
    raw = -np.expm1(-n / exposure)
    usual = failure.frailty_shape if isinstance(failure, FrailtyModel) else DEFAULT_SHAPE
    kind = expected_of(failure.rates, fleet, usual)
    shape = gamma_shape(n, exposure, kind, usual)
    own = anchored_prior(n, exposure, kind, shape)
    pooled = np.full(len(n), pooled_rate(n, exposure))
    eb = anchored_prior(n, exposure, pooled, gamma_shape(n, exposure, pooled))
    return {
        "served": KnowledgeMap(rows, own, exposure).rates,
        "frailty": own,
        "kind": kind,
        "raw": raw,
        "global": pooled,
        "patent_eq1": KnowledgeMap(rows, raw, exposure, _PRINTED).rates,
        "anchored_05": KnowledgeMap(rows, raw, exposure, _HALF).rates,
        "eb": eb,
        "eb_graph": KnowledgeMap(rows, eb, exposure).rates,
        "oracle": fleet.rate,
    }, shape


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]}


def _paired(rows: list[dict[str, float]], ours: list[dict[str, float]]) -> dict[str, float]:
    above = np.array([row["brier"] - own["brier"] for row, own in zip(rows, ours, strict=True)])
    return {
        "brier_above": round(float(above.mean()), 5),
        "sd": round(float(above.std(ddof=1)) if len(above) > 1 else 0.0, 5),
        "fleets_above": int((above > 0).sum()),
    }
