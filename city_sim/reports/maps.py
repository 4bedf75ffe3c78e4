"""Places on a plane and what goes between them: stations, cars, who was sent where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, radians

from city_sim.reports.colours import HEAT, INK, MARKERS, SERIES
from city_sim.reports.drawing import finished, sheet
from city_sim.reports.report import Figure
from city_sim.reports.table import Column, Table

_MOST_ROWS = 60  # of the table under the figure
_KM_PER_DEGREE = 111.19


@dataclass(frozen=True, slots=True)
class Place:
    """Something at a position in km; `size` is its area beside others, `load` (0-1) its shade."""

    east_km: float
    north_km: float
    kind: str = ""
    size: float = 1.0
    load: float | None = None
    label: str = ""

    @classmethod
    def at(
        cls, latitude_deg: float, longitude_deg: float, around: tuple[float, float],
        kind: str = "", size: float = 1.0, load: float | None = None, label: str = "",
    ) -> Place:  # fmt: skip
        """A place by WGS84 degrees, on the plane around a latitude and longitude.

        >>> Place.at(22.55, 114.05, (22.54, 114.05)).north_km
        1.1119
        """
        east = (longitude_deg - around[1]) * _KM_PER_DEGREE * cos(radians(around[0]))
        north = (latitude_deg - around[0]) * _KM_PER_DEGREE
        return cls(round(east, 4), round(north, 4), kind, size, load, label)


@dataclass(frozen=True, slots=True)
class Link:
    """A way from one place to another, both by their numbers; `weight` is its width."""

    begin: int
    end: int
    weight: float = 1.0


def scatter(
    title: str,
    description: str,
    places: Sequence[Place],
    links: Sequence[Link] = (),
    *,
    height_in: float = 5.0,
) -> Figure:
    """Places by kind (shape and colour), with links under them, in true proportions."""
    kinds: Mapping[str, list[Place]] = {
        kind: [p for p in places if p.kind == kind]
        for kind in dict.fromkeys(p.kind for p in places)
    }
    widest = max((abs(link.weight) for link in links), default=1.0) or 1.0
    largest = max((abs(p.size) for p in places), default=1.0) or 1.0
    with sheet(height_in=height_in) as (canvas, axes):
        for link in links:
            one, other = places[link.begin], places[link.end]
            axes.plot([one.east_km, other.east_km], [one.north_km, other.north_km], color=INK,
                      alpha=0.35, linewidth=0.3 + 1.7 * abs(link.weight) / widest,
                      zorder=1)  # fmt: skip
        for n, (kind, of) in enumerate(kinds.items()):
            axes.scatter(
                [p.east_km for p in of], [p.north_km for p in of],
                s=[10.0 + 60.0 * abs(p.size) / largest for p in of],
                c=[SERIES[n % len(SERIES)] if p.load is None else _shade(p.load) for p in of],
                marker=MARKERS[n % len(MARKERS)], label=kind, edgecolors=INK, linewidths=0.5,
                zorder=2,
            )  # fmt: skip
        for place in places:
            if place.label:
                axes.annotate(place.label, (place.east_km, place.north_km), (4, 4),
                              textcoords="offset points", fontsize=7)  # fmt: skip
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_xlabel("east (km)")
        axes.set_ylabel("north (km)")
        if any(kinds):
            canvas.legend(loc="outside upper left", ncols=min(len(kinds), 4))
        return finished(canvas, title, description, _numbers(places))


def _shade(load: float) -> str:
    return HEAT[min(max(int(load * len(HEAT)), 0), len(HEAT) - 1)]


def _numbers(places: Sequence[Place]) -> Table | None:
    """The places that have names, where they are few enough to be read."""
    named = [p for p in places if p.label]
    if not named or len(named) > _MOST_ROWS:
        return None
    rows = [
        {"label": p.label, "kind": p.kind, "east": p.east_km, "north": p.north_km, "size": p.size,
         "load": p.load}
        for p in named
    ]  # fmt: skip
    columns = {
        "label": Column("place"), "kind": Column("kind"), "east": Column("east", "km"),
        "north": Column("north", "km"), "size": Column("size"), "load": Column("load"),
    }  # fmt: skip
    if all(p.load is None for p in named):
        del columns["load"]
    return Table(rows, columns=columns)
