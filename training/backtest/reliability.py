"""Backtest: will this connector go out of service in the days to come?

A logistic model of what each connector, its post and its kind did, fitted to earlier cuts of the
history itself; its level is that of the whole fleet over spans of this length. Baselines include
the patent's Eq. (1) and the anchored map with a fixed share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import FailureModel
from coordinator.core.reliability.knowledge_map import KnowledgeMap
from coordinator.core.reliability.map_settings import MapSettings
from coordinator.core.reliability.printed import equation_1
from coordinator.core.reliability.similarity import Measure, graph
from training.backtest import metrics
from training.backtest.choice import NothingToTest
from training.backtest.fitting import fit_probability, levelled
from training.backtest.outages import Timeline, timelines
from training.backtest.served import failure_rates, within
from training.backtest.wear import Wear, wear
from training.sources import OUT_OF_SERVICE, Connectors, Intervals

DAY_S = 86_400.0
MOSTLY_OUT = 0.95  # connectors that were out of service for a larger share are no rows
GROWTH = 0.7  # onsets are bursty: P(any within h) grows about as h to this power
FIRST_CUT_DAYS, CUT_EVERY_DAYS = 1.5, 1.0
SPANS_DAYS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
L2 = 30.0
ROWS = 1800.0  # overlapping spans count as so many independent ones
ALIKE = 0.6  # of type, address and naming: two of three
SHARE = 0.7

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def reliability(
    connectors: Connectors,
    history: Intervals,
    test: Intervals,
    test_from_s: float,
    seed: int = 7,
    failure: FailureModel | None = None,
) -> dict[str, Any]:
    """Figures of the model and the baselines for any onset from this instant to the test's end.

    Rows are connectors not out of service at its start, nor for more than 95 % of the history.
    With a failure model, `served` says what the product would have believed. Raises
    `NothingToTest`.
    """
    lines, later = timelines(history), timelines(test)
    to_s = min(history.to_s, test_from_s)
    span_days = (test.to_s - test_from_s) / DAY_S
    if (to_s - history.from_s) / DAY_S < FIRST_CUT_DAYS + 1.0 or span_days <= 0.0:
        raise NothingToTest(
            f"{(to_s - history.from_s) / DAY_S:.1f} days of history (2.5 are needed),"
            f" {span_days:.1f} days of test"
        )
    now = wear(connectors, lines, history.from_s, to_s)
    at_start = np.array([line.state(np.array([test_from_s]))[0] for line in later])
    rows = (now.out_share <= MOSTLY_OUT) & (at_start != OUT_OF_SERVICE) & (at_start >= 0)
    happened = np.array([bool(line.onsets(test_from_s, test.to_s)) for line in later])[rows]
    said = _model(connectors, lines, (history.from_s, to_s), now.columns[rows], span_days)
    baselines = {n: p[rows] for n, p in _baselines(connectors, now, span_days).items()}
    post = connectors.post[rows]

    def figures(p: Floats) -> dict[str, float]:
        return metrics.rounded(metrics.probability(p, happened))

    return {
        "rows": int(rows.sum()),
        **figures(said),
        "baselines": {name: figures(p) for name, p in baselines.items()},
        "ci": metrics.interval(
            lambda drawn: metrics.probability(said[drawn], happened[drawn]), post, seed
        ),
        **_served(failure, connectors, lines, (history.from_s, to_s), rows, happened, span_days),
        "base_rate": round(float(happened.mean()), 4),
        "said_rate": round(float(said.mean()), 4),
        "span_days": round(span_days, 2),
        "data": history.report,
    }


def _served(
    failure: FailureModel | None,
    connectors: Connectors,
    lines: list[Timeline],
    known_s: tuple[float, float],
    rows: Flags,
    happened: Flags,
    span_days: float,
) -> dict[str, dict[str, float]]:
    """Figures of the rates that the knowledge map would hold, as if they stayed for the span."""
    if failure is None:
        return {}
    rates, prior, shape = failure_rates(failure, connectors, lines, *known_s)
    mapped, own = (
        metrics.probability(within(rate, span_days)[rows], happened) for rate in (rates, prior)
    )
    return {
        "served": metrics.rounded({**mapped, "frailty_shape": shape}),
        "before_map": metrics.rounded(own),
    }


def _model(
    connectors: Connectors,
    lines: list[Timeline],
    known_s: tuple[float, float],
    columns: Floats,
    span_days: float,
) -> Floats:
    """P(any onset within the span) of these rows, learned from spans inside the history."""
    from_s, to_s = known_s
    parts: list[tuple[Floats, Flags, float]] = []
    cut_s = from_s + FIRST_CUT_DAYS * DAY_S
    while cut_s + DAY_S <= to_s + 1.0:
        before = wear(connectors, lines, from_s, cut_s)
        now = np.array([line.state(np.array([cut_s]))[0] for line in lines])
        rows = (before.out_share <= MOSTLY_OUT) & (now != OUT_OF_SERVICE)
        for days in SPANS_DAYS:
            end_s = cut_s + days * DAY_S
            if end_s <= to_s + 1.0:
                happened = np.array([bool(line.onsets(cut_s, end_s)) for line in lines])
                parts.append((before.columns[rows], happened[rows], days))
        cut_s += CUT_EVERY_DAYS * DAY_S
    offset = np.concatenate([np.full(len(h), GROWTH * np.log(d)) for _, h, d in parts])
    weight = np.full(len(offset), ROWS / len(offset))
    model = fit_probability(
        np.concatenate([c for c, _, _ in parts]),
        np.concatenate([h for _, h, _ in parts]),
        offset,
        weight,
        L2,
    )
    level = np.average(
        [h.mean() * (span_days / d) ** GROWTH for _, h, d in parts], weights=[d for *_, d in parts]
    )
    return levelled(model(columns), float(np.clip(level, 0.005, 0.9)))


def _baselines(connectors: Connectors, now: Wear, span_days: float) -> dict[str, Floats]:
    """Probabilities by name: the fleet's rate, each one's own, and the patent's map of the own."""
    own = -np.expm1(-now.raw_onsets / now.days * span_days)
    everybody = -np.expm1(-now.raw_onsets.sum() / (now.days * len(own)) * span_days)
    kinds = np.column_stack([connectors.type, connectors.address, connectors.family])
    edges = graph(kinds.astype(np.float32), measure=Measure.ATTRIBUTES, threshold=ALIKE)
    settings = MapSettings(share=SHARE, order=1)
    anchored = KnowledgeMap.on(edges, own, np.full(len(own), now.days), settings)
    return {
        "global": np.full(len(own), everybody),
        "own_raw": own,
        "patent_eq1": np.clip(equation_1(own, edges), 0.0, 1.0),
        "anchored_07": anchored.rates,
    }
