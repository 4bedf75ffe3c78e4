"""Rows that passed their judgement, as the district takes them.

Which rows pass is in `report.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import EvseStatus, RecordKind
from coordinator.core.report import Columns, Mask, Words
from coordinator.core.rows import Index, Numbers, Rows

# Bit 1 of a row's flags: a value failed a plausibility check at the agent.
IMPLAUSIBLE = 2
_AROUND = ("people_count", "ambient_temperature_c")
_PICTURED = ("power_kw", "energy_kwh", "soc_pct")


def believed_rows(
    columns: Columns, evse: Index, keep: Mask | None, now_s: float, numbers: Numbers
) -> Rows:
    """The rows marked in `keep` (None: all) as the district takes them.

    A clock that runs ahead must not freeze the picture, so no row is newer than now. An unknown
    status word reads as UNKNOWN; values that failed the agent's plausibility check are left out.
    """
    picked: Any = slice(None) if keep is None else keep
    status = columns.status[picked]
    if status.size and (
        status.min() <= EvseStatus.UNSPECIFIED or status.max() > EvseStatus.UNKNOWN
    ):
        known = (status > EvseStatus.UNSPECIFIED) & (status <= EvseStatus.UNKNOWN)
        status = np.where(known, status, EvseStatus.UNKNOWN)
    measured = {n: columns.measured[n][picked] for n in _PICTURED if n in columns.measured}
    if columns.flags is not None:
        implausible = (columns.flags[picked] & IMPLAUSIBLE) != 0
        if implausible.any():
            measured = {n: np.where(implausible, np.nan, v) for n, v in measured.items()}
    bay, queue = columns.bay, columns.queue_plus_one
    kind = columns.kind[picked]
    return Rows(
        evse=evse[picked],
        kind=kind.astype(np.int8),
        observed_at_s=np.minimum(columns.observed_at_ms[picked] / 1000.0, now_s),
        status=status.astype(np.int8),
        source=_word(columns.source, picked, 6, kind.size),
        bay=None if bay is None else _word(bay, picked, 3, kind.size),
        queue_length=None if queue is None else (queue[picked] - 1).astype(np.int16),
        faults=_faults(columns, kind, picked),
        tokens=_tokens(columns, kind, picked),
        around=_around(columns, picked),
        numbers=numbers if keep is None else numbers.of(picked),
        **measured,
    )


def _word(column: Words | None, picked: Any, greatest: int, size: int) -> NDArray[np.int8]:
    """The column in a small type; words above the greatest known read as 0."""
    if column is None:
        return np.zeros(size, dtype=np.int8)
    kept = column[picked]
    if kept.size and (kept.min() < 0 or kept.max() > greatest):
        kept = np.where((kept >= 0) & (kept <= greatest), kept, 0)
    small: NDArray[np.int8] = kept.astype(np.int8)
    return small


def _faults(columns: Columns, kind: Words, picked: Any) -> dict[int, str]:
    """Kept row to its fault code, for rows where a fault begins or ends."""
    rows = np.flatnonzero((kind == RecordKind.FAULT) | (kind == RecordKind.FAULT_CLEARED))
    if rows.size == 0:
        return {}
    detail = columns.detail_plus_one
    index = np.zeros(kind.size, np.int64) if detail is None else detail[picked]
    return {
        int(row): columns.details[index[row] - 1].fault_code if index[row] > 0 else ""
        for row in rows
    }


def _tokens(columns: Columns, kind: Words, picked: Any) -> dict[int, str]:
    """Kept row to the hash of the token shown, for rows where a session begins or ends."""
    detail = columns.detail_plus_one
    if detail is None:
        return {}
    index = detail[picked]
    said = (kind == RecordKind.SESSION_START) | (kind == RecordKind.SESSION_END)
    rows = np.flatnonzero(said & (index > 0)).tolist()
    shown = ((row, columns.details[index[row] - 1].id_token_hash) for row in rows)
    return {row: token for row, token in shown if token}


def _around(columns: Columns, picked: Any) -> dict[str, dict[int, float]]:
    """Values of the surroundings by kept row, for the few rows that have any."""
    found = {}
    for name in _AROUND:
        if name in columns.measured:
            values = columns.measured[name][picked]
            rows = np.flatnonzero(np.isfinite(values)).tolist()
            if rows:
                found[name] = {row: float(values[row]) for row in rows}
    return found
