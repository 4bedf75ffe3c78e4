"""What drivers paid and what they made of it: prices by the tariffs, the burden by their tastes.

Tastes are latent: they judge here, and were shown to nobody before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from city_sim.cars import Car
from city_sim.past import Past
from city_sim.population import disutility_min
from city_sim.run_ways import nearest_stations, places_km, unguided_legs
from coordinator.core.district import District
from coordinator.core.indexes import total_cost
from coordinator.core.indexes_field import mean, saving
from coordinator.core.rates import rate_at
from coordinator.core.recommend.features import COLUMN

Float64 = NDArray[np.float64]

NAN = float("nan")
URGENT_SOC_PCT = 15.0


def money_figures(
    district: District, asked: Sequence[Car], stay_s: Mapping[int, float]
) -> dict[str, float]:
    """Cost, mean price, and what was saved against the nearest station; NaN without tariffs."""
    paid = prices(district, asked, stay_s)
    otherwise = np.full(len(asked), NAN)
    if len(asked) and not np.isnan(paid).all():
        starts = unguided_legs(district, asked).starts
        nearest = nearest_stations(starts, places_km(district)).tolist()
        otherwise = np.array(
            [_price(district, car, nearest[n], stay_s) for n, car in enumerate(asked)]
        )
    known = total_cost(paid) if not np.isnan(paid).all() else NAN
    return {
        "total_cost": known, "mean_price": mean(paid), "price_saving": saving(paid, otherwise)
    }  # fmt: skip


def prices(district: District, asked: Sequence[Car], stay_s: Mapping[int, float]) -> Float64:
    """What each car that was served pays where it charged; NaN where that is not known."""
    found = [_price(district, c, c.station, stay_s) if c.served else NAN for c in asked]
    return np.array(found, dtype=np.float64)


def _price(district: District, car: Car, station: int, stay_s: Mapping[int, float]) -> float:
    """Of a whole charge of this car at a station, by the tariff of the hour in which it asked."""
    tariff = district.tariffs.get(district.stations[station].tariff_id)
    if tariff is None:
        return NAN
    demand = car.demand
    energy_kwh = demand.vehicle.battery_kwh * (demand.target_soc_pct - demand.soc_pct) / 100.0
    return rate_at(tariff, demand.at_s).total(energy_kwh, stay_s.get(car.index, 0.0))


def burden_min(
    district: District,
    asked: Sequence[Car],
    past: Past,
    stay_s: Mapping[int, float],
    broken: frozenset[int] = frozenset(),
) -> float:
    """Mean of what each known driver's charge cost it, in minutes of driving.

    By the tastes of `population.py`: drive, wait (the longer the worse), money, a charge that broke
    off, less what a familiar station is worth. NaN if no driver is known.
    """
    paid = np.nan_to_num(prices(district, asked, stay_s))
    felt = []
    for n, car in enumerate(asked):
        tastes = past.tastes.get(car.demand.user_id)
        if tastes is None:
            continue
        row = np.zeros((1, len(COLUMN)), dtype=np.float32)
        for name, value in (
            ("drive_min", car.drive_s / 60.0),
            ("wait_min", car.wait_s / 60.0),
            ("charge_min", stay_s.get(car.index, 0.0) / 60.0),
            ("price_per_session", float(paid[n])),
            ("p_unusable", float(car.index in broken)),
            ("level_high", float(car.demand.soc_pct < URGENT_SOC_PCT)),
        ):
            row[0, COLUMN[name]] = value
        station_id = district.stations[car.station].station_id if car.station >= 0 else ""
        seen = past.visits.get(car.demand.user_id, {}).get(station_id, 0)
        felt.append(float(disutility_min(tastes, row, np.array([float(seen)]))[0]))
    return mean(np.array(felt))
