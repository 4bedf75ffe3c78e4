"""What is changed: piles taken away or added, more or fewer drivers. Pure; the seed is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from city_sim.demand import Demand
from city_sim.whatif.day import DayScene, at_start, renamed
from city_sim.whatif.errors import ChangeInvalid
from coordinator.core.pile import Evse, Pile, Station

MOST_PILES = 1_000  # that are added at a station
MOST_SCALE = 20.0
SPREAD_S = 600.0  # around the first car's request that a further one of its kind asks


@dataclass(frozen=True, slots=True)
class Change:
    """`removed` are piles, `added` numbers of piles by station; policy and model None stay."""

    removed: tuple[str, ...] = ()
    added: dict[str, int] = field(default_factory=dict)
    demand_scale: float = 1.0
    policy: str | None = None
    model: str | None = None

    @property
    def nothing(self) -> bool:
        """Whether everything stays as it was."""
        return self == Change()


def parse_added(text: str) -> dict[str, int]:
    """`STATION,STATION=N` with more of them after semicolons; raises `ChangeInvalid`.

    >>> parse_added("S1,S2=3;S4=1")
    {'S1': 3, 'S2': 3, 'S4': 1}
    """
    found: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        names, equals, number = part.rpartition("=")
        if not equals or not number.strip().isdigit() or not 1 <= int(number) <= MOST_PILES:
            raise ChangeInvalid(f"cannot read {part!r}", f"STATION,...=N with N 1-{MOST_PILES}")
        for name in filter(None, (n.strip() for n in names.split(","))):
            found[name] = found.get(name, 0) + int(number)
    return found


def stations_after(stations: Sequence[Station], change: Change) -> tuple[Station, ...]:
    """The district with the change; a station without piles is none. Raises `ChangeInvalid`."""
    piles = {pile.pile_id for station in stations for pile in station.piles}
    for pile_id in change.removed:
        if pile_id not in piles:
            raise ChangeInvalid.unknown("pile", pile_id, piles)
    known = {station.station_id for station in stations if station.piles}
    for station_id in change.added:
        if station_id not in known:
            raise ChangeInvalid.unknown("station with piles", station_id, known)
    gone = set(change.removed)
    after = []
    for station in stations:
        kept = [pile for pile in station.piles if pile.pile_id not in gone]
        more = _more(station.piles, change.added.get(station.station_id, 0), piles)
        if kept or more:
            after.append(replace(station, piles=(*kept, *more)))
    if not after:
        raise ChangeInvalid("no pile is left", "remove fewer")
    return tuple(after)


def _more(piles: Sequence[Pile], count: int, taken: set[str]) -> list[Pile]:
    """New piles like the most powerful one that stands there."""
    if not count:
        return []
    like = max(piles, key=_power_kw)
    made: list[Pile] = []
    number = 0
    while len(made) < count:
        number += 1
        pile_id = f"{like.station_id}-new-{number}"
        if pile_id in taken:
            continue
        evses = tuple(
            Evse(f"{pile_id}*{n}", evse.connectors, evse.bay_count)
            for n, evse in enumerate(like.evses, 1)
        )
        made.append(Pile(pile_id, like.station_id, evses, maker=like.maker, model=like.model))
    return made


def _power_kw(pile: Pile) -> float:
    return max((c.max_power_kw for e in pile.evses for c in e.connectors), default=0.0)


def demands_after(scene: DayScene, scale: float, seed: int) -> tuple[Demand, ...]:
    """Each car of the day as often as the scale says on average, at least 0 times.

    Cars that were there when the day began stay. The same seed keeps the same cars.
    """
    if not 0.0 < scale <= MOST_SCALE:
        raise ChangeInvalid(f"demand scale {scale:g}", f"a number above 0, at most {MOST_SCALE:g}")
    if scale == 1.0:
        return scene.demands
    rng = np.random.default_rng([seed, 11])
    drawn = rng.random(len(scene.demands))
    found = []
    for demand, chance in zip(scene.demands, drawn.tolist(), strict=True):
        if at_start(demand, scene.begins_s):
            found.append(demand)
            continue
        count = int(scale) + (chance < scale - int(scale))
        found += [demand] if count else []
        for copy in range(1, count):
            at_s = demand.at_s + float(rng.uniform(-SPREAD_S, SPREAD_S))
            found.append(renamed(demand, copy, min(max(at_s, scene.begins_s), scene.ends_s - 1)))
    return tuple(sorted(found, key=lambda d: (d.at_s, d.car_id)))
