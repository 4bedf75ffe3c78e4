"""By which km a car must charge, and at which station, where piles are few."""

from __future__ import annotations

import math

import pytest
from served_brain import CCS2, HERE, KM_LAT, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, Payment
from coordinator.core.recommend import explain, reminder
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import ChargingRequest, Vehicle
from coordinator.usecases import reminding

NOW_S = 1_795_000_000.0
ROADS = EstimatedRoads(detour_factor=1.0)
CAR = Vehicle(battery_kwh=60.0, consumption_kwh_per_km=0.18, connector_mask=1 << CCS2)


def ask(soc_pct: float = 20.0, north_km: float | None = None) -> ChargingRequest:
    """A car at `HERE` that gets 3 km far with each per cent, going so far north."""
    destination = None if north_km is None else (HERE[0] + north_km * KM_LAT, HERE[1])
    return ChargingRequest("r", "car", CAR, soc_pct, *HERE, destination=destination)


def ranked(district: District, request: ChargingRequest, **world: object) -> Ranked:
    """The pipeline's answer with straight roads."""
    return rank(district, request, Context(roads=ROADS, **world), Models(), NOW_S)  # type: ignore[arg-type]


def due(district: District, request: ChargingRequest, **world: object) -> Reminder:
    """The reminder, which must be due."""
    found = ranked(district, request, **world).reminder
    assert found is not None
    return found


def thin() -> District:
    """One EVSE at each of 10, 30, 50 and 90 km north, and one 5 km south."""
    stations = [station(f"N{km}", float(km)) for km in (10, 30, 50, 90)]
    return district_of([*stations, station("S5", -5.0)], NOW_S, 0.0)


def test_reminder_names_the_farthest_reachable_station_towards_the_destination() -> None:
    """With 60 km of range and 100 km to go, the station at 50 km is the last one."""
    district = thin()

    found = due(district, ask(20.0 / 0.9, north_km=100.0))

    assert found.code == reminder.AHEAD
    assert district.stations[found.station].station_id == "N50"
    assert found.before_km == pytest.approx(50.0, abs=0.1)
    assert found.why == "THIN_AREA"


def test_reminder_passes_over_a_station_that_is_out_of_order() -> None:
    """A broken last station is none: the one before it is named."""
    district = thin()
    district.status[district.row["N50-1*1"]] = EvseStatus.OUTOFORDER

    found = due(district, ask(20.0 / 0.9, north_km=100.0))

    assert district.stations[found.station].station_id == "N30"


def test_reminder_without_a_destination_is_the_point_of_no_return() -> None:
    """With 60 km of range and a station 5 km away, 27.5 km further still leaves a way back."""
    district = thin()

    found = due(district, ask(20.0))

    assert found.code == reminder.OR_RETURN
    assert district.stations[found.station].station_id == "S5"
    assert found.before_km == pytest.approx((20.0 * 3.0 - 5.0) / 2.0, abs=0.1)


def test_reminder_turns_back_where_no_station_lies_ahead() -> None:
    """A destination without any usable station before it leaves only the way back."""
    district = district_of([station("S5", -5.0)], NOW_S, 0.0)

    found = due(district, ask(20.0, north_km=100.0))

    assert found.code == reminder.OR_RETURN
    assert found.before_km == pytest.approx(27.5, abs=0.1)


def test_reminder_is_due_where_nothing_is_reachable() -> None:
    """A car that cannot get anywhere hears how far it gets and where the nearest station is."""
    district = district_of([station("N30", 30.0)], NOW_S, 0.0)

    answer = ranked(district, ask(5.0))

    assert answer.batch is None
    assert answer.reminder is not None
    assert answer.reminder.code == reminder.SHORT
    assert answer.reminder.before_km == pytest.approx(15.0)
    assert answer.reminder.away_km == pytest.approx(30.0, abs=0.1)


def test_reminder_says_where_nothing_usable_is_known() -> None:
    """Where every pile is broken there is no station to name."""
    district = district_of([station("N1", 1.0)], NOW_S, 0.0)
    district.status[:] = EvseStatus.OUTOFORDER

    found = due(district, ask())

    assert (found.code, found.station) == (reminder.NOWHERE, reminder.NO_STATION)


def test_reminder_is_not_due_where_piles_are_many() -> None:
    """Fifteen EVSEs within 3 km are no thin area; fourteen are."""
    assert ranked(district_of([station("A", 1.0, 15)], NOW_S, 0.0), ask(80.0)).reminder is None
    assert ranked(district_of([station("A", 1.0, 14)], NOW_S, 0.0), ask(80.0)).reminder is not None


def test_reminder_is_due_among_many_cars() -> None:
    """114 cars for 15 EVSEs are 7.6 each; one more is too many."""
    district = district_of([station("A", 1.0, 15)], NOW_S, 0.0)

    assert ranked(district, ask(80.0), cars_around=114).reminder is None
    assert due(district, ask(80.0), cars_around=115).why == "MANY_CARS"


def test_scarcity_is_judged_without_regard_to_a_wanted_evse() -> None:
    """Asking for one EVSE alone, as a driver does, makes no area thin and no car urgent."""
    district = district_of([station("A", 1.0, 20)], NOW_S, 0.0)

    answer = ranked(district, ask(80.0), only=frozenset({3}))

    assert answer.level_reason == "NO_HURRY"
    assert answer.reminder is None
    assert answer.rows.tolist() == [3]


def test_usable_stations_fit_plug_and_payment() -> None:
    """A station that the car cannot plug into, or the driver cannot pay at, is no last station."""
    district = thin()
    layout = reminder.layout_of(district)
    layout.plugs[district.row["N10-1*1"]] = 1 << 2
    layout.payments[district.station_row["N30"]] = 1 << Payment.RFID
    request = ChargingRequest("r", "c", CAR, 50.0, *HERE, payments=(Payment.APP,))

    rows = reminder.usable_stations(district, layout, request, Context())

    assert [district.stations[row].station_id for row in rows] == ["N50", "N90", "S5"]


@pytest.mark.parametrize("language", explain.LANGUAGES)
@pytest.mark.parametrize(
    "code", [reminder.AHEAD, reminder.OR_RETURN, reminder.SHORT, reminder.NOWHERE]
)
def test_reminder_sentence_names_km_station_and_why(code: str, language: str) -> None:
    """The sentence is whole, short, and says the km, the station and the reason."""
    district = thin()
    row = reminder.NO_STATION if code == reminder.NOWHERE else 0

    told = reminding.told(district, Reminder(code, "THIN_AREA", 41.6, row, 50.0), language)

    assert "42" in told.text
    assert explain.sentence("WHY_THIN_AREA", language, {}) in told.text
    named = code in {reminder.AHEAD, reminder.OR_RETURN}  # others are of no use to the driver
    assert ("Station N10" in told.text) is named
    assert len(told.text) <= explain.TEXT_LIMIT
    assert "…" not in told.text


@pytest.mark.parametrize(
    ("found", "language", "text"),
    [
        (
            Reminder(reminder.OR_RETURN, "THIN_AREA", 0.4, 0, 59.0), "en",
            "Charge now, or there is no way back to Station N10; few piles here",
        ),
        (
            Reminder(reminder.AHEAD, "MANY_CARS", 0.3, 0, 0.3), "zh",
            "请立即充电：Station N10 是前方最后一个可用站点；车多桩少",
        ),
        (
            Reminder(reminder.SHORT, "FEW_PILES_IN_REACH", 60.0, 0, 2033.0), "en",
            "No usable station within the 60 km that your charge allows",
        ),
        (
            Reminder(reminder.SHORT, "THIN_AREA", 60.0, 0, 2033.0), "zh",
            "剩余电量可达的 60 公里内没有可用站点；此处充电桩稀少",
        ),
        (
            Reminder(reminder.SHORT, "THIN_AREA", 0.0, 0, 5.0), "en",
            "No usable station within what your charge allows; few piles here",
        ),
    ],
)  # fmt: skip
def test_reminder_sentence_says_neither_km_0_nor_a_station_out_of_reach(
    found: Reminder, language: str, text: str
) -> None:
    """Where it is time it says now; where no station is in reach it says only that, and why."""
    assert reminding.told(thin(), found, language).text == text


def test_reminder_is_told_again_when_its_margin_halves_or_its_station_fails() -> None:
    """It is told again at 20 of 40 km, not at 21, unless the station is of no use any more."""
    district = thin()
    before = reminding.told(district, Reminder(reminder.AHEAD, "THIN_AREA", 40.0, 1), "en")

    assert not reminding.again(district, before, Reminder(reminder.AHEAD, "THIN_AREA", 21.0, 1))
    assert reminding.again(district, before, Reminder(reminder.AHEAD, "THIN_AREA", 20.0, 1))
    assert not reminding.again(district, before, None)
    assert reminding.again(district, None, Reminder(reminder.AHEAD, "THIN_AREA", 40.0, 1))

    district.status[district.row["N30-1*1"]] = EvseStatus.OUTOFORDER

    assert reminding.again(district, before, Reminder(reminder.AHEAD, "THIN_AREA", 39.0, 0))


def test_reminder_margin_never_goes_below_zero() -> None:
    """A car that is farther from its station than its range has no km left to lose."""
    assert reminder.point_of_no_return_km(10.0, 20.0) == 0.0
    assert not math.isnan(reminder.point_of_no_return_km(0.0, 0.0))
