"""The arrival model as a table, so that a candidate costs a look and not a run.

One table for each half-hour of the day, made when it is first needed: every kind of status, length
of time, share of free neighbours and drive of a grid. Between two drives it is interpolated; in the
failure rate the model is a straight line, so that two rates are enough. A model that is not, or
whose heads look at what is the other's, is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from coordinator.core.ports import Approach, ModelUnavailable
from coordinator.core.recommend.arrival import BROKEN, BUSY, FREE, KIND, UNKNOWN

Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]

KINDS = (FREE, BUSY, BROKEN, UNKNOWN)
# Columns of the model; exactly one of the first four is 1. The hour is that of the arrival.
COLUMNS = (
    "free", "busy", "broken", "unknown", "rapid", "lasted_min", "hour_sin", "hour_cos",
    "ahead_min", "free_share", "failure_rate",
)  # fmt: skip

HOUR, RATE = slice(6, 8), 10

LASTED_MIN = np.array(
    [0, 2, 5, 10, 20, 40, 80, 160, 300, 600, 1200, 2880, 10_080, 43_200], dtype=np.float64
)
AHEAD_MIN = np.array([0, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 360, 1440], dtype=np.float64)
SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
SLOTS = 48
SAME = 1e-4  # by how much chances may differ that must be the same

_DRIVES = len(AHEAD_MIN)
_SIZE = len(KINDS) * 2 * len(LASTED_MIN) * len(SHARES) * _DRIVES

# Where a value leads in the table. Lengths of time are looked up by half-minutes, which is cheaper
# than to search; one belongs to the nearest of the grid, by its logarithm.
_TICK_S = 30.0
_EDGES_MIN = np.sqrt((LASTED_MIN[:-1] + 1.0) * (LASTED_MIN[1:] + 1.0)) - 1.0
_LASTED_TICKS = np.arange(LASTED_MIN[-1] * 60.0 / _TICK_S + 1.0)
_AT_LASTED = np.searchsorted(_EDGES_MIN, _LASTED_TICKS * _TICK_S / 60.0) * len(SHARES) * _DRIVES
_AT_RAPID = len(LASTED_MIN) * len(SHARES) * _DRIVES
_AT_KIND = KIND * 2 * _AT_RAPID
_LAST_TICK = AHEAD_MIN[-1] * 60.0 / _TICK_S * (1.0 - 1e-9)
_LOW = np.searchsorted(AHEAD_MIN * 60.0 / _TICK_S, np.arange(_LAST_TICK), side="right") - 1
# From a drive in ticks to its part of the way between two places of the grid.
_PER_STEP = 60.0 / _TICK_S * np.diff(AHEAD_MIN)
_SLOPE = 1.0 / _PER_STEP
_SHIFT = AHEAD_MIN[:-1] * 60.0 / _TICK_S / _PER_STEP


def rows(
    kind: NDArray[np.integer],
    rapid: NDArray[np.bool_],
    lasted_min: Floats,
    hour: Floats,
    ahead_min: Floats,
    free_share: Floats,
    failure_rate: Floats,
) -> Float32:
    """Rows of `COLUMNS` (n, 11) for EVSEs; `hour` is that of the arrival, local."""
    out = np.zeros((len(kind), len(COLUMNS)), dtype=np.float32)
    out[np.arange(len(kind)), kind] = 1.0
    out[:, 4], out[:, 5] = rapid, np.minimum(lasted_min, LASTED_MIN[-1])
    out[:, HOUR] = _turn(hour)
    out[:, 8], out[:, 9], out[:, RATE] = ahead_min, free_share, failure_rate
    return out


def _turn(hour: Floats) -> Floats:
    """Sine and cosine of the hour of the day, (n, 2)."""
    turn = hour / 24.0 * 2.0 * np.pi
    return np.stack([np.sin(turn), np.cos(turn)], axis=1)


class ArrivalTable:
    """Chances on arrival by look-up; `model` fills it, half-hour by half-hour."""

    def __init__(self, model: Callable[[Float32], Float32]) -> None:
        self._model = model
        self._slots: dict[int, list[Float32]] = {}

    def look_up(self, seen: Approach) -> tuple[Floats, Floats]:
        """P(works) and P(free if it works), shape of the columns of `seen`."""
        lasted = np.fmin(seen.lasted_s * (1.0 / _TICK_S), _LASTED_TICKS[-1]).astype(np.intp)
        share = (np.fmin(seen.free_share, 1.0) * (len(SHARES) - 1) + 0.5).astype(np.intp)
        ahead = np.fmin((seen.drive_s + seen.unseen_s) * (1.0 / _TICK_S), _LAST_TICK)
        low = _LOW.take(ahead.astype(np.intp))
        part = ahead * _SLOPE.take(low) - _SHIFT.take(low)
        at = _AT_KIND.take(seen.status) + _AT_LASTED.take(lasted)
        at += seen.rapid * _AT_RAPID
        at += share * _DRIVES
        at += low
        table = self._table_of(seen.hour, at)
        works, breaks, free, more_works, more_breaks, more_free = (
            column.take(at) for column in table
        )
        works = works + part * more_works
        works += seen.failure_rate * (breaks + part * more_breaks)
        return works, free + part * more_free

    def prepare(self, hour: float) -> None:
        """Fills the table of this half-hour, if it is not."""
        self._slot(round(hour * 2.0) % SLOTS)

    def _table_of(self, hour: Floats, at: NDArray[np.intp]) -> list[Float32]:
        """The columns of the half-hour; where there are several, of all, and `at` leads into each
        request's own."""
        slots = np.rint(hour * 2.0).astype(np.intp) % SLOTS
        first = int(slots.flat[0])
        if len(slots) == 1 or (slots == first).all():
            return self._slot(first)
        each, number = np.unique(slots, return_inverse=True)
        at += number.reshape(slots.shape) * _SIZE
        tables = [self._slot(slot) for slot in each.tolist()]
        return [np.concatenate(columns) for columns in zip(*tables, strict=True)]

    def _slot(self, slot: int) -> list[Float32]:
        """The columns of a half-hour: P(works) at rate 0, what rate 1 adds to it, P(free), and by
        how much each of these grows until the next drive of the grid.

        Raises `ModelUnavailable` for a model that the table would not stand for.
        """
        kept = self._slots.get(slot)
        if kept is None:
            kept = self._slots[slot] = _filled(self._model, slot / 2.0)
        return kept


def _grid() -> tuple[Float32, Floats]:
    """Rows of the model at every place of the table, in its order, and the hours until arrival."""
    axes = (KINDS, (False, True), LASTED_MIN, SHARES, AHEAD_MIN)
    kind, rapid, lasted, share, ahead = (
        column.ravel() for column in np.meshgrid(*axes, indexing="ij")
    )
    nothing = np.zeros(len(kind))
    return rows(kind, rapid, lasted, nothing, ahead, share, nothing), ahead / 60.0


_GRID, _HOURS = _grid()
# Without the axis of shares, of which P(works) knows nothing: places with the first share.
_PLACES = np.arange(_SIZE).reshape(-1, len(SHARES), _DRIVES)
_FIRST_SHARE = _PLACES[:, 0].ravel()


def _filled(model: Callable[[Float32], Float32], hour: float) -> list[Float32]:
    """The columns of the table at this hour. Raises `ModelUnavailable`."""
    states = _GRID.copy()
    states[:, HOUR] = _turn(hour + _HOURS)
    never = model(states)
    few = states[_FIRST_SHARE]
    few[:, RATE] = 1.0
    always = model(few)
    few[:, RATE] = 0.5
    # Every so many places are enough to see what the model looks at.
    half, some = model(few[::37]), _FIRST_SHARE[::37]
    _agree(half[:, 0], (never[some, 0] + always[::37, 0]) / 2.0, "is not straight in the rate")
    _agree(always[:, 1], never[_FIRST_SHARE, 1], "lets the failure rate into P(free)")
    working = never[_PLACES, 0]
    _agree(working, working[:, :1], "lets its neighbours into P(works)")
    by_kind = working.reshape(len(KINDS), -1)
    _agree(by_kind[FREE], by_kind[BUSY], "lets who charges into P(works)")
    breaks = (always[:, 0] - never[_FIRST_SHARE, 0]).reshape(-1, 1, _DRIVES)
    columns = [never[:, 0], np.broadcast_to(breaks, working.shape).ravel(), never[:, 1]]
    steps = [np.append(np.diff(column), np.float32(0.0)) for column in columns]
    return [np.ascontiguousarray(column) for column in (*columns, *steps)]


def _agree(seen: Float32, expected: Float32, why: str) -> None:
    """Raises `ModelUnavailable` for a model that the table, or the two heads, cannot stand for."""
    if not np.allclose(seen, expected, rtol=0.0, atol=SAME):
        raise ModelUnavailable("arrival", f"it {why}")
