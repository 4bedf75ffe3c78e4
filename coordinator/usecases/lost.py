"""Statuses that cost a car its place, and from which a pile comes back; what is told of a loss.

What is done about it is in `reroute.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import EvseStatus
from coordinator.core.rows import Changes

LOST = {
    EvseStatus.OUTOFORDER: "PILE_FAILED",
    EvseStatus.BLOCKED: "PILE_BLOCKED",
    EvseStatus.INOPERATIVE: "PILE_OUT_OF_USE",
    EvseStatus.PLANNED: "PILE_OUT_OF_USE",
    EvseStatus.REMOVED: "PILE_OUT_OF_USE",
    EvseStatus.RESERVED: "PILE_TAKEN",
}

# Codes with which a car is told that its place is lost; the first three are none of a status.
LOSSES = frozenset({"PILE_TAKEN", "PILE_SILENT", "RESERVATION_REFUSED", *LOST.values()})

_USELESS = np.zeros(len(EvseStatus), dtype=bool)
_USELESS[[status for status in LOST if status is not EvseStatus.RESERVED]] = True
_USELESS[EvseStatus.UNKNOWN] = True


def back(changes: Changes) -> NDArray[np.bool_]:
    """Which of these EVSEs can be had that could not: repaired, heard of again, or new."""
    again: NDArray[np.bool_] = changes.after == EvseStatus.AVAILABLE
    return again & _USELESS[changes.before]
