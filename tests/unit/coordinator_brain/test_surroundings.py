"""What is known of places, and what it makes of a drive: slower, uphill, or in frost."""

from __future__ import annotations

import math

import h3.api.basic_int as h3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_brain import HERE, KM_LAT, district_of, station

from coordinator.core import energy
from coordinator.core.district import District
from coordinator.core.recommend import pipeline
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.surroundings import (
    AGENT,
    GUIDE,
    NAMES,
    NOWHERE,
    ContextValue,
    StationContext,
    Surroundings,
    cell_at,
    cell_of,
    fault_of,
)
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW = 1_790_000_000.0
NOON_H = 12.0 - NOW / 3600.0 % 24.0


def told(name: str, value: float, north_km: float = 0.0, **more: object) -> ContextValue:
    """A value told a minute ago, so far north."""
    cell = cell_at(HERE[0] + north_km * KM_LAT, HERE[1])
    fields = {"source": "operator", "observed_at_s": NOW - 60.0} | more
    return ContextValue(cell, name, value, **fields)  # type: ignore[arg-type]


def test_the_finest_cell_that_has_a_value_is_believed() -> None:
    """A value of a small cell hides that of the large one around it; elsewhere the large holds."""
    fine = cell_at(*HERE, 9)
    coarse = h3.cell_to_parent(fine, 5)
    around = Surroundings(
        [
            ContextValue(coarse, "temperature_c", 20.0, "station", NOW),
            ContextValue(fine, "temperature_c", 5.0, "station", NOW),
        ]
    )

    assert around.around(*HERE, NOW).temperature_c == 5.0
    assert around.around(HERE[0] + KM_LAT, HERE[1], NOW).temperature_c == 20.0


@pytest.mark.parametrize(("age_s", "value"), [(3_599.0, 30.0), (3_600.0, None)])
def test_a_value_is_unknown_after_its_time(age_s: float, value: float | None) -> None:
    """An hour less a second it stands; after an hour the default stands in, and is named."""
    around = Surroundings([told("temperature_c", 30.0, observed_at_s=NOW - age_s)])

    seen = around.around(*HERE, NOW)

    assert seen.temperature_c == value
    assert ("temperature_c" in seen.unknown) == (value is None)


def test_nothing_told_is_unknown_and_never_zero() -> None:
    """Every name that decides something is listed as unknown."""
    seen = Surroundings().around(*HERE, NOW)

    assert seen is NOWHERE
    assert (seen.temperature_c, seen.traffic_grade, seen.height_m) == (None, None, None)
    assert seen.unknown == ("temperature_c", "traffic_grade", "height_m")


@pytest.mark.parametrize("source", [GUIDE, AGENT])
def test_what_was_seen_never_hides_what_was_told(source: str) -> None:
    """The operator's value stands until it is old; then what was seen counts."""
    around = Surroundings([told("traffic_grade", 5.0, ttl_s=120.0)])
    seen = told("traffic_grade", 1.0, source=source, observed_at_s=NOW)

    assert around.put([seen], NOW) == []
    assert around.around(*HERE, NOW).traffic_grade == 5.0
    assert around.put([seen], NOW + 60.0) == [seen]
    assert around.around(*HERE, NOW + 60.0).traffic_grade == 1.0


def test_an_older_value_never_hides_a_newer_one() -> None:
    """Values that come late are dropped."""
    around = Surroundings([told("temperature_c", 10.0)])

    around.put([told("temperature_c", 30.0, observed_at_s=NOW - 600.0)], NOW)

    assert around.around(*HERE, NOW).temperature_c == 10.0


def test_forgetting_leaves_what_stands() -> None:
    """Old values go, and are counted."""
    around = Surroundings([told("temperature_c", 10.0), told("height_m", 10.0, ttl_s=1e6)])

    assert around.prune(NOW + 7_200.0) == 1
    assert len(around) == 1


@given(st.sampled_from(sorted(NAMES)), st.floats(allow_nan=True, allow_infinity=True))
def test_a_value_is_believed_if_and_only_if_it_is_within_its_bounds(
    name: str, value: float
) -> None:
    """NaN and whatever is out of range is refused by the field, whatever the name."""
    least, greatest = NAMES[name]

    fault = fault_of(told(name, value), NOW)

    assert (fault is None) == (least <= value <= greatest)
    assert fault is None or fault[0] == "value"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"observed_at_s": NOW + 61.0}, "observed_at"),
        ({"observed_at_s": NOW - 3_600.0}, "observed_at"),
        ({"observed_at_s": math.nan}, "observed_at"),
        ({"ttl_s": -1.0}, "ttl_s"),
        ({"ttl_s": math.nan}, "ttl_s"),
        ({"ttl_s": 1e12}, "ttl_s"),
    ],
)
def test_a_value_of_no_time_is_refused(more: dict[str, float], field: str) -> None:
    """In the future, too old already, or standing for ever: the field is named."""
    fault = fault_of(told("temperature_c", 20.0, **more), NOW)

    assert fault is not None
    assert fault[0] == field


@pytest.mark.parametrize("text", ["", "zz", "0", "ffffffffffffffff", "8f2830828052d25"])
def test_what_is_no_cell_of_ours_is_refused(text: str) -> None:
    """No index, no cell, or one too fine: the text is named."""
    with pytest.raises(ValueError, match=r"cell|resolution"):
        cell_of(text)


def ranked(values: list[ContextValue], stations: District, **wishes: object) -> Ranked:
    """A car at HERE, with these surroundings, at noon."""
    fields = {"soc_pct": 50.0} | wishes
    request = ChargingRequest(
        "q", "v", Vehicle(60.0, consumption_kwh_per_km=0.18), latitude_deg=HERE[0],
        longitude_deg=HERE[1], **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    around = Surroundings(values)
    seen = around.around(*HERE, NOW)
    context = Context(
        utc_offset_h=NOON_H,
        temperature_c=seen.temperature_c,
        traffic_grade=seen.traffic_grade,
        height_m=seen.height_m,
        stations=around.at_stations(stations.station_lat_deg, stations.station_lon_deg, NOW),
    )
    return pipeline.rank(stations, request, context, Models(RULES_RANKER), NOW)


def drive(values: list[ContextValue], *names: str, **wishes: object) -> dict[str, list[float]]:
    """Columns of the drive to S1 (2 km) and S2 (6 km), in this order."""
    place = district_of([station("S1", 2.0), station("S2", 6.0)], NOW, 0.0)
    columns = ranked(values, place, **wishes).columns
    assert columns is not None
    order = columns.candidates.evse.argsort()
    made = {"grade": np.broadcast_to(columns.traffic_grade, order.shape)[order].tolist()}
    return made | {name: getattr(columns.drive, name)[order].tolist() for name in names}


def test_a_jam_at_one_station_makes_the_way_there_longer() -> None:
    """The grade of one end is half of the way; the other station is as far as ever."""
    free = drive([], "drive_s")
    jam = drive([told("traffic_grade", 5.0, 6.0)], "drive_s")

    assert jam["drive_s"][0] == pytest.approx(free["drive_s"][0])
    # Noon: 0.7 of the free speed at both ends; with a jam at one, (0.7 + 0.2) / 2.
    assert jam["drive_s"][1] == pytest.approx(free["drive_s"][1] * 0.7 / 0.45)
    assert jam["grade"] == [2.0, 3.5]


def test_a_jam_around_the_car_slows_every_way() -> None:
    """Where the car stands in it, all ways are slower, and idling takes charge."""
    free = drive([], "drive_s", "arrival_soc_pct")
    jam = drive([told("traffic_grade", 5.0)], "drive_s", "arrival_soc_pct")

    assert all(slow > usual for slow, usual in zip(jam["drive_s"], free["drive_s"], strict=True))
    assert jam["arrival_soc_pct"][1] < free["arrival_soc_pct"][1]


def test_free_streets_are_faster_than_the_hour_says() -> None:
    """Grade 1 at both ends: 0.9 of the free speed instead of noon's 0.7."""
    usual = drive([], "drive_s")
    free = drive([told("traffic_grade", 1.0), told("traffic_grade", 1.0, 6.0)], "drive_s")

    assert free["drive_s"][1] == pytest.approx(usual["drive_s"][1] * 0.7 / 0.9)


def test_climbing_takes_charge_and_rolling_down_gives_none() -> None:
    """S2 is 300 m higher: 1.9 t x g x 300 m / 0.9 = 1.7 kWh, 2.9 % of 60 kWh."""
    heights = [told("height_m", 100.0), told("height_m", 50.0, 2.0), told("height_m", 400.0, 6.0)]
    flat, hilly = drive([], "arrival_soc_pct"), drive(heights, "arrival_soc_pct")

    lost = np.subtract(flat["arrival_soc_pct"], hilly["arrival_soc_pct"])
    assert lost == pytest.approx([0.0, 100 * energy.climbing_kwh(np.array(300.0)) / 60.0])
    assert lost[1] == pytest.approx(2.876, abs=0.01)


def test_a_station_that_cannot_be_climbed_to_is_no_candidate() -> None:
    """8 % carry 20 km on the flat; 900 m up take 8.6 % of the battery."""
    place = district_of([station("S1", 2.0), station("S2", 3.0)], NOW, 0.0)
    heights = [told("height_m", 0.0), told("height_m", 900.0, 3.0)]

    flat, hilly = ranked([], place, soc_pct=8.0), ranked(heights, place, soc_pct=8.0)

    assert {place.evse_ids[row] for row in flat.rows} == {"S1-1*1", "S2-1*1"}
    assert {place.evse_ids[row] for row in hilly.rows} == {"S1-1*1"}


def test_frost_shortens_the_reach() -> None:
    """At -6.7 degrees with the heater on a car gets 59 % as far (AAA, 2019)."""
    place = district_of([station("S1", 2.0)], NOW, 0.0)

    usual = ranked([], place, air_conditioning=True)
    frost = ranked([told("temperature_c", -6.7)], place, air_conditioning=True)

    assert frost.reach_km == pytest.approx(usual.reach_km * 0.59)


def test_columns_of_stations_follow_the_told_at_once_and_the_seen_soon() -> None:
    """An operator's value shows in the next answer; what cars saw within ten seconds."""
    place = district_of([station("S1", 2.0)], NOW, 0.0)
    around = Surroundings([told("height_m", 1.0)])

    def grade(now_s: float) -> float:
        made = around.at_stations(place.station_lat_deg, place.station_lon_deg, now_s)
        return math.nan if made is None else float(made.traffic_grade[0])

    assert math.isnan(grade(NOW))
    around.put([told("traffic_grade", 2.0, 2.0, source=GUIDE)], NOW)
    assert math.isnan(grade(NOW + 9.0))
    assert grade(NOW + 10.0) == 2.0
    around.put([told("traffic_grade", 4.0, 2.0)], NOW + 10.0)
    assert grade(NOW + 11.0) == 4.0


def test_columns_say_whether_anything_is_known() -> None:
    """Who has no known value needs no look at them."""
    unknown, known = np.array([np.nan, np.nan]), np.array([np.nan, 2.0])

    made = StationContext(unknown, known, unknown, unknown)

    assert (made.any_grade, made.any_height, made.any_travel) == (False, True, False)
