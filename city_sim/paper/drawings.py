"""One scene as the paper's figures 4 to 12 and 14 to 17 show theirs, drawn anew.

What many scenes come to is drawn in `comparing.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from city_sim.paper.columns import columns
from city_sim.paper.instance import Instance
from city_sim.paper.methods import integrated, preferences
from city_sim.reports import Figure, Line, Link, Place, heat, lines, scatter

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

MOST_CELLS = 6_000  # of a table of shades
MAP_IN = 6.0
# The paper's figure with the whole table, what it shows, and its axis; the next has the chosen.
FACTORS = {
    "distance": (5, "distance", "km"),
    "preference": (7, "preference", "charges per km"),
    "traffic": (9, "traffic load", "load L"),
    "integrated": (11, "integrated factor", "factor I"),
}


def scene_map(scene: Instance) -> Figure:
    """Cars and piles on the map. Source: paper 3, Fig. 4."""
    return scatter(
        "Paper Fig. 4: where cars and piles are",
        f"{scene.cars} cars and {scene.size.stations} stations, anywhere on 3 × 6 km.",
        _places(scene, None),
        height_in=MAP_IN,
    )


def ways(scene: Instance, chosen: Index, title: str, description: str) -> Figure:
    """A line from each car to where it is sent; a station is as large as its crowd."""
    links = [Link(car, scene.cars + station) for car, station in enumerate(chosen.tolist())]
    return scatter(title, description, _places(scene, chosen), links, height_in=MAP_IN)


def counted(scene: Instance, chosen: Index, title: str, words: str) -> Figure:
    """Cars at each station by a way to choose. Source: paper 3, Fig. 14-17."""
    counts = np.bincount(chosen, minlength=scene.size.stations)
    slots = scene.size.slots_per_station
    over = int(np.maximum(counts - slots, 0).sum())
    description = (
        f"{words} The fullest station has {counts.max()} cars, the emptiest {counts.min()}; "
        f"{over} of {scene.cars} cars find none of the {slots} slots."
    )
    return columns(title, description, counts.tolist(), slots)


def factors(scene: Instance) -> dict[str, tuple[Figure, Figure]]:
    """By method, its factor for all cars and stations, and the value that each car chooses by.

    Source: paper 3, Fig. 5-12.
    """
    tables = {
        "distance": (scene.distance_km, np.min),
        "preference": (preferences(scene), np.max),
        "traffic": (scene.load, np.min),
        "integrated": (integrated(scene), np.max),
    }
    made = {}
    for name, (values, best) in tables.items():
        figure, of, axis = FACTORS[name]
        which = "least" if best is np.min else "greatest"
        made[name] = (
            _shades(scene, values, f"Paper Fig. {figure}: {of} of each car and pile", axis),
            _chosen(best(values, axis=1), f"Paper Fig. {figure + 1}: {which} {of}", axis),
        )
    return made


def _shades(scene: Instance, values: Floats, title: str, axis: str) -> Figure:
    shown = min(scene.cars, MOST_CELLS // scene.size.stations)
    few = values[:shown].T
    most = float(np.quantile(few, 0.95))
    which = "All cars" if shown == scene.cars else f"The first {shown} cars"
    return heat(
        title,
        f"{which}; the darkest twentieth of the values has one shade.",
        few.tolist(),
        [f"station {n + 1}" for n in range(scene.size.stations)],
        [str(n + 1) for n in range(shown)],
        axis,
        most=most if most > 0 else None,
    )


def _chosen(values: Floats, title: str, axis: str) -> Figure:
    """The value that decided, car by car."""
    low, middle, high = np.quantile(values, (0.0, 0.5, 1.0))
    return lines(
        title,
        f"From {low:.2f} to {high:.2f}; half of the cars have at most {middle:.2f}.",
        {axis: Line([float(n + 1) for n in range(len(values))], values.tolist())},
        "car",
        axis,
    )


def _places(scene: Instance, chosen: Index | None) -> list[Place]:
    """Cars first, then stations, numbered from 1."""
    crowd = np.full(scene.size.stations, 1.0)
    if chosen is not None:
        crowd = np.bincount(chosen, minlength=scene.size.stations).astype(np.float64)
    smallest = 0.02 * float(crowd.max())
    cars = [Place(east, north, "car", smallest) for east, north in scene.cars_km.tolist()]
    stations = [
        Place(east, north, "station", max(size, smallest), label=str(n + 1))
        for n, ((east, north), size) in enumerate(
            zip(scene.stations_km.tolist(), crowd.tolist(), strict=True)
        )
    ]
    return cars + stations
