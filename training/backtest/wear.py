"""What a history says of each connector, its post and its kind, as columns to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.backtest.outages import Timeline
from training.sources import OCCUPIED, OUT_OF_SERVICE, PART, Connectors

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

DAY_S = 86_400.0
FORGOTTEN_DAYS = 1.5  # half-life of an onset in the column `lately`


@dataclass(frozen=True, slots=True)
class Wear:
    """Columns (m, d) of m connectors, the share of time out of service, onsets not debounced."""

    columns: Floats
    out_share: Floats
    raw_onsets: Floats
    days: float


def wear(connectors: Connectors, lines: list[Timeline], from_s: float, to_s: float) -> Wear:
    """The columns as they were known at `to_s`."""
    days = (to_s - from_s) / DAY_S
    onsets = [line.onsets(from_s, to_s) for line in lines]
    raw = np.array([len(line.onsets(from_s, to_s, 0.0)) for line in lines], dtype=np.float64)
    out = _spent_days(lines, from_s, to_s, OUT_OF_SERVICE)
    count = np.array([len(one) for one in onsets], dtype=np.float64)
    exposed = np.maximum(days - out, 0.05)
    rate = max(count.sum(), 1.0) / exposed.sum()
    ages = [(to_s - np.array(one)) / DAY_S for one in onsets]
    lately = np.array([float((0.5 ** (age / FORGOTTEN_DAYS)).sum()) for age in ages])
    last_days = np.array([age.min() if len(age) else 99.0 for age in ages])
    with_onset = np.array([len(np.unique(np.floor(age))) for age in ages], dtype=np.float64)
    longest = [max((end - start for start, end in line.outages(from_s, to_s)), default=0.0)
               for line in lines]  # fmt: skip
    occupied = _spent_days(lines, from_s, to_s, OCCUPIED)
    used = occupied + _spent_days(lines, from_s, to_s, PART)
    visits = np.array([line.episodes(from_s, to_s, OCCUPIED) for line in lines]) / days
    ever = np.where(count > 0, 1.0, 0.0)
    prior = 0.3 / rate
    columns = {
        "rate": np.log((count + 0.3) / (exposed + prior)),
        "days": np.log((with_onset + 0.3) / (exposed + prior)),
        "ever": ever,
        "last": np.log(np.minimum(last_days, 20.0) + 0.1),
        "lately": np.log(lately + 0.05),
        "raw": np.log((raw + 0.3) / (exposed + 1.0)),
        "flapping": np.log((raw + 1.0) / (count + 1.0)),
        "out": np.sqrt(out / days),
        "longest": np.sqrt(np.array(longest) / DAY_S),
        "occupied": np.sqrt(occupied / days),
        "visits": np.log1p(visits),
        "unused": (used <= 0.0) * 1.0,
        "type_rate": np.log(_others(connectors.type, count, exposed, 1.0 / rate)),
        "type_ever": np.log(_others(connectors.type, ever, np.ones(len(ever)), 2.0)),
        "family_ever": np.log(_others(connectors.family, ever, np.ones(len(ever)), 8.0)),
        "post_rate": np.log(_others(connectors.post, count, exposed, 3.0)),
        "address_last": np.log(np.minimum(_last_there(connectors.address, last_days), 20.0) + 0.1),
    }
    for number in range(1, len(connectors.types)):
        columns[f"type_{number}"] = (connectors.type == number) * 1.0
    return Wear(np.column_stack(list(columns.values())), out / days, raw, days)


def _spent_days(lines: list[Timeline], from_s: float, to_s: float, state: int) -> Floats:
    return np.array([line.spent_s(from_s, to_s, state) for line in lines]) / DAY_S


def _others(group: Index, count: Floats, weight: Floats, doubt: float) -> Floats:
    """Counts by weight of the others in each one's group, drawn to those of all by `doubt`."""
    level = max(float(count.sum()), 1.0) / float(weight.sum())
    counts = np.bincount(group, count)[group] - count
    weights = np.bincount(group, weight)[group] - weight
    return np.asarray((counts + doubt * level) / (weights + doubt))


def _last_there(group: Index, last_days: Floats) -> Floats:
    """Days since the last onset at another connector of each one's group, 99 if there was none."""
    latest = np.full(len(group), 99.0)
    for number in range(len(group)):
        others = (group == group[number]) & (np.arange(len(group)) != number)
        if others.any():
            latest[number] = last_days[others].min()
    return latest
