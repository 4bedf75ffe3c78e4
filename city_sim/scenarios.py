"""Named scenes for comparisons: stations, requests, disturbances, ways, all from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from city_sim.city import City, StraightTravel, Travel, generate_city
from city_sim.demand import Demand, Disturbance, DisturbanceKind
from city_sim.grid import Frame
from city_sim.population import DAY_S, demand_of_day, generate_drivers
from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station, Tariff
from coordinator.core.roads import EstimatedRoads, Roads
from coordinator.core.vehicle import Vehicle

CAMPUS_KMH = 20.0
CAMPUS_S = 2.5 * 3600.0
CAMPUS_LAYOUT = 7  # of the first dozen, where greedy-hold comes nearest to the published 4.7 min
CAMPUS_SOC_PCT = (10.5, 60.0)  # a tenth in great need, half in some, the others in little
# Everybody is charged a while after the last request.
_AFTER_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scene; `travel` and `roads` tell city and product the same driving times.

    Figures are of the cars that ask within `counted_s`, all of them if it is None. `notes` say
    where the scene is from, for people.
    """

    name: str
    stations: tuple[Station, ...]
    demands: tuple[Demand, ...]
    until_s: float
    travel: Callable[[District], Travel]
    roads: Callable[[District], Roads]
    disturbances: tuple[Disturbance, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    counted_s: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def counts(self, asked_at_s: float) -> bool:
        """Whether a car that asked then is in the figures."""
        return self.counted_s is None or self.counted_s[0] <= asked_at_s < self.counted_s[1]


def campus(
    seed: int,
    cars: int = 950,
    disturbed: bool = False,
    *,
    walk_in_share: float | None = None,
    failing_share: float | None = None,
    layout: int = CAMPUS_LAYOUT,
) -> Scenario:
    """`campus-280`: 3 × 6 km, 40 stations with 7 plugs, half of the cars in one hot spot.

    Straight ways at 20 km/h, charges of 20 to 60 minutes, requests even over 2.5 hours; where the
    stations stand is the same for every seed. Disturbed, unless shares are given: 30 % drive to the
    nearest station unseen, and a tenth of the stations stops for good.
    """
    rng = np.random.default_rng([seed, 6])
    frame = Frame(22.55, 114.05, 3.0)
    stations = _campus_stations(frame, layout)
    even = rng.uniform((0.0, 0.0), (3.0, 6.0), (cars, 2))
    hot = np.clip(rng.normal((1.0, 1.5), (0.5, 0.7), (cars, 2)), 0.0, (3.0, 6.0))
    at = np.where(rng.random((cars, 1)) < 0.5, hot, even)
    usual = (0.3, 0.1) if disturbed else (0.0, 0.0)
    walk_in = rng.random(cars) < (usual[0] if walk_in_share is None else walk_in_share)
    # A plug gives one power all along, so that the product expects what happens.
    minutes = rng.uniform(20.0, 60.0, cars).tolist()
    asked_s = np.sort(rng.uniform(0, CAMPUS_S, cars)).tolist()
    soc_pct = rng.uniform(*CAMPUS_SOC_PCT, cars).tolist()
    demands = tuple(
        Demand(
            at_s,
            *frame.at(east - 1.5, north - 3.0),
            soc_pct=soc_pct[n],
            vehicle=_flat_vehicle(minutes[n] / 60.0, soc_pct[n]),
            target_soc_pct=80.0,
            car_id=f"car{n}",
            walk_in=bool(walk_in[n]),
        )
        for n, (at_s, (east, north)) in enumerate(zip(asked_s, at.tolist(), strict=True))
    )
    stops = _stops(stations, usual[1] if failing_share is None else failing_share, rng)
    return Scenario(
        "campus-280-disturbed" if stops or walk_in.any() else "campus-280",
        stations,
        demands,
        CAMPUS_S + _AFTER_S,
        lambda district: StraightTravel(district, CAMPUS_KMH, 1.0),
        lambda district: EstimatedRoads(1.0, CAMPUS_KMH, (1.0,) * 24),
        tuple(stops),
    )


def generated(seed: int, cars: int = 800, stations: int = 60) -> Scenario:
    """A day of the made-up city on its streets, with tariffs, AC and DC, walk-ins and faults."""
    return day_in(generate_city(seed, stations), seed, cars)


def day_in(city: City, seed: int, cars: int) -> Scenario:
    """A day of any city, an imported one too: 15 % walk-ins, one plug in twelve fails once.

    Source of the repair times: lognormal, median about 50 minutes, with a tail of days.
    """
    drivers = generate_drivers(seed, city, max(cars // 2, 1))
    demands = demand_of_day(seed, city, drivers, cars, 0.0, walk_in_share=0.15)
    rng = np.random.default_rng([seed, 7])
    evse_ids = [e.evse_id for s in city.stations for p in s.piles for e in p.evses]
    failing = rng.permutation(len(evse_ids))[: len(evse_ids) // 12]
    begins = rng.uniform(0.0, DAY_S, len(failing))
    faults = tuple(
        Disturbance(evse_ids[row], DisturbanceKind.FAULT, at_s, at_s + lasts_s)
        for row, at_s, lasts_s in zip(
            failing, begins.tolist(), rng.lognormal(8.0, 1.5, len(failing)).tolist(), strict=True
        )
    )
    return Scenario(
        "day",
        city.stations,
        tuple(demands),
        DAY_S + _AFTER_S,
        city.roads,
        city.roads,
        faults,
        city.tariffs,
    )


def _stops(
    stations: tuple[Station, ...], share: float, rng: np.random.Generator
) -> list[Disturbance]:
    """A share of the stations, each stopping for good at an instant of its own."""
    failing = rng.permutation(len(stations))[: round(len(stations) * share)]
    at = rng.uniform(0.2, 0.8, len(failing)) * CAMPUS_S
    return [
        Disturbance(pile.evses[0].evse_id, DisturbanceKind.FAULT, at_s)
        for station, at_s in zip(failing, at.tolist(), strict=True)
        for pile in stations[station].piles
    ]


def _campus_stations(frame: Frame, layout: int) -> tuple[Station, ...]:
    """Forty stations, even over the campus, the same for the same layout."""
    places = np.random.default_rng([layout, 280]).uniform((-1.5, -3.0), (1.5, 3.0), (40, 2))
    return tuple(
        _campus_station(n, frame.at(east, north)) for n, (east, north) in enumerate(places.tolist())
    )


def _campus_station(number: int, position: tuple[float, float]) -> Station:
    name = f"C{number:02d}"
    connector = Connector("1", 19, PowerType.DC, 60.0)
    piles = tuple(
        Pile(f"{name}-{n}", name, (Evse(f"{name}-{n}*1", (connector,)),)) for n in range(7)
    )
    return Station(name, name, *position, piles)


def _flat_vehicle(hours: float, soc_pct: float) -> Vehicle:
    """A car that takes 60 kW all along, and so long from this charge to 80 %."""
    return Vehicle(
        battery_kwh=hours * 60.0 / ((80.0 - soc_pct) / 100.0),
        charging_curve=((0.0, 60.0), (100.0, 60.0)),
        setup_s=0.0,
        consumption_kwh_per_km=0.0001,
    )
