"""What the demo shows: a small made-up district, the cars that need charge, what goes wrong.

Half of the cars start around one station, as they do in life; the first two ask in the same moment
from the same corner, so that a conflict has to be solved in front of everybody.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from city_sim.baseline import nearest_baseline
from city_sim.demand import Demand
from city_sim.drivers import Trip
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station, Tariff, TariffElement
from coordinator.core.vehicle import Vehicle
from pilewise.v1 import charging_service_pb2 as pb
from pilewise.v1 import operator_service_pb2 as op

GBT_DC, TYPE_2 = 19, 26
KM_PER_DEGREE = 111.19
HOT_SHARE = 0.6
HOT_SIGMA_KM = 0.7
ASKING_SHARE = 0.55  # share of an act in which cars begin their trips
QUEUE_WANTED_S = 240.0  # mean wait of the nearest policy that makes the comparison worth seeing
MOST_CARS = 200
ACT_S, ACT_WALL_S = 5400.0, 90.0  # an act lasts at least so long, in domain and in wall time
VIP = "driver-vip"
TARIFF = Tariff(
    "city",
    "CNY",
    (TariffElement("ENERGY", 1.2), TariffElement("PARKING_TIME", 6.0)),
    "Asia/Shanghai",
)
# Letter, name, latitude, longitude, piles; the first is where everybody goes.
PLACES = (
    ("A", "Harbour Mall", 22.5400, 114.0500, 4),
    ("B", "City Library", 22.5510, 114.0610, 5),
    ("C", "South Market", 22.5290, 114.0600, 5),
    ("D", "Hill Park", 22.5520, 114.0390, 6),
)


def demo_stations() -> list[Station]:
    """Four stations, twenty piles: sixteen speak Modbus (one of them AC), four OCPP 1.6."""
    return [
        Station(
            station_id=f"S-{letter}",
            name=name,
            latitude_deg=latitude,
            longitude_deg=longitude,
            operator="Pilewise demo",
            tariff_id=TARIFF.tariff_id,
            piles=tuple(
                _pile(letter, number, station_id=f"S-{letter}") for number in range(1, count + 1)
            ),
        )
        for letter, name, latitude, longitude, count in PLACES
    ]


def _pile(letter: str, number: int, station_id: str) -> Pile:
    pile_id = f"{letter}-{number:02d}"
    ocpp = number == 3
    alternating = letter == "D" and number == 6
    plug = (
        Connector("1", TYPE_2, PowerType.AC_3_PHASE, 22.0)
        if alternating
        else Connector("1", GBT_DC, PowerType.DC, 120.0)
    )
    maker, model = ("ABB", "Terra AC") if alternating else ("alpitronic", "Hypercharger")
    return Pile(
        pile_id=pile_id,
        station_id=station_id,
        evses=(Evse(f"{pile_id}*1", (plug,), 1),),
        label=pile_id,
        maker="" if ocpp else maker,
        model="" if ocpp else model,
        sources={"face": "ocpp16" if ocpp else "modbus"},
    )


def acts(begin_s: float, for_s: float, speed: float) -> list[tuple[float, float]]:
    """(begin, length) of each act, in domain seconds; `for_s` is the wall time of the show.

    Cars and bad luck come anew in each act, so that a long show has as much to see as a short one.
    """
    horizon_s = for_s * speed
    count = max(1, int(min(for_s / ACT_WALL_S, horizon_s / ACT_S)))
    return [(begin_s + n * horizon_s / count, horizon_s / count) for n in range(count)]


def show_trips(
    seed: int, stations: Sequence[Station], count: int, of: Sequence[tuple[float, float]]
) -> list[Trip]:
    """The cars of all acts, `count` in each; every car comes once."""
    return [
        trip
        for n, (begin_s, length_s) in enumerate(of)
        for trip in trips(seed + n, stations, count, begin_s, length_s, came=n * count)
    ]


def trips(
    seed: int,
    stations: Sequence[Station],
    count: int,
    begin_s: float,
    horizon_s: float,
    came: int = 0,
) -> list[Trip]:
    """`count` cars over the first part of an act, most of them around the first station.

    `came` is the number of cars that had their names before.
    """
    rng = random.Random(seed)
    hot = stations[0]
    spread_km = max(_distance_km(hot, other) for other in stations) or 2.0
    found: list[Trip] = []
    for number in range(count):
        share = 0.02 if number < 2 else 0.02 + ASKING_SHARE * (number - 1) / max(1, count - 1)
        if number == 1:
            north_km, east_km = 0.8, -1.2  # the same corner as the car before
        elif number == 0:
            north_km, east_km = 0.79, -1.21
        elif rng.random() < HOT_SHARE:
            north_km, east_km = rng.gauss(0, HOT_SIGMA_KM), rng.gauss(0, HOT_SIGMA_KM)
        else:
            north_km = rng.uniform(-spread_km, spread_km)
            east_km = rng.uniform(-spread_km, spread_km)
        found.append(
            Trip(
                vehicle_id=f"EV-{came + number + 1:02d}",
                at_s=begin_s + share * horizon_s,
                latitude_deg=hot.latitude_deg + north_km / KM_PER_DEGREE,
                longitude_deg=hot.longitude_deg + east_km / (KM_PER_DEGREE * 0.924),
                soc_pct=round(rng.uniform(14.0, 50.0), 1),
                profile=pb.VehicleProfile(
                    battery_kwh=rng.choice((45.0, 60.0, 75.0)),
                    connectors=[GBT_DC],  # type: ignore[list-item]
                    max_dc_power_kw=rng.choice((60.0, 90.0)),
                ),
                user_id=VIP if number == 5 else f"driver-{came + number + 1:02d}",
            )
        )
    return found


def users() -> list[op.UserRecord]:
    """The drivers whom the operator serves first."""
    return [op.UserRecord(user_id=VIP, vip=True)]


def demands(of: Sequence[Trip]) -> list[Demand]:
    """The same trips as the laboratory's policies take them."""
    return [
        Demand(
            at_s=trip.at_s,
            latitude_deg=trip.latitude_deg,
            longitude_deg=trip.longitude_deg,
            soc_pct=trip.soc_pct,
            vehicle=Vehicle(
                battery_kwh=trip.profile.battery_kwh,
                connector_mask=sum(1 << int(c) for c in trip.profile.connectors),
                max_dc_power_kw=trip.profile.max_dc_power_kw,
                setup_s=0.0,
            ),
            target_soc_pct=trip.target_soc_pct,
            car_id=trip.vehicle_id,
        )
        for trip in of
    ]


def enough_cars(
    seed: int, stations: Sequence[Station], at_least: int, begin_s: float, horizon_s: float
) -> int:
    """The number of cars from which on the nearest-pile policy queues."""
    count = at_least
    while count < MOST_CARS:
        tried = demands(trips(seed, stations, count, begin_s, horizon_s))
        figures = nearest_baseline(stations, tried, (), begin_s + horizon_s)
        if figures.mean_wait_s >= QUEUE_WANTED_S:
            break
        count += max(2, count // 4)
    return count


def _distance_km(one: Station, other: Station) -> float:
    north = (one.latitude_deg - other.latitude_deg) * KM_PER_DEGREE
    east = (one.longitude_deg - other.longitude_deg) * KM_PER_DEGREE * 0.924
    return float((north**2 + east**2) ** 0.5)
