"""Since when nothing is known of promised EVSEs; what follows from it is in `watchman.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.usecases.promises import Promise

IN_ORDER = frozenset({EvseStatus.AVAILABLE, EvseStatus.CHARGING})


def note_silence(
    district: District, promises: Sequence[Promise], link_s: float, stale_after_s: float
) -> None:
    """Notes since when nothing is known of the EVSEs of these promises, if it is so."""
    row_of, held, rows = district.row.get, [], []
    for promise in promises:
        answer = promise.answer
        if not answer.hold.claim_id:
            continue
        row = row_of(answer.judged[0].place.evse_id)
        if row is not None:
            held.append(promise)
            rows.append(row)
    at = np.array(rows, dtype=np.intp)
    heard_s = district.heard_at_s[at]
    stale = (heard_s > float("-inf")) & (link_s - heard_s > stale_after_s)
    ordered = np.isin(district.status[at], list(IN_ORDER))
    for promise, gone, well in zip(held, stale.tolist(), ordered.tolist(), strict=True):
        if gone:
            promise.silent_link_s = min(promise.silent_link_s, link_s)
        elif well:
            promise.silent_link_s = float("inf")
