"""Rules of both documents as the whole pipeline shows them: a request in, columns out.

What formulas give for their printed figures is in `test_seed_figures.py`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from served_brain import HERE, KM_LAT, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import Station, Tariff, TariffElement
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.features import COLUMN
from coordinator.core.recommend.pipeline import rank
from coordinator.core.vehicle import (
    ChargePlace,
    ChargingRequest,
    SelectBy,
    Vehicle,
    WarningLevel,
)

NOW_S = 1_795_000_000.0
ROAD = 1.3  # straight km to road km without a road network


def north(km: float) -> tuple[float, float]:
    """A place so far north of the car."""
    return HERE[0] + km * KM_LAT, HERE[1]


def asking(soc_pct: float = 60.0, **fields: object) -> ChargingRequest:
    plain = ChargingRequest("r", "car", Vehicle(60.0), soc_pct, *HERE)
    return replace(plain, **fields)  # type: ignore[arg-type]


def town(*stations: Station) -> District:
    """Stations whose EVSEs are all free, without a past."""
    return district_of(stations, NOW_S, 0.0)


def judged(
    district: District, request: ChargingRequest, context: Context | None = None
) -> tuple[Columns, dict[str, int]]:
    """The columns, and where the first EVSE of each station stands in them."""
    columns = rank(district, request, context or Context(), Models(), NOW_S).columns
    assert columns is not None
    places: dict[str, int] = {}
    for place, row in enumerate(columns.candidates.evse.tolist()):
        places.setdefault(district.stations[int(district.station[row])].station_id, place)
    return columns, places


def test_pile_near_the_destination_scores_90_and_the_far_one_70() -> None:
    """Step 610: a driver who wants to charge at the place A."""
    district = town(station("NEAR", 5.2), station("FAR", 3.0))
    request = asking(destination=north(5.0), charge_place=ChargePlace.AT_DESTINATION)

    columns, at = judged(district, request)

    assert columns.first[at["NEAR"]] == pytest.approx(90.0)
    assert columns.first[at["FAR"]] == pytest.approx(70.0, abs=0.1)


def test_pile_on_the_way_scores_by_its_detour() -> None:
    """Step 610: charging on the way, what counts is how much longer the way becomes."""
    district = town(station("ON_THE_WAY", 3.0), station("BEHIND", -3.0))

    columns, at = judged(district, asking(destination=north(6.0)))

    assert columns.first[at["ON_THE_WAY"]] == pytest.approx(90.0)
    assert columns.drive.detour_km[at["BEHIND"]] == pytest.approx(6.0 * ROAD, rel=0.01)
    assert columns.first[at["BEHIND"]] < 10.0


@pytest.mark.parametrize("wish", ["half an hour", "a clock time"])
def test_each_minute_late_costs_two_points(wish: str) -> None:
    """Step 610: "within half an hour", "before nine o'clock"."""
    district = town(station("A", 3.0))
    free, at = judged(district, asking(destination=north(6.0)))
    # By car to the pile, wait, charge, and on to the destination.
    total_s = (
        free.drive.drive_s[0] + free.wait.expected_s[0] + free.charge_s[0] + free.drive.onward_s[0]
    )
    allowed_s = total_s - 300.0
    wishes = (
        {"expected_travel_s": allowed_s}
        if wish == "half an hour"
        else {"arrive_by_s": NOW_S + allowed_s}
    )

    late, _ = judged(district, asking(destination=north(6.0), **wishes))

    assert free.first[at["A"]] - late.first[at["A"]] == pytest.approx(10.0)


def test_without_a_destination_only_failure_is_scored() -> None:
    """Step 630: no travel demand, no first score."""
    columns, _ = judged(town(station("A", 3.0)), asking())

    assert np.isnan(columns.first).all()
    assert columns.merged.tolist() == columns.second.tolist()


def test_pile_that_fails_more_is_scored_lower_and_chosen_later() -> None:
    """Steps 340, 420, 620: the rate of the map reaches score and order."""
    district = town(station("A", 3.0), station("B", 3.0))
    district.failure_rate[:] = [0.9, 0.01]
    district.observed_at_s[:] = NOW_S

    columns, at = judged(district, asking())
    first = int(rank(district, asking(), Context(), Models(), NOW_S).rows[0])

    assert columns.p_working[at["A"]] < columns.p_working[at["B"]]
    assert columns.merged[at["A"]] < columns.merged[at["B"]] == 95.0
    assert first == 1


def test_weight_of_failure_grows_with_what_is_known_of_the_pile() -> None:
    """Step 630: the second weight of a pile observed for a month and of a new one."""
    district = town(station("NEW", 3.0), station("KNOWN", 3.0))
    district.exposure_days[:] = [0.0, 30.0]

    columns, at = judged(district, asking())

    assert columns.failure_weight[at["NEW"]] == pytest.approx(0.3)
    assert columns.failure_weight[at["KNOWN"]] == pytest.approx(0.45)


def test_cold_and_climbing_shorten_the_reach() -> None:
    """Paper 2.2.2: weather, air conditioning and hills raise consumption, so less is in reach."""
    district = town(station("A", 3.0))
    reach_km = [
        rank(district, asking(air_conditioning=air), context, Models(), NOW_S).reach_km
        for air, context in (
            (None, Context()),
            (False, Context(temperature_c=-6.7)),
            (True, Context(temperature_c=-6.7)),
            (None, Context(climb_m_per_km=20.0)),
        )
    ]

    assert reach_km[0] > reach_km[1] > reach_km[2]
    assert reach_km[0] > reach_km[3]


def test_little_time_left_makes_a_car_urgent() -> None:
    """Paper 2.2.2: less than 20 min of driving beyond the nearest usable pile."""
    district = town(station("A", 1.0, 20))

    large = rank(district, asking(30.0), Context(), Models(), NOW_S)
    small = rank(district, asking(30.0, vehicle=Vehicle(5.0)), Context(), Models(), NOW_S)

    assert (large.level, large.level_reason) == (WarningLevel.MEDIUM, "SOME_CHARGE")
    assert (small.level, small.level_reason) == (WarningLevel.HIGH, "LITTLE_TIME")


def test_many_cars_around_few_piles_make_a_car_more_urgent() -> None:
    """Paper 2.2.3: beyond the national ratio of 7.6 cars for each pile."""
    district = town(station("A", 1.0, 20))

    few = rank(district, asking(), Context(cars_around=152), Models(), NOW_S)
    many = rank(district, asking(), Context(cars_around=153), Models(), NOW_S)

    assert (few.level, few.level_reason) == (WarningLevel.LOW, "NO_HURRY")
    assert (many.level, many.level_reason) == (WarningLevel.MEDIUM, "MANY_CARS")


def test_level_two_leaves_out_the_too_near_and_the_too_slow() -> None:
    """Paper 2.3.2.2: a suitable distance and a suitable charge rate; not for urgent cars."""
    stations = [
        station("AT_HAND", 0.05), station("GOOD", 2.0, 20), station("SLOW", 2.0, power_kw=7.0),
    ]  # fmt: skip

    _, calm = judged(town(*stations), asking(60.0))
    _, urgent = judged(town(*stations), asking(10.0))

    assert set(calm) == {"GOOD"}
    assert set(urgent) == {"AT_HAND", "GOOD", "SLOW"}


def test_level_two_leaves_out_what_would_use_up_the_range() -> None:
    """Paper 2.3.2.2: beyond 60 % of the range is too far, unless nothing else is there."""
    car = asking(16.0, vehicle=Vehicle(60.0, consumption_kwh_per_km=0.2))  # 43 km of reach
    far, at_hand = station("FAR", 20.0), station("AT_HAND", 0.05, 20)

    _, some = judged(town(far, at_hand, station("GOOD", 2.0)), car)
    rest = rank(town(far, at_hand), car, Context(), Models(), NOW_S)

    assert set(some) == {"GOOD"}
    assert rest.relaxed == ("DISTANCE_BAND",)
    assert len(rest.rows)


def test_load_counts_for_the_low_level_only() -> None:
    """Paper 2.3.2.3: use of the piles and traffic are level three."""
    district = town(station("USED", 2.0, 20), station("IDLE", 2.0, 20))
    district.served_today[:20] = 10

    low, at = judged(district, asking(60.0))
    medium, at_medium = judged(district, asking(30.0))

    assert low.equilibrium[at["USED"]] == pytest.approx(1.0)
    assert low.equilibrium[at["IDLE"]] == pytest.approx(-1.0)
    assert low.cost.load[at["USED"]] - low.cost.load[at["IDLE"]] == pytest.approx(60.0)
    assert medium.cost.load[at_medium["USED"]] == 0.0


def test_little_used_pile_is_preferred_among_equals() -> None:
    """Paper 2.3.2.3: the sixth car is not sent where five were served already."""
    district = town(station("USED", 2.0, 20), station("IDLE", 2.0, 20))
    district.served_today[:20] = 10

    first = int(rank(district, asking(60.0), Context(), Models(), NOW_S).rows[0])

    assert first >= 20


def test_price_is_that_of_this_session() -> None:
    """Paper 2.3.2.2: energy and time of this charge by each tariff; the lowest total wins."""
    district = town(station("BY_KWH", 2.0, tariff="KWH"), station("BY_HOUR", 2.0, tariff="HOUR"))
    district.put_tariffs(
        [
            Tariff("KWH", "CNY", (TariffElement("ENERGY", 1.2), TariffElement("FLAT", 2.0))),
            Tariff("HOUR", "CNY", (TariffElement("TIME", 6.0),)),
        ]
    )

    columns, at = judged(district, asking(30.0, select_by=SelectBy.PRICE))
    first = rank(district, asking(30.0, select_by=SelectBy.PRICE), Context(), Models(), NOW_S)

    kwh, hour = at["BY_KWH"], at["BY_HOUR"]
    assert columns.price[kwh] == pytest.approx(2.0 + 1.2 * columns.energy_kwh[kwh])
    assert columns.price[hour] == pytest.approx(6.0 * columns.charge_s[hour] / 3600.0)
    assert columns.price[hour] < columns.price[kwh]
    assert first.rows.tolist()[0] == district.station_start[1]


def test_habit_makes_a_station_preferred_and_counts_by_distance() -> None:
    """Paper Eq. (3), step 510: visits of this user over the distance now."""
    district = town(station("NEAR", 2.0), station("USUAL", 4.0))
    visits = {district.station_row["USUAL"]: 6, district.station_row["NEAR"]: 2}

    columns, at = judged(district, asking(user_id="u"), Context(visits=visits))

    assert columns.preference[at["USUAL"]] == pytest.approx(6 / (4.0 * ROAD), rel=0.01)
    assert columns.preference[at["NEAR"]] == pytest.approx(2 / (2.0 * ROAD), rel=0.01)


def test_least_total_time_is_drive_and_wait_and_charge() -> None:
    """Paper Eq. (5): a farther pile that charges faster is sooner done."""
    district = town(station("SLOW", 2.0, power_kw=20.0), station("FAST", 4.0, power_kw=150.0))

    soonest = rank(
        district, asking(10.0, select_by=SelectBy.TOTAL_TIME), Context(), Models(), NOW_S
    )
    nearest = rank(district, asking(10.0, select_by=SelectBy.TIME), Context(), Models(), NOW_S)

    assert (int(soonest.rows[0]), int(nearest.rows[0])) == (1, 0)


def test_charge_takes_longer_near_full() -> None:
    """Paper Eq. (7) with a curve that tapers: the last third takes more than its share."""
    district = town(station("A", 2.0))
    half = judged(district, asking(30.0, target_soc_pct=60.0))[0]
    whole = judged(district, asking(30.0, target_soc_pct=90.0))[0]

    assert whole.charge_s[0] > 2.0 * half.charge_s[0]
    assert whole.energy_kwh[0] > 1.9 * half.energy_kwh[0]


def test_queue_ahead_is_waited_for() -> None:
    """Step 330: each car in the queue costs a mean session of its current."""
    district = town(station("A", 2.0), station("B", 2.0))
    district.queue_length[:] = [2, 0]

    columns, at = judged(district, asking(10.0))
    shortest = rank(district, asking(10.0, select_by=SelectBy.QUEUE), Context(), Models(), NOW_S)

    assert columns.wait.ahead[at["A"]] == 2
    assert columns.wait.p50_s[at["A"]] > 2 * 20 * 60.0 > columns.wait.p50_s[at["B"]]
    assert int(shortest.rows[0]) == 1


def test_what_a_candidate_is_enters_the_sorting_model() -> None:
    """Step 510: current, power, place and queue are columns of the ranker."""
    district = town(station("A", 2.0, 20), station("B", 3.0, 20, power_kw=50.0))
    district.queue_length[:] = [0] * 20 + [1] * 20

    columns, at = judged(district, asking(60.0))
    a, b = columns.features[at["A"]], columns.features[at["B"]]

    assert a[COLUMN["dc"]] == b[COLUMN["dc"]] == 1.0
    assert a[COLUMN["expected_power_kw"]] > b[COLUMN["expected_power_kw"]] > 0.0
    assert a[COLUMN["distance_km"]] == pytest.approx(2.0 * ROAD, rel=0.01)
    assert (a[COLUMN["queue_length"]], b[COLUMN["queue_length"]]) == (0.0, 1.0)
    assert a[COLUMN["drive_min"]] < b[COLUMN["drive_min"]]


def test_model_of_the_car_decides_its_reach_and_little_charge_its_speed() -> None:
    """Step 330: time and reach depend on vehicle model and remaining power."""
    district = town(station("A", 2.0, 20))
    small, van = Vehicle(60.0, "Wuling Mini"), Vehicle(60.0, "Van")

    light = rank(district, asking(vehicle=small), Context(), Models(), NOW_S)
    heavy = rank(district, asking(vehicle=van), Context(), Models(), NOW_S)
    usual, at = judged(district, asking(10.0))
    careful, _ = judged(district, asking(9.9))

    assert light.reach_km > 2.0 * heavy.reach_km
    assert careful.drive.drive_s[at["A"]] == pytest.approx(usual.drive.drive_s[at["A"]] / 0.85)
