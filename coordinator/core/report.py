"""A batch of readings as an agent sends it, and which of its rows can be believed.

Columns in, a code per row out; who may speak for an EVSE is decided before (`lookup`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import Rows
from coordinator.core.pile import EvseStatus, RecordKind

MAX_ROWS = 500
IDENTIFIER = re.compile(r"[A-Za-z0-9._:*-]{1,64}")

# Entries of a lookup that are no row of the district.
UNKNOWN_EVSE = -1
FOREIGN_EVSE = -2

# Bit 1 of a row's flags: a value failed a plausibility check at the agent.
IMPLAUSIBLE = 2

# Measured columns with the least and the greatest believable value, in the unit of the name.
MEASURED: tuple[tuple[str, float, float], ...] = (
    ("power_kw", -2_000.0, 5_000.0),
    ("energy_kwh", 0.0, 1e9),
    ("current_a", -10_000.0, 10_000.0),
    ("voltage_v", -2_000.0, 2_000.0),
    ("soc_pct", 0.0, 100.0),
    ("temperature_c", -100.0, 250.0),
)
_BOUNDS = {name: (least, greatest) for name, least, greatest in MEASURED}
_QUEUE_LIMIT = 1_001
_OBSERVED_LIMIT_MS = 7_258_118_400_000  # the year 2200

FOREIGN = "AUTH-001"
UNKNOWN = "DATA-003"
OUT_OF_RANGE = "DATA-004"
BAD_INDEX = "DATA-005"
BAD_KIND = "DATA-006"


@dataclass(frozen=True, slots=True)
class Detail:
    """What a few rows say beyond the columns."""

    fault_code: str = ""
    session_id: str = ""
    id_token_hash: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LostRun:
    """Record numbers that an agent lost for good, and why; instants are 0 where unknown."""

    first: int
    last: int
    reason: str
    from_at_ms: int = 0
    to_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as columns of equal length; row i has record number `first_seq + i`.

    `measured` holds NaN where a value is absent; `malformed` marks rows where a value that was
    sent is not finite. `cut(first, last)` gives the wire bytes of the rows with these numbers.
    """

    spool_id: str
    first_seq: int
    count: int
    evse_ids: tuple[str, ...]
    evse_index: NDArray[np.intp]
    kind: NDArray[np.int32]
    observed_at_ms: NDArray[np.int64]
    status: NDArray[np.int32]
    source: NDArray[np.int32] | None
    bay: NDArray[np.int32] | None
    queue_plus_one: NDArray[np.int64] | None
    flags: NDArray[np.int64] | None
    detail_plus_one: NDArray[np.int64] | None
    details: tuple[Detail, ...]
    measured: Mapping[str, NDArray[Any]]
    malformed: Mapping[str, NDArray[np.bool_]]
    gaps: tuple[LostRun, ...]
    payload: bytes
    cut: Callable[[int, int], bytes]
    # Field, expected and seen length of a ragged column: such a batch is refused whole.
    ragged: tuple[str, int, int] | None = None

    @property
    def last_seq(self) -> int:
        """Record number of the last row; one below the first if there are no rows."""
        return self.first_seq + self.count - 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was refused."""

    record_seq: int
    code: str
    field: str
    message: str


@dataclass(slots=True)
class _Judgement:
    """Faults found so far: the first one of each row stands."""

    first_seq: int
    bad: NDArray[np.bool_]
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, rows: NDArray[np.bool_], code: str, name: str, message: str) -> None:
        fresh = rows & ~self.bad
        if fresh.any():
            self.refusals += [
                Refusal(self.first_seq + int(row), code, name, message)
                for row in np.flatnonzero(fresh)
            ]
            self.bad |= fresh


def judge(
    batch: Batch, lookup: Callable[[str], int]
) -> tuple[NDArray[np.intp], NDArray[np.bool_], list[Refusal]]:
    """District row of each row's EVSE, which rows can be believed, and why the others not.

    `lookup` gives a district row, `UNKNOWN_EVSE` or `FOREIGN_EVSE`.
    """
    judgement = _Judgement(batch.first_seq, np.zeros(batch.count, dtype=bool))
    table = np.array([*map(lookup, batch.evse_ids), UNKNOWN_EVSE], dtype=np.intp)
    outside = batch.evse_index >= len(batch.evse_ids)
    if outside.any():
        judgement.refuse(outside, BAD_INDEX, "evse_index", "is no entry of evse_ids")
    evse = table[np.where(outside, -1, batch.evse_index)]
    if evse.size and evse.min() < 0:
        message = "the pile belongs to another agent"
        judgement.refuse(evse == FOREIGN_EVSE, FOREIGN, "evse_ids", message)
        judgement.refuse(evse == UNKNOWN_EVSE, UNKNOWN, "evse_ids", "no such EVSE is known")
    _judge_words(batch, judgement)
    for name, values in batch.measured.items():
        _judge_values(name, values, batch.malformed.get(name), judgement)
    return evse, ~judgement.bad, sorted(judgement.refusals, key=lambda r: r.record_seq)


def _judge_words(batch: Batch, judgement: _Judgement) -> None:
    """Refuses rows whose kind, time, queue or detail make no sense."""
    if batch.count == 0:
        return
    if batch.kind.min() < RecordKind.STATUS or batch.kind.max() > RecordKind.EVENT:
        bad = (batch.kind < RecordKind.STATUS) | (batch.kind > RecordKind.EVENT)
        judgement.refuse(bad, BAD_KIND, "kind", "is not a kind of record")
    at = batch.observed_at_ms
    if at.min() <= 0 or at.max() > _OBSERVED_LIMIT_MS:
        bad = (at <= 0) | (at > _OBSERVED_LIMIT_MS)
        judgement.refuse(bad, OUT_OF_RANGE, "observed_at_ms", "is not an instant of our time")
    queue = batch.queue_plus_one
    if queue is not None and queue.max() > _QUEUE_LIMIT:
        message = f"is above {_QUEUE_LIMIT}"
        judgement.refuse(queue > _QUEUE_LIMIT, OUT_OF_RANGE, "queue_length_plus_one", message)
    detail = batch.detail_plus_one
    if detail is not None and detail.max() > len(batch.details):
        bad = detail > len(batch.details)
        judgement.refuse(bad, BAD_INDEX, "detail_index_plus_one", "is no entry of details")


def _judge_values(
    name: str,
    values: NDArray[Any],
    malformed: NDArray[np.bool_] | None,
    judgement: _Judgement,
) -> None:
    if malformed is not None:
        judgement.refuse(malformed, OUT_OF_RANGE, name, "is not a finite number")
    least, greatest = _BOUNDS[name]
    # fmin and fmax skip NaN, which stands for absent.
    if values.size and (np.fmin.reduce(values) < least or np.fmax.reduce(values) > greatest):
        outside = (values < least) | (values > greatest)
        judgement.refuse(outside, OUT_OF_RANGE, name, f"is not within {least:g} to {greatest:g}")


def believed_rows(
    batch: Batch, evse: NDArray[np.intp], keep: NDArray[np.bool_], now_s: float
) -> Rows:
    """The rows marked in `keep` as the district takes them.

    A clock that runs ahead must not freeze the picture, so no row is newer than now. An unknown
    status word reads as UNKNOWN; values that failed the agent's plausibility check are left out.
    """
    observed = np.minimum(batch.observed_at_ms[keep] / 1000.0, now_s)
    status = batch.status[keep]
    known = (status > EvseStatus.UNSPECIFIED) & (status <= EvseStatus.UNKNOWN)
    measured = {name: batch.measured[name][keep] for name in _PICTURED if name in batch.measured}
    if batch.flags is not None:
        implausible = (batch.flags[keep] & IMPLAUSIBLE) != 0
        if implausible.any():
            measured = {k: np.where(implausible, np.nan, v) for k, v in measured.items()}
    queue = batch.queue_plus_one
    bay = batch.bay
    return Rows(
        evse=evse[keep],
        kind=batch.kind[keep].astype(np.int8),
        observed_at_s=observed,
        status=np.where(known, status, EvseStatus.UNKNOWN).astype(np.int8),
        source=_small(batch.source, keep, np.int8, 6),
        bay=None if bay is None else _small(bay, keep, np.int8, 2),
        queue_length=None if queue is None else (queue[keep] - 1).astype(np.int16),
        faults=_faults(batch, keep),
        **measured,
    )


_PICTURED = ("power_kw", "energy_kwh", "soc_pct")


def _small(
    column: NDArray[np.int32] | None, keep: NDArray[np.bool_], dtype: type, greatest: int
) -> NDArray[Any]:
    """The column in a small type; words above the greatest known read as 0."""
    if column is None:
        return np.zeros(int(keep.sum()), dtype=dtype)
    kept = column[keep]
    return np.where((kept >= 0) & (kept <= greatest), kept, 0).astype(dtype)


def _faults(batch: Batch, keep: NDArray[np.bool_]) -> dict[int, str]:
    """Kept row to its fault code, for rows where a fault begins or ends."""
    kind = batch.kind[keep]
    rows = np.flatnonzero((kind == RecordKind.FAULT) | (kind == RecordKind.FAULT_CLEARED))
    if rows.size == 0:
        return {}
    detail = batch.detail_plus_one
    index = np.zeros(kind.size, np.int64) if detail is None else detail[keep]
    return {
        int(row): batch.details[index[row] - 1].fault_code if index[row] else "UNKNOWN"
        for row in rows
    }


def together(parts: Sequence[Rows]) -> Rows:
    """Rows of several batches as one, in order; columns that some lack are filled as absent."""
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
    faults = {
        int(start) + row: code
        for start, part in zip(starts, parts, strict=False)
        for row, code in part.faults.items()
    }
    return Rows(**columns, faults=faults)
