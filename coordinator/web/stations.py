"""Stations as the map shows them: how many EVSEs are in which condition, and one word for it.

The words, with a colour and a shape each: free, partly, full, blocked, broken; and unknown, which
is drawn like broken but empty, because silence is no fault of a pile.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.usecases.district_view import DistrictView
from coordinator.usecases.inventory import Inventory

Ints = NDArray[np.int64]


class Kind(IntEnum):
    """What an EVSE counts as; the columns of `counts`."""

    FREE = 0
    BUSY = 1
    BLOCKED = 2
    BROKEN = 3
    UNKNOWN = 4
    HELD = 5  # beside the others: free or not, a car is promised it


STATES = ("free", "partly", "full", "blocked", "broken", "unknown")
_KIND_OF = {
    EvseStatus.UNSPECIFIED: Kind.UNKNOWN,
    EvseStatus.AVAILABLE: Kind.FREE,
    EvseStatus.BLOCKED: Kind.BLOCKED,
    EvseStatus.CHARGING: Kind.BUSY,
    EvseStatus.INOPERATIVE: Kind.BROKEN,
    EvseStatus.OUTOFORDER: Kind.BROKEN,
    EvseStatus.PLANNED: Kind.BROKEN,
    EvseStatus.REMOVED: Kind.BROKEN,
    EvseStatus.RESERVED: Kind.BUSY,
    EvseStatus.UNKNOWN: Kind.UNKNOWN,
}
_TABLE = np.array([_KIND_OF[EvseStatus(number)] for number in range(len(EvseStatus))])


def counts(district: District, statuses: NDArray[np.int8]) -> Ints:
    """EVSEs by station and kind, (stations, kinds)."""
    size = len(district.stations)
    cell = district.station.astype(np.intp) * len(Kind) + _TABLE[statuses]
    table: Ints = np.bincount(cell, minlength=size * len(Kind)).reshape(size, len(Kind))
    held = district.station[district.claim_count > 0]
    table[:, Kind.HELD] = np.bincount(held, minlength=size)
    return table


class Board:
    """The stations as one page shows them, and which of them look otherwise since the last look."""

    def __init__(self, district: District, view: DistrictView, inventory: Inventory) -> None:
        self._district, self._view, self._inventory = district, view, inventory
        self._table: Ints = np.zeros((0, len(Kind)), dtype=np.int64)
        self._version = -1

    def all(self) -> list[dict[str, Any]]:
        """Every station as it is now."""
        table = counts(self._district, self._view.statuses()).tolist()
        return [shown(self._district, number, row) for number, row in enumerate(table)]

    def look(self) -> tuple[bool, list[dict[str, Any]]]:
        """Whether the list is another one, and else the stations that look otherwise."""
        version, table = self._inventory.version, counts(self._district, self._view.statuses())
        other = version != self._version or table.shape != self._table.shape
        changed = []
        if not other:
            rows = np.flatnonzero((table != self._table).any(axis=1)).tolist()
            changed = [shown(self._district, n, table[n].tolist()) for n in rows]
        self._table, self._version = table, version
        return other, changed


def state_of(row: Any) -> str:
    """One word for a station with these counts.

    >>> [state_of(row) for row in ((2, 0, 0, 0, 0, 1), (1, 1, 0, 0, 0, 0), (0, 1, 1, 0, 0, 0))]
    ['free', 'partly', 'full']
    >>> [state_of(row) for row in ((0, 0, 1, 1, 0, 0), (0, 0, 0, 1, 3, 0), (0, 0, 0, 0, 2, 0))]
    ['blocked', 'broken', 'unknown']
    """
    free, busy, blocked, broken, unknown = row[:5]
    if free:
        return "partly" if busy or blocked or broken or unknown else "free"
    if busy:
        return "full"
    if blocked:
        return "blocked"
    return "broken" if broken else "unknown"


def shown(district: District, number: int, row: list[int]) -> dict[str, Any]:
    """A station for the map."""
    station = district.stations[number]
    return {
        "id": station.station_id,
        "name": station.name or station.station_id,
        "lat": station.latitude_deg,
        "lon": station.longitude_deg,
        "state": state_of(row),
        **{kind.name.lower(): row[kind] for kind in Kind},
    }
