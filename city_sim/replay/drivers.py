"""Drivers drawn from what really happened: whoever took a connector had asked some minutes before.

A car that took several plugs of one post at once (one cable blocks the others) is one driver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from city_sim.replay.feed import Feed, Plug
from city_sim.replay.network import Network
from coordinator.core.geo import EARTH_RADIUS_KM
from coordinator.core.roads import Roads

# Straight way from where a driver asks to the site where the car was really plugged in.
NEAREST_KM, FARTHEST_KM = 0.5, 7.0
LOW_SOC_PCT, HIGH_SOC_PCT = 15.0, 55.0


@dataclass(frozen=True, slots=True)
class Driver:
    """Who asks at `asks_s`, and in truth plugged in at `came_s`: `plug`, and `own` with it."""

    asks_s: float
    came_s: float
    plug: int
    own: tuple[int, ...]
    standard: int
    latitude_deg: float
    longitude_deg: float
    soc_pct: float


def drivers(
    plugs: Sequence[Plug],
    net: Network,
    feed: Feed,
    roads: Roads,
    seed: int,
    span_s: tuple[float, float],
    count: int | None = None,
) -> list[Driver]:
    """Drivers whose request and arrival lie in a span, in the order in which they ask.

    With `count` so many of them at random. A driver's draws depend on the seed, the post and the
    instant only: not on who else there is.
    """
    cars: dict[tuple[float, int], list[int]] = {}
    for plug, line in enumerate(feed.lines):
        for at_s in line.taken_at().tolist():
            if span_s[0] < at_s < span_s[1]:
                cars.setdefault((at_s, int(net.post[plug])), []).append(plug)
    made = [
        _driver(plugs, net, roads, seed, came_s, tuple(taken))
        for (came_s, _), taken in cars.items()
    ]
    made = [driver for driver in made if driver.asks_s > span_s[0]]
    if count is not None and count < len(made):
        chosen = np.random.default_rng([seed, 1]).permutation(len(made))[:count]
        made = [made[row] for row in sorted(chosen.tolist())]
    return sorted(made, key=lambda driver: (driver.asks_s, driver.plug))


def _driver(
    plugs: Sequence[Plug],
    net: Network,
    roads: Roads,
    seed: int,
    came_s: float,
    own: tuple[int, ...],
) -> Driver:
    rng = np.random.default_rng([seed, 2, int(came_s), int(net.post[own[0]])])
    plug = own[int(rng.integers(len(own)))]
    straight_km, turn = rng.uniform(NEAREST_KM, FARTHEST_KM), rng.uniform(0.0, math.tau)
    there = plugs[plug].latitude_deg, plugs[plug].longitude_deg
    here = moved(there, float(straight_km), float(turn))
    asks_s = came_s - _drive_s(roads, roads.between_km(here, there), came_s)
    soc_pct = float(rng.uniform(LOW_SOC_PCT, HIGH_SOC_PCT))
    standard = int(net.standard[plug])
    return Driver(asks_s, came_s, plug, own, standard, *here, soc_pct)


def _drive_s(roads: Roads, km: float, came_s: float) -> float:
    """Seconds that a drive took that ended at `came_s`, at the speed of when it began."""
    drive_s = 0.0
    for _ in range(8):
        drive_s = km / roads.speed_kmh((came_s - drive_s) / 3600.0 % 24.0) * 3600.0
    return drive_s


def moved(place_deg: tuple[float, float], km: float, turn: float) -> tuple[float, float]:
    """The place so far away in this direction, for a few km.

    >>> [round(part, 4) for part in moved((53.0, -8.0), 11.12, 0.0)]
    [53.1, -8.0]
    """
    up = math.degrees(km / EARTH_RADIUS_KM)
    latitude_deg = place_deg[0] + up * math.cos(turn)
    aside = up * math.sin(turn) / math.cos(math.radians(place_deg[0]))
    return latitude_deg, place_deg[1] + aside
