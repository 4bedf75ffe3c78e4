"""Backtest: will this connector be usable and free when the car arrives, so many minutes from now?

For each horizon a logistic model on top of the table of transitions between states: the age of the
state, the hour, the kind, and how the connector itself spent its time, which is followed through
the test span. The product keeps "works" and "free" apart; this asks for both at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import ArrivalModel
from training.backtest import metrics
from training.backtest.arrival_served import Product
from training.backtest.arrival_served import figures as figures_of
from training.backtest.choice import NothingToTest
from training.backtest.fitting import fit_probability, log_odds, logistic
from training.backtest.outages import Timeline, timelines
from training.sources import (
    AVAILABLE,
    OCCUPIED,
    OUT_OF_CONTACT,
    PART,
    STATES,
    Connectors,
    Intervals,
    joined,
)

STEP_S = 900.0
LEARN_EVERY = 4  # steps between rows that are learned from
WARM_UP_S = 43_200.0  # of the history, before the first row that is learned from
DOUBT_S = 86_400.0  # of the fleet's shares, mixed into each connector's own
L2 = 10.0
LEAST = 0.01
FREE = (AVAILABLE, PART)  # a post of which a part is taken has a plug that is free

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Connectors at instants: `state` (m, t) -1 unknown, `age_s`, `shares` (m, t, states)."""

    at_s: Floats
    state: Index
    age_s: Floats
    shares: Floats


def arrival(
    connectors: Connectors,
    history: Intervals,
    test: Intervals,
    test_from_s: float,
    horizons_min: Sequence[float],
    seed: int = 7,
    served: ArrivalModel | None = None,
) -> dict[str, Any]:
    """Figures of the model and the baselines for every horizon. Raises `NothingToTest`.

    `served` is the product's own model; without it its rules say what it would have said.
    """
    whole = history if test is history else joined(history, test)
    lines = timelines(whole)
    to_s = min(history.to_s, test_from_s)
    learned = _grid(lines, history.from_s, to_s)
    tested = _grid(lines, history.from_s, test.to_s, test_from_s)
    enough_s = 2.0 * WARM_UP_S + 60.0 * max(horizons_min, default=0.0)
    if to_s - history.from_s < enough_s or not len(tested.at_s):
        raise NothingToTest(
            f"{(to_s - history.from_s) / 3600.0:.1f} hours of history"
            f" ({enough_s / 3600.0:.1f} are needed), {len(tested.at_s)} instants of test"
        )
    product = Product(served, connectors, lines, whole)
    return {
        "horizons": [
            _horizon(connectors, lines, learned, tested, minutes, to_s, test.to_s, product, seed)
            for minutes in horizons_min
        ],
        "data": history.report,
    }


def _horizon(
    connectors: Connectors,
    lines: list[Timeline],
    learned: _Grid,
    tested: _Grid,
    minutes: float,
    learned_to_s: float,
    tested_to_s: float,
    product: Product,
    seed: int,
) -> dict[str, Any]:
    """One horizon, on all connectors and instants whose later state is known."""
    ahead_s = minutes * 60.0
    warm = learned.at_s[0] + WARM_UP_S
    past = _rows(lines, learned, ahead_s, learned_to_s, warm, LEARN_EVERY)
    table = _table(learned, past)
    columns = _columns(connectors, learned, past)
    offset = log_odds(table[learned.state[past.at]], LEAST)
    model = fit_probability(columns, past.free, offset, np.ones(len(offset)), L2)
    rows = _rows(lines, tested, ahead_s, tested_to_s, tested.at_s[0], 1)
    if not len(rows.free):
        raise NothingToTest(f"no state is known {minutes:.0f} minutes after any instant of test")
    state = tested.state[rows.at]
    by_table = np.clip(table[state], LEAST, 1.0 - LEAST)
    odds = model(_columns(connectors, tested, rows)) + log_odds(by_table, LEAST)
    said = np.clip(logistic(odds), 1e-4, 1.0 - 1e-4)
    as_now = np.where(np.isin(state, FREE), 1.0 - LEAST, LEAST)
    figures = metrics.probability(said, rows.free)
    return {
        "minutes": minutes,
        "rows": len(rows.free),
        **metrics.rounded(figures),
        "baselines": {
            "as_now": round(metrics.log_loss(as_now, rows.free, LEAST), 4),
            "transition": round(metrics.log_loss(by_table, rows.free, LEAST), 4),
        },
        "ci": _interval(said, rows, seed),
        **figures_of(
            product,
            product.said(tested, rows.at, ahead_s),
            {"log_loss": said, "as_now": as_now, "transition": by_table},
            state != OUT_OF_CONTACT,
            rows.free,
        ),
    }


@dataclass(frozen=True, slots=True)
class _Rows:
    """Places in a grid (connector, instant), and whether each was usable and free later."""

    at: tuple[Index, Index]
    free: Flags


def _grid(
    lines: list[Timeline], from_s: float, to_s: float, tested_from_s: float | None = None
) -> _Grid:
    """What was known every 15 minutes from `tested_from_s`, with shares of time since `from_s`."""
    begin_s = from_s if tested_from_s is None else tested_from_s
    at_s = np.arange(begin_s, to_s, STEP_S)
    state = np.stack([line.state(at_s) for line in lines])
    age_s = np.stack([line.age_s(at_s) for line in lines])
    spent = np.zeros((len(lines), len(at_s), len(STATES)))
    for number, line in enumerate(lines):
        spent[number] = _spent(line, from_s, at_s)
    fleet = spent.sum(axis=(0, 1)) + 1.0
    fleet = fleet / fleet.sum()
    shares = (spent + DOUBT_S * fleet) / (spent.sum(axis=2, keepdims=True) + DOUBT_S)
    return _Grid(at_s, state, age_s, shares)


def _spent(line: Timeline, from_s: float, at_s: Floats) -> Floats:
    """Seconds in each state from `from_s` to each instant, (t, states)."""
    spent = np.zeros((len(at_s), len(STATES)))
    for state in range(len(STATES)):
        mine = line.states == state
        starts, ends = line.starts[mine], line.ends[mine]
        length = np.concatenate([[0.0], np.cumsum(ends - starts)])
        done = np.searchsorted(starts, at_s, side="right")
        running = np.maximum(done - 1, 0)
        over = np.where(done > 0, np.maximum(ends[running] - at_s, 0.0), 0.0) if len(ends) else 0.0
        spent[:, state] = length[done] - over
    return spent


def _rows(
    lines: list[Timeline], grid: _Grid, ahead_s: float, to_s: float, from_s: float, every: int
) -> _Rows:
    """Places whose state now and after `ahead_s` is known."""
    later_s = grid.at_s + ahead_s
    later = np.stack([line.state(later_s) for line in lines])
    known = (grid.state >= 0) & (later >= 0) & (later_s < to_s) & (grid.at_s >= from_s)
    chosen = np.zeros(len(grid.at_s), dtype=bool)
    chosen[::every] = True
    at = np.nonzero(known & chosen)
    return _Rows((at[0], at[1]), np.isin(later[at], FREE))


def _table(grid: _Grid, rows: _Rows) -> Floats:
    """P(usable and free later) by the state now."""
    state = grid.state[rows.at]
    free = np.bincount(state, rows.free, len(STATES))
    return np.asarray((free + 1.0) / (np.bincount(state, minlength=len(STATES)) + 2.0))


def _columns(connectors: Connectors, grid: _Grid, rows: _Rows) -> Floats:
    """Columns of the model (rows, d); all of them are zero in states that they do not speak of."""
    number, instant = rows.at
    state = grid.state[rows.at]
    age = np.log(grid.age_s[rows.at] / 60.0 + 1.0)
    own = log_odds(grid.shares[number, instant], 1e-3)
    hour = grid.at_s[instant] % 86_400.0 / 86_400.0 * 2.0 * np.pi
    day = np.floor(grid.at_s[instant] / 86_400.0) + 3.0
    weekend = (day % 7.0) >= 5.0
    neighbour = _neighbours(connectors, grid)[rows.at]
    columns = []
    for now in range(len(STATES)):
        here = (state == now) * 1.0
        columns += [here, here * age, here * age**2]
        columns += [here * own[:, other] for other in range(len(STATES))]
        columns += [here * np.sin(hour), here * np.cos(hour)]
        columns += [here * np.sin(2.0 * hour), here * np.cos(2.0 * hour), here * weekend]
        if now in (AVAILABLE, PART, OCCUPIED):
            columns += [here * neighbour]
            for kind in range(1, len(connectors.types)):
                of_kind = here * (connectors.type[number] == kind)
                columns += [of_kind, of_kind * age]
    return np.column_stack(columns)


def _neighbours(connectors: Connectors, grid: _Grid) -> Floats:
    """How many other connectors at the address are occupied, (m, t)."""
    occupied = (grid.state == OCCUPIED) * 1.0
    there = np.zeros((int(connectors.address.max()) + 1, grid.state.shape[1]))
    np.add.at(there, connectors.address, occupied)
    return np.asarray(np.minimum(there[connectors.address] - occupied, 3.0))


def _interval(said: Floats, rows: _Rows, seed: int) -> dict[str, list[float]]:
    """Intervals of the means, from each connector's sums; auc has none."""
    number = rows.at[0]
    squares = (said - rows.free) ** 2
    logs = -np.where(rows.free, np.log(said), np.log(1.0 - said))
    count = np.bincount(number).astype(np.float64)
    sums = {"brier": np.bincount(number, squares), "log_loss": np.bincount(number, logs)}
    held = np.flatnonzero(count)
    return metrics.interval(
        lambda drawn: {
            name: float(total[held[drawn]].sum() / count[held[drawn]].sum())
            for name, total in sums.items()
        },
        np.arange(len(held)),
        seed,
    )
