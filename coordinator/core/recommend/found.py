"""Tables of stations and candidate EVSEs of several requests, padded to a rectangle.

How candidates are chosen is in `candidates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Near:
    """Stations around each request (r, k), nearest first; distances are along the road, km.

    Source: US 12,393,974 B2, step 320.
    """

    stations: Index
    straight_km: Floats
    station_km: Floats
    free_share: Floats  # free EVSEs now / EVSEs
    crowd_s: Floats  # what the car costs those who come to the station after it
    provenance: NDArray[np.uint8]

    def of(self, number: int) -> Near:
        """The stations around one request, in one dimension."""
        return Near(
            self.stations[number],
            self.straight_km[number],
            self.station_km[number],
            self.free_share[number],
            self.crowd_s[number],
            self.provenance[number],
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """EVSEs (r, n) and the stations they stand at; `place` leads from the first to the second.

    Source: US 12,393,974 B2, step 320.
    """

    evse: Index
    place: Index
    status: NDArray[np.int8]  # stale ones UNKNOWN
    valid: Mask
    near: Near
    fitting_in_reach: Index  # (r,) EVSEs that fit and are usable, before the choice was narrowed
    around_count: Index  # (r,) the same within `rules.around_km`

    def __len__(self) -> int:
        return len(self.evse)

    @property
    def stations(self) -> Index:
        """Rows of the stations in the district, nearest first."""
        return self.near.stations

    def of_station(self, column: NDArray[T]) -> NDArray[T]:
        """A column of `near` (r, k), spread over the candidates (r, n)."""
        at = self.place
        if column.ndim > 1:
            at = at + (np.arange(len(column)) * column.shape[1])[:, None]
        spread: NDArray[T] = column.take(at)
        return spread

    def take(self, flat: Index) -> Candidates:
        """The same entries in another order; `flat` (r, n) indexes the raveled table."""
        return replace(
            self,
            evse=self.evse.take(flat),
            place=self.place.take(flat),
            status=self.status.take(flat),
            valid=self.valid.take(flat),
        )

    def of(self, number: int, count: int) -> Candidates:
        """The first `count` candidates of one request, in one dimension."""
        cut = number, slice(0, count)
        return Candidates(
            self.evse[cut],
            self.place[cut],
            self.status[cut],
            self.valid[cut],
            self.near.of(number),
            self.fitting_in_reach,
            self.around_count,
        )


def only(found: Candidates, keep: Mask) -> Candidates:
    """The same with only the candidates that are kept. Source: US 12,393,974 B2, step 320."""
    return replace(found, valid=keep)


def merge(found: Candidates, rows: Index, more: Candidates) -> Candidates:
    """The candidates with those of some requests replaced by what was found further out.

    Source: US 12,393,974 B2, step 320.
    """
    wide = max(found.evse.shape[1], more.evse.shape[1])
    far = max(found.near.stations.shape[1], more.near.stations.shape[1])
    near = Near(
        *(
            _put(getattr(found.near, field.name), rows, getattr(more.near, field.name), far)
            for field in fields(Near)
        )
    )
    fitting, around = found.fitting_in_reach.copy(), found.around_count.copy()
    fitting[rows], around[rows] = more.fitting_in_reach, more.around_count
    return Candidates(
        _put(found.evse, rows, more.evse, wide),
        _put(found.place, rows, more.place, wide),
        _put(found.status, rows, more.status, wide),
        _put(found.valid, rows, more.valid, wide),
        near,
        fitting,
        around,
    )


def _put(column: NDArray[Any], rows: Index, other: NDArray[Any], width: int) -> NDArray[Any]:
    """The column, widened, with some rows taken from another; distances are padded with inf."""
    padding = np.inf if column.dtype.kind == "f" else 0
    wide = np.full((len(column), width), padding, dtype=column.dtype)
    wide[:, : column.shape[1]] = column
    wide[rows] = padding
    wide[rows, : other.shape[1]] = other
    return wide
