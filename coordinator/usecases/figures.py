"""The numbers of the best few candidates as Python values, taken out for a whole batch at once.

Sentences are in `wording.py`; what is not among the best few is taken out singly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas import area
from coordinator.core.district import District
from coordinator.core.recommend.columns import Batch, Columns, Ranked
from coordinator.usecases.answer import Figures

BEST = 8  # candidates of a request that are told, stored and compared with
CONFIDENCE_S = 120.0  # a lead of so much cost makes the first e times as sure as the second

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate: its place in the columns, its EVSE and station, its numbers."""

    candidate: int
    row: int
    place: int  # of its station among those around, 0 the nearest
    figures: Figures
    terms_s: list[float]  # of the one cost, in the order of `cost.TERMS`
    sureness: float  # that it is the best of the best few, 0-1


@dataclass(slots=True, eq=False)
class _Table:
    """Numbers of candidates (r, t), and what is stored of them; few become Python values."""

    candidate: list[list[int]]
    row: list[list[int]]
    place: NDArray[np.intp]
    provenance: NDArray[np.uint8]
    figures: Floats  # (r, t, fields of `Figures` that are no whole numbers)
    whole: Index  # (r, t, the others)
    terms_s: Floats
    reference_s: Floats
    sureness: Floats
    features: NDArray[np.float32]
    terms: NDArray[np.float32]

    def line(self, number: int, at: int) -> Line:
        *first, destination_km = self.figures[number, at].tolist()
        return Line(
            self.candidate[number][at],
            self.row[number][at],
            int(self.place[number, at]),
            # The columns are as many as the fields.
            Figures(*first, *self.whole[number, at].tolist(), destination_km),  # type: ignore[call-arg]
            self.terms_s[number, at].tolist(),
            float(self.sureness[number, at]),
        )


@dataclass(slots=True, eq=False)
class Told:
    """The best few of every request of a batch, and the area around each first one."""

    table: _Table
    areas: list[tuple[str, ...]]


def prepare(district: District, ranked: Sequence[Ranked]) -> None:
    """Takes the numbers of a batch out, while the district is as it was judged."""
    batch = next((answer.batch for answer in ranked if answer.batch is not None), None)
    if batch is not None:
        areas = area.members_of_each(district, ranked)
        flat = np.hstack([batch.first(BEST), _at_nearest(batch)])
        batch.told = Told(_take(district, batch, flat), areas)


class Lines:
    """Numbers of the candidates of one request."""

    def __init__(self, district: District, ranked: Ranked) -> None:
        batch = ranked.batch
        assert batch is not None
        told = batch.told
        if not isinstance(told, Told):
            prepare(district, [ranked])
            told = batch.told
        assert isinstance(told, Told)
        self._district = district
        self._batch = batch
        self._number = ranked.number
        self._table = told.table
        self._areas = told.areas
        self._count = min(BEST, batch.counts[ranked.number])
        self.reference_s: list[float] = told.table.reference_s[ranked.number].tolist()
        candidates = told.table.candidate[ranked.number]
        self._known = {candidate: at for at, candidate in enumerate(candidates[: self._count])}
        self._lines: dict[int, Line] = {}
        if told.table.sureness[ranked.number, -1] >= 0.0:
            self._known.setdefault(candidates[-1], len(candidates) - 1)

    def of(self, candidate: int) -> Line:
        """The numbers of this candidate."""
        line = self._lines.get(candidate)
        if line is None:
            line = self._lines[candidate] = self._line(candidate)
        return line

    def _line(self, candidate: int) -> Line:
        at = self._known.get(candidate)
        if at is not None:
            return self._table.line(self._number, at)
        width = self._batch.by_cost.shape[1]
        flat = np.array([[self._number * width + candidate]], dtype=np.intp)
        line = _take(self._district, self._batch, flat).line(0, 0)
        return Line(candidate, line.row, line.place, line.figures, line.terms_s, 0.0)

    def area(self, ranked: Ranked, choice: int) -> tuple[str, ...]:
        """Stations of the area around a candidate, its own first."""
        if choice == int(self._batch.by_cost[self._number, 0]):
            return self._areas[self._number]
        return area.members(self._district, ranked, choice)

    def stored(self) -> tuple[list[int], list[int], bytes, bytes]:
        """EVSE rows and provenance of the best few, features and cost terms as float32 bytes."""
        number, table = self._number, self._table
        cut = number, slice(0, self._count)
        rows = table.row[number][: self._count]
        provenance: list[int] = table.provenance[cut].tolist()
        return rows, provenance, table.features[cut].tobytes(), table.terms[cut].tobytes()


def _at_nearest(batch: Batch) -> Index:
    """The best candidate at each request's nearest station, for saying why it was not chosen."""
    columns = batch.columns
    near = columns.candidates.valid & (columns.candidates.place == 0)
    best = np.where(near, columns.cost.total, np.inf).argmin(axis=1)
    flat: Index = (best + np.arange(len(best)) * near.shape[1])[:, None]
    return flat


def _take(district: District, batch: Batch, flat: Index) -> _Table:
    """The numbers at these indexes (r, t) of the raveled columns; the last is beside the order."""
    columns = batch.columns
    terms = np.stack([term.take(flat) for term in columns.cost.terms()], axis=-1)
    total = columns.cost.total.take(flat)
    known = np.isfinite(total)  # padding costs infinity
    told = known.copy()
    told[:, -1] = False
    count = np.maximum(told.sum(axis=1, keepdims=True), 1)
    reference = np.where(told[..., None], terms, 0.0).sum(axis=1) / count
    first = np.where(known[:, :1], total[:, :1], 0.0)  # a row may be all padding
    sure = np.where(told, np.exp((first - total) / CONFIDENCE_S), 0.0)
    sure /= np.maximum(sure.sum(axis=1, keepdims=True), 1e-300)
    width = batch.by_cost.shape[1]
    shape = *flat.shape, columns.features.shape[-1]
    features = columns.features.reshape(-1, shape[-1]).take(flat.ravel(), axis=0)
    evse = columns.candidates.evse.take(flat)
    return _Table(
        (flat % width).tolist(),
        evse.tolist(),
        columns.candidates.place.take(flat),
        columns.candidates.of_station(columns.candidates.near.provenance).take(flat),
        _figures(district, columns, flat, evse),
        _whole(district, columns, flat, evse),
        terms,
        reference,
        np.where(known, sure, -1.0),
        features.reshape(shape),
        terms.astype(np.float32),
    )


def _figures(district: District, columns: Columns, flat: Index, evse: Index) -> Floats:
    """The fields of `Figures` in their order without the whole numbers, (r, t, fields)."""
    drive, wait = columns.drive, columns.wait
    taken = (
        drive.drive_s, drive.drive_p90_s, wait.p50_s, wait.p90_s, wait.expected_s,
        columns.charge_s, columns.energy_kwh, drive.distance_km, drive.detour_km, drive.detour_s,
        columns.price, columns.power_kw, drive.arrival_soc_pct,
    )  # fmt: skip
    scores = (
        columns.first, columns.second, columns.merged, columns.failure_weight, columns.share,
        columns.cost.total, drive.destination_km,
    )  # fmt: skip
    return np.stack(
        [
            *(column.take(flat) for column in taken),
            district.failure_rate[evse],
            columns.p_working.take(flat),
            columns.p_free.take(flat),
            district.observed_at_s[evse],
            district.last_success_at_s[evse],
            *(column.take(flat) for column in scores),
        ],
        axis=-1,
        dtype=np.float64,
    )


def _whole(district: District, columns: Columns, flat: Index, evse: Index) -> Index:
    """Status, its source, and cars ahead: the whole numbers of `Figures`, (r, t, 3)."""
    status, ahead = columns.candidates.status.take(flat), columns.wait.ahead.take(flat)
    return np.stack([status, district.source[evse], ahead], axis=-1)
