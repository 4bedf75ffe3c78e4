"""What is known of places: weather, traffic, height, people and roads, by H3 cell.

Each value has its source and its age, and stands for so long; what nobody has told of is unknown.
What follows for a drive is in `recommend/way.py`. Source: paper 2.2.2, 2.3.2.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Names with the least and the greatest believable value, in the unit of the name.
NAMES: dict[str, tuple[float, float]] = {
    "temperature_c": (-60.0, 60.0),
    "traffic_grade": (1.0, 5.0),
    "height_m": (-500.0, 9_000.0),
    "people_flow_per_h": (0.0, 1_000_000.0),
    "road_facility_score": (0.0, 100.0),
}
# Names that decide something; where they are unknown a default stands in, and the answer says so.
USED = ("temperature_c", "traffic_grade", "height_m")
# The same around the pile, for who says where the journey goes.
AROUND_PILE = ("people_flow_per_h", "road_facility_score")
COARSEST, FINEST = 4, 10  # resolutions of cells: about 1,770 km² and 0.015 km²
OWN = 8  # resolution of what is seen here, about 0.74 km²
TTL_S = 3_600.0
MOST_TTL_S = 10 * 366 * 86_400.0  # heights do not change
CELLS_KEPT = 20_000  # of which it is remembered what holds there
REFRESH_S = 10.0  # columns of stations are renewed at most so often, domain time
# Sources of what is seen here: they never take the place of a value that somebody told.
GUIDE, AGENT = "guide", "agent"
SEEN = frozenset({GUIDE, AGENT})


@dataclass(frozen=True, slots=True)
class ContextValue:
    """One value of one cell. Source: rules.md 1; paper 2.2.2, 2.3.2.3."""

    cell: int
    name: str
    value: float
    source: str
    observed_at_s: float
    ttl_s: float = TTL_S

    def stands(self, now_s: float) -> bool:
        """Whether it is young enough.

        >>> value = ContextValue(0, "height_m", 12.0, "survey", 100.0, 60.0)
        >>> value.stands(159.9), value.stands(160.0)
        (True, False)
        """
        return now_s < self.observed_at_s + self.ttl_s


@dataclass(frozen=True, slots=True)
class Around:
    """The values that decide something where a car is; None means unknown."""

    temperature_c: float | None = None
    traffic_grade: float | None = None
    height_m: float | None = None
    known: tuple[ContextValue, ...] = ()
    unknown: tuple[str, ...] = USED


@dataclass(frozen=True, slots=True)
class StationContext:
    """The same where each station stands (rows of the district), NaN means unknown.

    `told` holds, by row, the values of `AROUND_PILE` behind the last two columns. Source: US
    12,393,974 B2, step 610 (environmental information).
    """

    traffic_grade: Floats
    height_m: Floats
    people_flow_per_h: Floats
    road_facility_score: Floats
    told: Mapping[int, tuple[ContextValue, ...]] = field(default_factory=dict)
    any_grade: bool = field(init=False, default=False)
    any_height: bool = field(init=False, default=False)
    any_travel: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        def known(column: Floats) -> bool:
            return bool(np.isfinite(column).any())

        object.__setattr__(self, "any_grade", known(self.traffic_grade))
        object.__setattr__(self, "any_height", known(self.height_m))
        travel = known(self.people_flow_per_h) or known(self.road_facility_score)
        object.__setattr__(self, "any_travel", travel)


NOWHERE = Around()


def cell_of(text: str) -> int:
    """The cell of a hexadecimal index; raises ValueError, saying why, if it is none of ours.

    >>> cell_of("88411caa01fffff") == h3.latlng_to_cell(22.54, 114.05, 8)
    True
    """
    try:
        cell = int(h3.str_to_int(text)) if text else 0
    except (ValueError, OverflowError):
        cell = 0
    if not h3.is_valid_cell(cell):
        raise ValueError(f"{text!r} is no H3 cell")
    if not COARSEST <= h3.get_resolution(cell) <= FINEST:
        raise ValueError(f"{text!r} is not of a resolution from {COARSEST} to {FINEST}")
    return cell


def cell_at(latitude_deg: float, longitude_deg: float, resolution: int = OWN) -> int:
    """The cell in which a place lies."""
    return int(h3.latlng_to_cell(latitude_deg, longitude_deg, resolution))


def cell_text(cell: int) -> str:
    """The hexadecimal index of a cell."""
    return str(h3.int_to_str(cell))


def fault_of(value: ContextValue, now_s: float) -> tuple[str, str] | None:
    """The field that cannot be believed and why; None if all can.

    >>> fault_of(ContextValue(0, "temperature_c", 61.0, "", 0.0), 0.0)
    ('value', 'must be within -60 to 60')
    """
    bounds = NAMES.get(value.name)
    if bounds is None:
        return "name", f"must be one of {', '.join(NAMES)}"
    if not bounds[0] <= value.value <= bounds[1]:  # NaN is not either
        return "value", f"must be within {bounds[0]:g} to {bounds[1]:g}"
    if not 0.0 < value.ttl_s <= MOST_TTL_S:
        return "ttl_s", f"must be above 0 and at most {MOST_TTL_S:g}"
    if not value.observed_at_s <= now_s + 60.0:
        return "observed_at", "is in the future"
    if not value.stands(now_s):
        return "observed_at", "is older than ttl_s"
    return None


class Surroundings:
    """The values that stand, by name and cell; the finest cell around a place is asked first."""

    def __init__(self, values: Iterable[ContextValue] = ()) -> None:
        self._told = 0  # rises with values that somebody told, not with those seen on the way
        self._cells: dict[str, dict[int, ContextValue]] = {}
        self._resolutions: dict[str, list[int]] = {}
        self._finest = 0  # resolution of the finest cell that decides something; 0: none does
        self._around: dict[int, tuple[Around, float]] = {}
        self._places: tuple[object, dict[int, list[int]]] = (None, {})
        self._stations: tuple[object, int, float, StationContext | None] = (None, -1, 0.0, None)
        self.put(values, -math.inf)

    def __len__(self) -> int:
        return sum(len(cells) for cells in self._cells.values())

    def put(self, values: Iterable[ContextValue], now_s: float) -> list[ContextValue]:
        """Takes values in and gives those taken: newer ones; what was seen never hides the told."""
        taken = []
        for value in values:
            cells = self._cells.setdefault(value.name, {})
            known = cells.get(value.cell)
            if known is not None and known.stands(now_s):
                told = value.source in SEEN and known.source not in SEEN
                if told or known.observed_at_s > value.observed_at_s:
                    continue
            cells[value.cell] = value
            taken.append(value)
        if taken:
            self._told += any(value.source not in SEEN for value in taken)
            self._sort_cells()
        return taken

    def prune(self, now_s: float) -> int:
        """Forgets what stands no more; gives how many."""
        gone = 0
        for cells in self._cells.values():
            for cell in [cell for cell, value in cells.items() if not value.stands(now_s)]:
                del cells[cell]
                gone += 1
        if gone:
            self._sort_cells()
        return gone

    def of(
        self, name: str, latitude_deg: float, longitude_deg: float, now_s: float
    ) -> ContextValue | None:
        """The value at a place, of the finest cell that has one that stands."""
        cells = self._cells.get(name)
        if not cells:
            return None
        for resolution in self._resolutions[name]:
            value = cells.get(h3.latlng_to_cell(latitude_deg, longitude_deg, resolution))
            if value is not None and value.stands(now_s):
                return value
        return None

    def named(self, name: str, now_s: float) -> list[ContextValue]:
        """All values of this name that stand."""
        return [value for value in self._cells.get(name, {}).values() if value.stands(now_s)]

    def around(self, latitude_deg: float, longitude_deg: float, now_s: float) -> Around:
        """What decides something where a car is; remembered by its cell until values change."""
        if not self._finest:
            return NOWHERE
        cell = h3.latlng_to_cell(latitude_deg, longitude_deg, self._finest)
        seen, until_s = self._around.get(cell, (NOWHERE, -math.inf))
        if now_s < until_s:
            return seen
        found = [self.of(name, latitude_deg, longitude_deg, now_s) for name in USED]
        temperature_c, grade, height_m = [None if v is None else v.value for v in found]
        known = tuple(value for value in found if value is not None)
        unknown = tuple(name for name, v in zip(USED, found, strict=True) if v is None)
        seen = Around(temperature_c, grade, height_m, known, unknown) if known else NOWHERE
        until_s = min((v.observed_at_s + v.ttl_s for v in known), default=math.inf)
        if len(self._around) >= CELLS_KEPT:
            self._around.clear()
        self._around[cell] = seen, until_s
        return seen

    def at_stations(
        self, latitude_deg: Floats, longitude_deg: Floats, now_s: float
    ) -> StationContext | None:
        """Columns of the stations at these places; None while nothing is known of any.

        Made anew when the stations have moved, when somebody told of something, and now and then
        for what was seen on the way and for what has grown old.
        """
        if not self._cells:
            return None
        layout, told, made_at_s, made = self._stations
        fresh = abs(now_s - made_at_s) < REFRESH_S
        if layout is latitude_deg and told == self._told and fresh:
            return made
        columns = {
            name: self._values(name, latitude_deg, longitude_deg, now_s)
            for name in ("traffic_grade", "height_m", *AROUND_PILE)
        }
        behind: dict[int, tuple[ContextValue, ...]] = {}
        for name in AROUND_PILE:
            for row, value in columns[name].items():
                behind[row] = (*behind.get(row, ()), value)
        grade, height, people, facilities = (
            _column(values, len(latitude_deg)) for values in columns.values()
        )
        context = StationContext(grade, height, people, facilities, behind)
        made = context if context.any_grade or context.any_height or context.any_travel else None
        self._stations = latitude_deg, self._told, now_s, made
        return made

    def _values(
        self, name: str, latitude_deg: Floats, longitude_deg: Floats, now_s: float
    ) -> dict[int, ContextValue]:
        """What stands at each station, by its row."""
        found: dict[int, ContextValue] = {}
        cells = self._cells.get(name)
        if not cells:
            return found
        for resolution in reversed(self._resolutions[name]):
            for row, cell in enumerate(self._cells_of(resolution, latitude_deg, longitude_deg)):
                value = cells.get(cell)
                if value is not None and value.stands(now_s):
                    found[row] = value
        return found

    def _cells_of(self, resolution: int, latitude_deg: Floats, longitude_deg: Floats) -> list[int]:
        """The cells of the stations, kept until the stations move."""
        if self._places[0] is not latitude_deg:
            self._places = (latitude_deg, {})
        kept = self._places[1]
        if resolution not in kept:
            places = zip(latitude_deg.tolist(), longitude_deg.tolist(), strict=True)
            kept[resolution] = [cell_at(*place, resolution) for place in places]
        return kept[resolution]

    def _sort_cells(self) -> None:
        self._cells = {name: cells for name, cells in self._cells.items() if cells}
        self._resolutions = {
            name: sorted({h3.get_resolution(cell) for cell in cells}, reverse=True)
            for name, cells in self._cells.items()
        }
        self._finest = max((self._resolutions.get(name, [0])[0] for name in USED), default=0)
        self._around.clear()


def _column(values: Mapping[int, ContextValue], size: int) -> Floats:
    column = np.full(size, np.nan)
    for row, value in values.items():
        column[row] = value.value
    return column
