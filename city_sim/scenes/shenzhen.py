"""A real city's evening peak: stations of a list, cars by the hour, faults, drivers' ways.

The load is chosen: see `LOAD_FACTOR`. Failing plugs are in `ageing.py`, streets in
`city_sim.streets`, what the data say in `habits.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from city_sim.city import BLOCK_KM, MOST_BLOCKS, City, city_of, generate_city
from city_sim.demand import Demand, Disturbance
from city_sim.scenarios import Scenario
from city_sim.scenes.ageing import faults, stops
from city_sim.scenes.habits import Charges, Habits, busiest, habits
from city_sim.streets import Streets
from coordinator.core.district import District
from coordinator.core.geo import great_circle_km
from coordinator.core.pile import Station
from coordinator.core.vehicle import Vehicle
from coordinator.importers import load_stations

Float64 = NDArray[np.float64]

# Charges asked for in an hour are the plugs in use then, by the data, times this: in its busiest
# hour 0.86 of all plugs, 0.95 of those that work.
LOAD_FACTOR = 3.0
HOT_SHARE, PLUGS_A_SPOT, SPREAD_KM = 0.3, 700, 0.8
PEAK_H, RUN_IN_H = 2, 1  # counted, and before it, so that plugs are in use when counting begins
PLUG_KW = 60.0
AFTER_S = 2 * 3600.0  # after the last request: who still waits then is counted with its time so far
MEAN_PLUGS = 13  # of a station of the made-up list
HALF_KM_AT_2000 = 6.0  # of the made-up city: as dense as the real one


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the cars: who comes unasked, who goes elsewhere than told, who is served first.

    `failing` is of the stations, which stop for good; None lets plugs fail as they age.
    """

    walk_in: float = 0.05
    failing: float | None = None
    disobey: float = 0.02
    vip: float = 0.05

    @classmethod
    def of(
        cls,
        walk_in: float | None,
        failing: float | None,
        disobey: float | None,
        vip: float | None,
    ) -> Shares:
        """The usual ones where None is given."""
        usual = cls()
        return cls(
            usual.walk_in if walk_in is None else walk_in,
            failing,
            usual.disobey if disobey is None else disobey,
            usual.vip if vip is None else vip,
        )


def evening(
    plugs: int,
    seed: int,
    cars: int | None = None,
    stations: Path | None = None,
    *,
    data: Path | None = None,
    shares: Shares | None = None,
    load: float | None = None,
) -> Scenario:
    """`shenzhen-N`: the busiest hours around the middle of a list of stations.

    Without `cars`, as many as make the load. Without a list, a city is made up.
    """
    if data is None and stations is not None:
        data = stations.parent.parent
    known, shares = habits(data), shares or Shares()
    city, said = _city(plugs, seed, stations)
    here = sum(len(pile.evses) for station in city.stations for pile in station.piles)
    begins_h = busiest(known.utilisation, PEAK_H)
    at_s = _asked_s(known, here, begins_h, cars, load, seed)
    begins_s, ends_s = (begins_h - RUN_IN_H) * 3600.0, (begins_h + PEAK_H) * 3600.0

    def streets(district: District) -> Streets:
        return Streets(
            city.frame, district.station_lat_deg, district.station_lon_deg,
            max(BLOCK_KM, 2 * city.frame.half_km / MOST_BLOCKS), begins_s,
        )  # fmt: skip

    return Scenario(
        f"shenzhen-{plugs}",
        city.stations,
        _demands(city, known.charges, at_s, shares, seed),
        ends_s + AFTER_S,
        streets,
        streets,
        _faults(city.stations, shares, begins_s, ends_s, seed),
        counted_s=(begins_h * 3600.0, ends_s),
        notes=(said, *known.sources),
    )


def _faults(
    stations: Sequence[Station], shares: Shares, begins_s: float, ends_s: float, seed: int
) -> tuple[Disturbance, ...]:
    rng = np.random.default_rng([seed, 13])
    of_station = [[e.evse_id for p in s.piles for e in p.evses] for s in stations]
    if shares.failing is not None:
        return stops(of_station, shares.failing, begins_s, ends_s, rng)
    every = [evse_id for of_one in of_station for evse_id in of_one]
    return faults(every, begins_s, ends_s, rng)


def nearest_to_the_middle(stations: list[Station], plugs: int) -> list[Station]:
    """Whole stations around the middle of the plugs, nearest first, until there are so many.

    Raises ValueError if the list has not so many.
    """
    size = np.array([sum(len(pile.evses) for pile in s.piles) for s in stations])
    if size.sum() < plugs:
        raise ValueError(f"the list of stations has {size.sum()} plugs, not {plugs}")
    middle = (
        _middle(np.array([s.latitude_deg for s in stations]), size),
        _middle(np.array([s.longitude_deg for s in stations]), size),
    )
    away_km = [great_circle_km(middle, (s.latitude_deg, s.longitude_deg)) for s in stations]
    order = np.argsort(away_km, kind="stable")
    order = order[size[order] > 0]
    count = int(np.searchsorted(np.cumsum(size[order]), plugs)) + 1
    return [stations[row] for row in order[:count].tolist()]


def _middle(values: Float64, weight: NDArray[np.int64]) -> float:
    """The value with as many plugs below as above it."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(below, below[-1] / 2)]])


def _city(plugs: int, seed: int, stations: Path | None) -> tuple[City, str]:
    if stations is not None:
        chosen = nearest_to_the_middle(load_stations(stations), plugs)
        return city_of(chosen), f"stations: {stations.name}, {len(chosen)} around its middle"
    count = max(plugs // MEAN_PLUGS, 1)
    half_km = max(HALF_KM_AT_2000 * (plugs / 2_000.0) ** 0.5, 1.0)
    size = (MEAN_PLUGS, MEAN_PLUGS)
    city = generate_city(seed, count, half_km, size)
    return city, f"stations: made up, {count}; --stations FILE takes real ones"


def _asked_s(
    known: Habits, plugs: int, begins_h: int, cars: int | None, load: float | None, seed: int
) -> list[float]:
    """When cars ask, in order: by the hour's share, so that the busiest hour makes the load."""
    rng = np.random.default_rng([seed, 11])
    hours = range(begins_h - RUN_IN_H, begins_h + PEAK_H)
    share = np.array([known.utilisation[hour % 24] for hour in hours])
    busy = share * LOAD_FACTOR if load is None else share / share.max() * load
    stay_h = float(np.mean(minutes_at_plug(known.charges))) / 60.0
    expected = busy * plugs / stay_h
    if cars is not None:
        expected *= cars / expected.sum()
    counts = np.floor(expected + rng.random(len(expected))).astype(int).tolist()
    asked = [(hour + rng.random(count)) * 3600.0 for hour, count in zip(hours, counts, strict=True)]
    in_order: list[float] = np.sort(np.concatenate(asked)).tolist()
    return in_order


def minutes_at_plug(charges: Charges) -> Float64:
    """How long charges last at these plugs: at the mean power they had, and no more than a plug."""
    return np.maximum(charges.stay_min, charges.energy_kwh / PLUG_KW * 60.0)


def _demands(
    city: City, charges: Charges, at_s: list[float], shares: Shares, seed: int
) -> tuple[Demand, ...]:
    """Cars by the density of plugs; those of the hot spots by a few places drawn by it."""
    rng = np.random.default_rng([seed, 12])
    count, frame = len(at_s), city.frame
    size = np.array([sum(len(p.evses) for p in s.piles) for s in city.stations])
    spots = rng.choice(len(size), max(round(size.sum() / PLUGS_A_SPOT), 1), p=size / size.sum())
    around = rng.choice(len(size), count, p=size / size.sum())
    hot = rng.random(count) < HOT_SHARE
    around[hot] = spots[rng.integers(len(spots), size=int(hot.sum()))]
    at = frame.plane(
        np.array([city.stations[row].latitude_deg for row in around.tolist()]),
        np.array([city.stations[row].longitude_deg for row in around.tolist()]),
    ) + rng.normal(0.0, SPREAD_KM, (count, 2))
    row = rng.integers(len(charges.soc_pct), size=count)
    walk_in, disobeys, vip = (
        rng.random(count) < share for share in (shares.walk_in, shares.disobey, shares.vip)
    )
    return tuple(
        Demand(
            at_s[n],
            *frame.at(*at[n]),
            soc_pct=float(charges.soc_pct[row[n]]),
            vehicle=_vehicle(charges, int(row[n])),
            target_soc_pct=float(charges.to_pct[row[n]]),
            car_id=f"car{n}",
            user_id=f"vip{n}" if vip[n] else "",
            walk_in=bool(walk_in[n]),
            disobeys=bool(disobeys[n] and not walk_in[n]),
            vip=bool(vip[n]),
        )
        for n in range(count)
    )


def _vehicle(charges: Charges, row: int) -> Vehicle:
    """A car whose charge takes as much energy, at the power it then had on average."""
    energy_kwh, stay_min = float(charges.energy_kwh[row]), float(charges.stay_min[row])
    gained_pct = float(charges.to_pct[row] - charges.soc_pct[row])
    power_kw = energy_kwh / stay_min * 60.0
    return Vehicle(
        battery_kwh=energy_kwh / gained_pct * 100.0,
        charging_curve=((0.0, power_kw), (100.0, power_kw)),
        max_dc_power_kw=power_kw,
        setup_s=0.0,
    )
