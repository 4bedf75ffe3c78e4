"""The network as a coordinator knows it: sites, posts, plugs; and states as its statuses.

Power of a plug is that of its kind: the feed tells none. Coordinates are WGS84.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from city_sim.replay.feed import Plug
from city_sim.replay.timeline import AVAILABLE, OCCUPIED, OUT_OF_CONTACT, OUT_OF_SERVICE, PART
from coordinator.core.pile import Connector, Evse, EvseStatus, Pile, PowerType, Station

CHADEMO, TYPE_2, COMBO_2 = 1, 26, 27  # wire numbers of the OCPI standards
AC, DC = PowerType.AC_3_PHASE, PowerType.DC

# Plug, current and assumed power by the words that feeds use for a kind of plug.
KINDS: dict[str, tuple[int, PowerType, float]] = {
    "CHAdeMO": (CHADEMO, DC, 50.0),
    "ComboCCS": (COMBO_2, DC, 50.0),
    "CCS": (COMBO_2, DC, 50.0),
    "COMBO": (COMBO_2, DC, 50.0),
    "FastAC43": (TYPE_2, AC, 43.0),
    "AC43": (TYPE_2, AC, 43.0),
    "StandardType2": (TYPE_2, AC, 22.0),
    "Type2": (TYPE_2, AC, 22.0),
}

# What a coordinator is told of each state; out of contact is unknown, never available.
STATUS = np.full(5, EvseStatus.UNKNOWN, dtype=np.int8)
STATUS[[AVAILABLE, PART, OCCUPIED, OUT_OF_SERVICE, OUT_OF_CONTACT]] = [
    EvseStatus.AVAILABLE, EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.OUTOFORDER,
    EvseStatus.UNKNOWN,
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Network:
    """Stations, and which plug of the feed each EVSE is: `evse_ids[i]` is plug i."""

    stations: tuple[Station, ...]
    evse_ids: tuple[str, ...]
    site: NDArray[np.intp]  # of each plug, a number
    post: NDArray[np.intp]  # of each plug, a number
    standard: NDArray[np.intp]  # wire number of each plug


def network(plugs: Sequence[Plug]) -> Network:
    """Sites are places with one address, posts their piles, plugs the EVSEs of these."""
    sites: dict[tuple[str, float, float], dict[str, list[int]]] = {}
    for row, plug in enumerate(plugs):
        place = plug.address, plug.latitude_deg, plug.longitude_deg
        sites.setdefault(place, {}).setdefault(plug.post, []).append(row)
    names, site, post = [""] * len(plugs), np.zeros(len(plugs), int), np.zeros(len(plugs), int)
    stations, posts = [], 0
    for number, ((address, latitude, longitude), of_post) in enumerate(sites.items()):
        station_id, piles = f"S{number:04d}", []
        for word, rows in of_post.items():
            pile_id, posts = f"P{posts:04d}", posts + 1
            for order, row in enumerate(rows, 1):
                names[row], site[row], post[row] = f"{pile_id}*{order}", number, posts - 1
            evses = tuple(Evse(names[row], (_plug(plugs[row]),)) for row in rows)
            piles.append(Pile(pile_id, station_id, evses, label=word[:64]))
        stations.append(
            Station(station_id, address or station_id, latitude, longitude, tuple(piles))
        )
    standard = np.array([KINDS[plug.type][0] for plug in plugs], dtype=np.intp)
    return Network(tuple(stations), tuple(names), site, post, standard)


def _plug(plug: Plug) -> Connector:
    standard, current, power_kw = KINDS[plug.type]
    return Connector("1", standard, current, power_kw)
