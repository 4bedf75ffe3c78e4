"""Report rows as columns, their order by EVSE and time, and what changed by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which rows of which spools these are: small numbers of spools, record numbers.

    `live` marks rows beyond everything that was settled of their spool before.
    """

    spool: NDArray[np.int64]
    record_seq: NDArray[np.int64]
    live: NDArray[np.bool_]

    def of(self, picked: Any) -> Numbers:
        """Those of some of the rows."""
        return Numbers(self.spool[picked], self.record_seq[picked], self.live[picked])


@dataclass(frozen=True, slots=True)
class Rows:
    """Report rows as columns, in record order; `evse` indexes the district's EVSEs.

    NaN means absent, and -1 in `bay` and `queue_length`. `faults` maps a row where a fault begins
    or ends (see `kind`) to the fault code, `tokens` a row of a session to the hash of its token.
    `around` holds the few values of the surroundings, by name, then by row. Without `numbers`
    only stamps tell what is newer.
    """

    evse: Index
    kind: NDArray[np.int8]
    observed_at_s: NDArray[np.float64]
    status: NDArray[np.int8]
    source: NDArray[np.int8]
    bay: NDArray[np.int8] | None = None
    queue_length: NDArray[np.int16] | None = None
    power_kw: NDArray[np.float32] | None = None
    energy_kwh: NDArray[np.float64] | None = None
    soc_pct: NDArray[np.float32] | None = None
    faults: Mapping[int, str] = field(default_factory=dict)
    tokens: Mapping[int, str] = field(default_factory=dict)
    around: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Rows sorted by EVSE, then time, then record order.

    `index` are the rows in that order; run k of it, from `start[k]` to `end[k]`, belongs to
    `evse[k]`, ascending.
    """

    index: Index
    evse: Index
    start: Index
    end: Index


@dataclass(frozen=True, slots=True)
class Changes:
    """EVSEs whose status changed, with the status before and after."""

    evse: Index
    before: NDArray[np.int8]
    after: NDArray[np.int8]


def order_rows(rows: Rows, ties: NDArray[np.int64] | None = None) -> Order:
    """The order of the rows; `ties` orders those of one EVSE and instant."""
    # Rows of one EVSE nearly always come in time order, and small integers sort in linear time.
    small = rows.evse.astype(np.uint16) if _fits(rows.evse) else rows.evse
    index = np.argsort(small, kind="stable")
    evse = rows.evse[index]
    first = np.ones(evse.size, dtype=bool)
    np.not_equal(evse[1:], evse[:-1], out=first[1:])
    at = rows.observed_at_s[index]
    if ties is not None:
        index = np.lexsort((ties, rows.observed_at_s, rows.evse))
    elif ((at[1:] < at[:-1]) & ~first[1:]).any():
        index = np.lexsort((rows.observed_at_s, rows.evse))
    start = np.flatnonzero(first)
    end = np.append(start[1:], evse.size)
    return Order(index, evse[start], start, end)


def _fits(evse: Index) -> bool:
    return evse.size == 0 or int(evse.max()) < 1 << 16


def together(parts: Sequence[Rows]) -> Rows:
    """Rows of several parts as one, in order; columns that some lack are filled as absent."""
    if len(parts) == 1:
        return parts[0]
    sizes = [part.evse.size for part in parts]
    starts = np.cumsum([0, *sizes])
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("evse", "kind", "observed_at_s", "status", "source")
    }
    absent: tuple[tuple[str, Any, float], ...] = (
        ("bay", np.int8, -1),
        ("queue_length", np.int16, -1),
        ("power_kw", np.float32, np.nan),
        ("energy_kwh", np.float64, np.nan),
        ("soc_pct", np.float32, np.nan),
    )
    for name, dtype, value in absent:
        given = [getattr(part, name) for part in parts]
        if any(column is not None for column in given):
            columns[name] = np.concatenate(
                [
                    np.full(size, value, dtype) if column is None else column
                    for column, size in zip(given, sizes, strict=True)
                ]
            )
    for name in ("faults", "tokens"):
        columns[name] = {
            int(start) + row: word
            for start, part in zip(starts, parts, strict=False)
            for row, word in getattr(part, name).items()
        }
    columns["around"] = {
        name: {
            int(start) + row: value
            for start, part in zip(starts, parts, strict=False)
            for row, value in part.around.get(name, {}).items()
        }
        for name in {name for part in parts for name in part.around}
    }
    numbers = [part.numbers for part in parts if part.numbers is not None]
    if len(numbers) == len(parts):
        columns["numbers"] = Numbers(
            np.concatenate([given.spool for given in numbers]),
            np.concatenate([given.record_seq for given in numbers]),
            np.concatenate([given.live for given in numbers]),
        )
    return Rows(**columns)
