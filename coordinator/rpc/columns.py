"""Columns of several batches as one: indexes that count through, values with their gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.report import Batch


def through(
    index: NDArray[Any] | None, batches: Sequence[Batch], sizes: Sequence[int]
) -> NDArray[np.intp]:
    """Indexes that count through the entries of all batches; -1 where one points nowhere."""
    if index is None:
        return np.zeros(0, np.intp)
    wide = index.astype(np.intp)
    if len(batches) == 1:
        return np.where(wide < sizes[0], wide, -1)
    counts = [batch.row_count for batch in batches]
    offsets = np.repeat(np.cumsum([0, *sizes[:-1]]), counts)
    inside = wide < np.repeat(sizes, counts)
    return np.where(inside, wide + offsets, -1)


def through_details(plus_one: NDArray[Any], batches: Sequence[Batch]) -> NDArray[np.int64]:
    """Like `through`, for indexes plus one, where 0 means none."""
    index = np.where(plus_one > 0, plus_one.astype(np.int64) - 1, 0)
    # A batch without details has no entry 0 to stand for "none".
    found = through(index, batches, [len(batch.details) for batch in batches])
    return np.where(plus_one == 0, 0, np.where(found < 0, -1, found + 1))


def present(
    name: str, values: NDArray[Any], batches: Sequence[Batch], *, finite: bool = False
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values with NaN where absent, and where a value that was sent is not finite, if anywhere.

    `finite` says that all values are known to be finite.
    """
    gaps = any(name in batch.presence for batch in batches)
    if finite and not gaps:
        return values, None
    sound = np.isfinite(values)
    if not gaps:
        return values, None if sound.all() else ~sound
    there = np.concatenate([_bits(name, batch) for batch in batches])
    bad = there & ~sound
    return np.where(there, values, np.nan), bad if bad.any() else None


def _bits(name: str, batch: Batch) -> NDArray[np.bool_]:
    bitmap = batch.presence.get(name)
    if bitmap is None:
        return np.ones(batch.row_count, dtype=bool)
    bits = np.frombuffer(bitmap, np.uint8)
    return np.unpackbits(bits, count=batch.row_count, bitorder="little").view(bool)
