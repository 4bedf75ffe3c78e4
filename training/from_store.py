"""What a coordinator's own requests teach: choices as they were shown, with their labels.

Pure but for the reading of the store. How a label is found is in `labels.py`, what is learned from
it in `candidate.py`, and who decides whether it may serve in `gate.py`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.features import COLUMN, FEATURES
from coordinator.usecases.inputs import Inputs, unpack
from training.datasets import MOST_CANDIDATES, Choices
from training.labels import Label, label_of
from training.sources.store import Store, Told
from training.splits import by_time, shares_of_rows

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

# Shares of the rows, in time: what is learned from, what stops the learning, and the rest to test.
LEARN, STOP = 0.6, 0.75
# With fewer, figures of the test part say nothing, whichever way they point.
LEAST_LEARN, LEAST_TEST, LEAST_DRIVERS = 200, 60, 10


class TooLittle(Exception):
    """There is not enough to learn from; says what there is and what is needed."""


@dataclass(frozen=True, slots=True)
class OwnChoices:
    """n labelled requests, ascending in time: what was shown, what was chosen, how sure that is.

    `driver` numbers who asked. `labels` counts where labels came from, `dropped` why others have
    none.
    """

    choices: Choices
    weight: Floats
    driver: Index
    labels: dict[str, int]
    dropped: dict[str, int]

    def __len__(self) -> int:
        return len(self.choices)

    def take(self, rows: NDArray[np.bool_]) -> OwnChoices:
        """Some of the rows, with the counts of all."""
        return OwnChoices(
            self.choices.take(rows),
            self.weight[rows],
            self.driver[rows],
            self.labels,
            self.dropped,
        )


@dataclass(frozen=True, slots=True)
class OwnSplit:
    """Learned from `learn`, stopped by `stop`, judged on `test`; later in that order."""

    learn: OwnChoices
    stop: OwnChoices
    test: OwnChoices


@dataclass(frozen=True, slots=True)
class _Row:
    told: Told
    label: Label
    inputs: Inputs
    stations: list[str]
    chosen: int  # row of the inputs


def own_choices(store: Store) -> OwnChoices:
    """The labelled requests of a store."""
    labels: Counter[str] = Counter()
    dropped: Counter[str] = Counter(store.requests.dropped)
    rows = []
    used, outcomes, station_of = store.used, store.outcomes, store.station_of
    for name, told in store.told.items():
        row = _row(told, used.get(name, ""), outcomes.get(name), station_of)
        if isinstance(row, str):
            dropped[row] += 1
        else:
            labels[row.label.how] += 1
            rows.append(row)
    rows.sort(key=lambda row: row.told.at_s)
    drivers = {name: n for n, name in enumerate(sorted({row.told.driver for row in rows}))}
    return OwnChoices(
        _choices(rows),
        np.array([row.label.weight for row in rows], dtype=np.float64),
        np.array([drivers[row.told.driver] for row in rows], dtype=np.intp),
        dict(labels),
        dict(dropped),
    )


def split_own(own: OwnChoices) -> OwnSplit:
    """Earlier ones to learn from, later ones to test on. Raises `TooLittle`."""
    if len(own):
        cuts_s = shares_of_rows(own.choices.at_s, (LEARN, STOP))
        learn, stop, test = (own.take(part) for part in by_time(own.choices.at_s, cuts_s))
    else:
        learn = stop = test = own
    drivers = len(np.unique(test.driver))
    if len(learn) < LEAST_LEARN or len(test) < LEAST_TEST or drivers < LEAST_DRIVERS or not stop:
        without = sum(own.dropped.values())
        raise TooLittle(
            f"{len(own)} requests have a label and {without} have none; split by time that is"
            f" {len(learn)} to learn from ({LEAST_LEARN} are needed) and {len(test)} to test on"
            f" ({LEAST_TEST} are needed) by {drivers} drivers ({LEAST_DRIVERS} are needed)"
        )
    return OwnSplit(learn, stop, test)


def _row(
    told: Told, used: str, outcome: tuple[int, str] | None, station_of: dict[str, str]
) -> _Row | str:
    """The request with its label and what was shown, or why it teaches nothing."""
    if not told.answer.judged:
        return "nothing was recommended"
    kind, evse_id = outcome or (0, "")
    label = label_of(told.answer.choice.evse_id, told.answer.hold.confirmed, used, kind, evse_id)
    if not label.weight:
        return label.how
    shown = [inputs for inputs in map(unpack, told.inputs) if inputs is not None]
    if not shown:
        return "columns of another version" if told.inputs else "no feature rows"
    # The newest list that the driver had a choice from; a re-route ranks a single EVSE.
    lists = [inputs for inputs in shown if len(inputs.evse_ids) > 1]
    if not lists:
        return "a single candidate"
    for inputs in reversed(lists):
        stations = [_station(evse_id, told, station_of) for evse_id in inputs.evse_ids]
        if label.evse_id in inputs.evse_ids:
            return _Row(told, label, inputs, stations, inputs.evse_ids.index(label.evse_id))
        # On arrival a car may take any EVSE of its station.
        station = _station(label.evse_id, told, station_of)
        if station in stations:
            return _Row(told, label, inputs, stations, stations.index(station))
    return "used one that was not shown"


def _choices(rows: list[_Row]) -> Choices:
    n, k = len(rows), MOST_CANDIDATES
    features = np.zeros((n, k, len(FEATURES)), dtype=np.float32)
    mask, cost_s, visits = (np.zeros((n, k), dtype=np.float32) for _ in range(3))
    station = np.full((n, k), -1, dtype=np.int64)
    chosen = np.zeros(n, dtype=np.int64)
    numbers: dict[str, int] = {}
    for i, row in enumerate(rows):
        inputs = row.inputs
        size = min(len(inputs.evse_ids), k)
        features[i, :size] = inputs.features[:size]
        mask[i, :size] = 1.0
        cost_s[i, :size] = inputs.terms_s[:size].sum(axis=-1)
        visits[i, :size] = inputs.features[:size, COLUMN["visit_share"]]
        chosen[i] = row.chosen
        names = row.stations[:size]
        station[i, :size] = [numbers.setdefault(name, len(numbers)) for name in names]
    at_s = np.array([row.told.at_s for row in rows], dtype=np.float64)
    return Choices(
        features=features,
        mask=mask,
        chosen=chosen,
        station=station,
        cost_s=cost_s,
        visits=visits,
        at_s=at_s,
        city=np.zeros(n, dtype=np.int64),
    )


def _station(evse_id: str, told: Told, station_of: dict[str, str]) -> str:
    """Its station; an EVSE of which none is known stands for itself."""
    return station_of.get(evse_id) or told.places.get(evse_id) or evse_id
