"""What can be taken at each station now: its rows of the district, which work, which are free.

Kept as it changes, so that nothing looks at a whole city for one car.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District

Mask = NDArray[np.bool_]


class Sites:
    """`rows` are slices of the district by station, `free` the working free rows, ascending.

    `usable` says which rows neither failed nor are blocked; arrays are not to be changed outside.
    """

    def __init__(self, district: District) -> None:
        starts, sizes = district.station_start.tolist(), district.station_size.tolist()
        self.rows = [slice(n, n + size) for n, size in zip(starts, sizes, strict=True)]
        self.free = [list(range(rows.start, rows.stop)) for rows in self.rows]
        self.of_row: list[int] = district.station.tolist()
        self.places: list[tuple[float, float]] = list(
            zip(district.station_lat_deg.tolist(), district.station_lon_deg.tolist(), strict=True)
        )
        self.usable: Mask = np.ones(len(district), dtype=bool)
        self._taken = [False] * len(district)
        self._masks = district.connector_mask
        self._fits: dict[int, Mask] = {}

    def fits(self, connector_mask: int) -> Mask:
        """Which rows have a plug of these; no mask fits all."""
        if connector_mask not in self._fits:
            every = np.ones(len(self._masks), dtype=bool)
            fits = (self._masks & connector_mask) != 0 if connector_mask else every
            self._fits[connector_mask] = fits
        return self._fits[connector_mask]

    def take(self, row: int) -> None:
        """Somebody plugs in."""
        self._taken[row] = True
        self._forget(row)

    def give(self, row: int) -> None:
        """Nobody is plugged in any more."""
        self._taken[row] = False
        self._note(row)

    def put(self, row: int, usable: bool) -> None:
        """It works from now on, or does not."""
        self.usable[row] = usable
        self._note(row) if usable else self._forget(row)

    def _note(self, row: int) -> None:
        free = self.free[self.of_row[row]]
        if self.usable[row] and not self._taken[row] and row not in free:
            insort(free, row)

    def _forget(self, row: int) -> None:
        free = self.free[self.of_row[row]]
        if row in free:
            free.remove(row)
