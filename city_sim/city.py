"""A made-up city: stations with their plugs and tariffs, hot spots, driving and charging times.

Streets are in `grid.py`, who drives in `population.py`, what happens in `engine.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from city_sim.grid import Frame, GridRoads
from coordinator.core import charging
from coordinator.core.district import District
from coordinator.core.geo import EARTH_RADIUS_KM, Places, unit_vector
from coordinator.core.pile import (
    Connector,
    Evse,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.reliability.pile_vector import MAKERS, MODELS
from coordinator.core.roads import DETOUR_FACTOR
from coordinator.core.vehicle import Vehicle

Float64 = NDArray[np.float64]

ROAD_FACTOR = DETOUR_FACTOR
CITY_SPEED_KMH = 25.0  # a city in its busy hours

BLOCK_KM = 0.4
MOST_BLOCKS = 60  # along a side: a larger city has larger blocks
# Plugs of the made-up city, by the numbers of the wire.
GBT_AC, GBT_DC = 18, 19
YEAR_S = 365.25 * 86_400.0
# (power of a plug in kW, kind, share of the stations)
_KINDS: tuple[tuple[float, PowerType, float], ...] = (
    (7.0, PowerType.AC_1_PHASE, 0.15),
    (22.0, PowerType.AC_3_PHASE, 0.15),
    (60.0, PowerType.DC, 0.4),
    (120.0, PowerType.DC, 0.3),
)


class Travel(Protocol):
    """How long it takes to get from a position to every station of a district."""

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds, shape (n_station,), when leaving at `at_s`."""
        ...

    def to_s(self, latitude_deg: float, longitude_deg: float, station: int, at_s: float) -> float:
        """Seconds to one station, a row of the district."""
        ...


class StraightTravel:
    """Great circle × 1.3 at one speed: roads as the coordinator assumes them without a network."""

    def __init__(
        self,
        district: District,
        speed_kmh: float = CITY_SPEED_KMH,
        road_factor: float = ROAD_FACTOR,
    ) -> None:
        self._places = Places(district.station_lat_deg, district.station_lon_deg)
        self._every = np.arange(self._places.count)
        self._vectors = [
            unit_vector(*place)
            for place in zip(
                district.station_lat_deg.tolist(), district.station_lon_deg.tolist(), strict=True
            )
        ]
        self.road_factor = road_factor  # way over great circle
        self._s_per_km = 3600.0 * road_factor / speed_kmh

    def drive_s(self, latitude_deg: float, longitude_deg: float, at_s: float) -> Float64:
        """Seconds to every station, the same at every hour."""
        km = self._places.distance_km(latitude_deg, longitude_deg, self._every)
        return km * self._s_per_km

    def to_s(self, latitude_deg: float, longitude_deg: float, station: int, at_s: float) -> float:
        """Seconds to one station, the same at every hour."""
        here, there = unit_vector(latitude_deg, longitude_deg), self._vectors[station]
        return (
            2.0
            * EARTH_RADIUS_KM
            * math.asin(min(math.dist(here, there) / 2.0, 1.0))
            * self._s_per_km
        )


def charging_s(
    vehicle: Vehicle, power_kw: Float64, dc: NDArray[np.bool_], soc_pct: float, to_pct: float
) -> Float64:
    """Seconds at plugs of these powers from one state of charge to another, set-up included.

    Tapers as the coordinator expects it to, so that promise and city agree.

    >>> car = Vehicle(60.0, charging_curve=((0, 60.0), (100, 60.0)), setup_s=0.0)
    >>> charging_s(car, np.array([60.0]), np.array([True]), 20.0, 80.0).round().tolist()
    [2160.0]
    """
    arrival = np.full(power_kw.shape, soc_pct)
    seconds, _, _ = charging.session(vehicle, arrival, to_pct, power_kw, dc)
    return seconds + vehicle.setup_s


@dataclass(frozen=True, slots=True)
class HotSpot:
    """Where demand gathers: a position, its spread in km, its share of the hot demand."""

    east_km: float
    north_km: float
    spread_km: float
    share: float


@dataclass(frozen=True, slots=True)
class City:
    """Everything that stands still."""

    frame: Frame
    stations: tuple[Station, ...]
    tariffs: tuple[Tariff, ...]
    hot_spots: tuple[HotSpot, ...]

    def roads(self, district: District, utc_offset_h: float = 0.0) -> GridRoads:
        """Its streets, with the ways to the stations of a district of it."""
        return GridRoads(
            self.frame,
            district.station_lat_deg,
            district.station_lon_deg,
            block_km=max(BLOCK_KM, 2 * self.frame.half_km / MOST_BLOCKS),
            utc_offset_h=utc_offset_h,
        )


def generate_city(
    seed: int,
    station_count: int = 60,
    half_km: float = 6.0,
    plugs: tuple[int, int] = (2, 10),
    now_s: float = 0.0,
) -> City:
    """A city that depends on the seed alone: denser in the middle, AC and DC, four tariffs.

    Piles were commissioned up to eight years before `now_s`; makers and models are drawn evenly, so
    that nothing here says one is better. One station in ten has no known price.
    """
    rng = np.random.default_rng([seed, 1])
    frame = Frame(22.55, 114.05, half_km)
    near = rng.normal(0.0, half_km * 0.45, (station_count, 2))
    wide = rng.uniform(-half_km, half_km, (station_count, 2))
    at = np.where(rng.random((station_count, 1)) < 0.6, near, wide)
    at = np.clip(at, -half_km * 0.98, half_km * 0.98)
    tariffs = _tariffs(rng)
    stations = tuple(
        _station(index, frame.at(*at[index]), plugs, tariffs, now_s, rng)
        for index in range(station_count)
    )
    hot = tuple(_hot_spot(half_km, share, rng) for share in (0.5, 0.3, 0.2))
    return City(frame, stations, tariffs, hot)


def city_of(stations: Sequence[Station], tariffs: Sequence[Tariff] = ()) -> City:
    """A city around stations that are given (an imported list); demand gathers at the largest.

    Raises ValueError without stations.
    """
    if not stations:
        raise ValueError("a city needs at least one station")
    lat = np.array([s.latitude_deg for s in stations])
    lon = np.array([s.longitude_deg for s in stations])
    frame = Frame(float(np.median(lat)), float(np.median(lon)), 1.0)
    plane = frame.plane(lat, lon)
    half_km = max(float(np.quantile(np.abs(plane), 0.98)) * 1.05, 1.0)
    size = [sum(len(pile.evses) for pile in s.piles) for s in stations]
    largest = np.argsort(size, kind="stable")[::-1][:3]
    hot = tuple(HotSpot(float(plane[i, 0]), float(plane[i, 1]), 1.0, 1 / 3) for i in largest)
    frame = Frame(frame.latitude_deg, frame.longitude_deg, half_km)
    return City(frame, tuple(stations), tuple(tariffs), hot)


def _hot_spot(half_km: float, share: float, rng: np.random.Generator) -> HotSpot:
    east_km, north_km = rng.uniform(-half_km * 0.5, half_km * 0.5, 2)
    return HotSpot(float(east_km), float(north_km), float(rng.uniform(0.5, 1.5)), share)


def _tariffs(rng: np.random.Generator) -> tuple[Tariff, ...]:
    """Four price lists: flat rate, peak and valley, by time, with a fee."""
    base = rng.uniform(0.9, 1.6, 4)
    return (
        Tariff("flat", "CNY", (TariffElement("ENERGY", base[0]),)),
        Tariff(
            "peak",
            "CNY",
            (
                TariffElement("ENERGY", base[1] * 0.6, start_time="23:00", end_time="07:00"),
                TariffElement("ENERGY", base[1] * 1.5, start_time="17:00", end_time="21:00"),
                TariffElement("ENERGY", base[1]),
            ),
        ),
        Tariff("time", "CNY", (TariffElement("ENERGY", base[2]), TariffElement("TIME", 6.0))),
        Tariff("fee", "CNY", (TariffElement("ENERGY", base[3]), TariffElement("FLAT", 3.0))),
    )


def _station(
    index: int,
    position: tuple[float, float],
    plugs: tuple[int, int],
    tariffs: Sequence[Tariff],
    now_s: float,
    rng: np.random.Generator,
) -> Station:
    name = f"S{index:04d}"
    power_kw, power_type, _ = _KINDS[rng.choice(len(_KINDS), p=[share for *_, share in _KINDS])]
    standard = GBT_DC if power_type is PowerType.DC else GBT_AC
    maker, model = MAKERS[rng.integers(len(MAKERS))], MODELS[rng.integers(len(MODELS))]
    born_s = now_s - rng.uniform(0.0, 8.0) * YEAR_S
    connector = Connector("1", standard, power_type, power_kw)
    piles = tuple(
        Pile(
            f"{name}-{number}",
            name,
            (Evse(f"{name}-{number}*1", (connector,)),),
            maker=maker,
            model=model,
            commissioned_at_s=born_s,
        )
        for number in range(int(rng.integers(plugs[0], plugs[1] + 1)))
    )
    tariff = tariffs[int(rng.integers(len(tariffs)))].tariff_id if rng.random() < 0.9 else ""
    return Station(name, name, *position, piles, tariff_id=tariff)
