"""Which cars came by where: straight legs of their ways against places, and against cells.

Where there is no road network a cell stands for a stretch of road. What the counts are judged by is
in `indexes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from coordinator.core.geo import EARTH_RADIUS_KM

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

PASSING_KM = 0.2  # within which a car passes a pile
CELL_KM = 0.25
_AT_ONCE = 2_000_000  # distances held
_STEPS_AT_ONCE = 500_000  # steps along ways held


def plane_km(points_deg: Floats, origin_deg: tuple[float, float]) -> Floats:
    """Points (n, 2) of latitude and longitude as km east and north of an origin.

    Flat: good for a district, not for a country. Source: paper 3 (map of 3 x 6 km).

    >>> plane_km(np.array([[1.0, 1.0]]), (0.0, 0.0)).round(1).tolist()
    [[111.2, 111.2]]
    """
    km_per_deg = EARTH_RADIUS_KM * np.pi / 180.0
    across = np.cos(np.radians(origin_deg[0]))
    away = np.asarray(points_deg, dtype=np.float64) - np.array(origin_deg)
    return np.stack([away[:, 1] * km_per_deg * across, away[:, 0] * km_per_deg], axis=-1)


def cars_passing(
    starts_km: Floats,
    ends_km: Floats,
    cars: Index,
    places_km: Floats,
    radius_km: float = PASSING_KM,
) -> Index:
    """How many different cars came within the radius of each place, shape (places,).

    Legs (n, 2) are straight; `cars` says whose each is. A car that ends there came by too. Source:
    paper 2.4 (vehicles passing by each charging pile). Departs: 200 m is a choice of ours.

    >>> legs = np.array([[0.0, 0.1], [5.0, 0.0]]), np.array([[4.0, 0.1], [9.0, 0.0]])
    >>> cars_passing(*legs, np.array([0, 0]), np.array([[2.0, 0.0], [4.5, 0.5], [7.0, 0.3]]))
    array([1, 0, 0])
    """
    count = len(places_km)
    if not len(starts_km) or not count:
        return np.zeros(count, dtype=np.intp)
    found = []
    step = max(_AT_ONCE // count, 1)
    for first in range(0, len(starts_km), step):
        part = slice(first, first + step)
        leg, place = np.nonzero(
            _distances_km(starts_km[part], ends_km[part], places_km) <= radius_km
        )
        found.append(cars[part][leg] * count + place)
    pairs = np.unique(np.concatenate(found))
    return np.bincount(pairs % count, minlength=count).astype(np.intp)


def _distances_km(starts_km: Floats, ends_km: Floats, places_km: Floats) -> Floats:
    """From each leg to each place, (legs, places)."""
    along = (ends_km - starts_km)[:, None, :]
    away = places_km[None, :, :] - starts_km[:, None, :]
    length = np.maximum((along**2).sum(axis=-1), 1e-18)
    share = np.clip((away * along).sum(axis=-1) / length, 0.0, 1.0)
    distances: Floats = np.sqrt(((away - share[..., None] * along) ** 2).sum(axis=-1))
    return distances


def cell_loads(
    starts_km: Floats, ends_km: Floats, cars: Index, cell_km: float = CELL_KM
) -> dict[tuple[int, int], int]:
    """How many different cars drove through each cell of a grid; cells without any are left out.

    Source: paper 2.4, 2.3.2.3 (traffic load of the paths). Departs: cells stand for roads.

    >>> cell_loads(np.array([[0.1, 0.1]]), np.array([[0.6, 0.1]]), np.array([0]))
    {(0, 0): 1, (1, 0): 1, (2, 0): 1}
    """
    loads: dict[tuple[int, int], int] = {}
    if not len(starts_km):
        return loads
    length = np.sqrt(((ends_km - starts_km) ** 2).sum(axis=1))
    steps = np.ceil(length / (cell_km / 4.0)).astype(np.intp) + 1
    for legs in _together(cars, steps):
        leg = np.repeat(legs, steps[legs])
        place = np.arange(len(leg)) - np.repeat(np.cumsum(steps[legs]) - steps[legs], steps[legs])
        share = place / np.maximum(steps[leg] - 1, 1)
        at = starts_km[leg] + share[:, None] * (ends_km - starts_km)[leg]
        cells = np.floor(at / cell_km).astype(np.intp)
        for _, east, north in np.unique(np.column_stack([cars[leg], cells]), axis=0).tolist():
            loads[east, north] = loads.get((east, north), 0) + 1
    return loads


def _together(cars: Index, steps: Index) -> Iterator[Index]:
    """Legs of some cars at a time, all of a car's together: few enough steps for the memory."""
    order = np.argsort(cars, kind="stable")
    _, begin, car = np.unique(cars[order], return_index=True, return_inverse=True)
    group = (np.cumsum(steps[order]) // _STEPS_AT_ONCE)[begin][car]
    for number in np.unique(group):
        yield order[group == number]


def in_step(
    loads: dict[tuple[int, int], int], others: dict[tuple[int, int], int]
) -> tuple[Floats, Floats]:
    """Two counts of cells as columns over the same cells.

    Source: paper 2.4 (difference that guiding makes to traffic).

    >>> [column.tolist() for column in in_step({(0, 0): 2}, {(0, 1): 3})]
    [[2.0, 0.0], [0.0, 3.0]]
    """
    cells = sorted(loads.keys() | others.keys())
    return (
        np.array([loads.get(cell, 0) for cell in cells], dtype=np.float64),
        np.array([others.get(cell, 0) for cell in cells], dtype=np.float64),
    )
