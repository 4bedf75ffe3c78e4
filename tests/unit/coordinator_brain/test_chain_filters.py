"""The chain of factors and filters, level by level, through the pipeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import (
    BayState,
    Connector,
    Evse,
    EvseStatus,
    Payment,
    Pile,
    PowerType,
    Station,
    Tariff,
    TariffElement,
)
from coordinator.core.recommend import chain
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.features import COLUMN, FEATURES
from coordinator.core.recommend.pipeline import rank
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import ChargingRequest, Vehicle, WarningLevel

NOW_S = 1_795_000_000.0
NOON = Context(utc_offset_h=12.0 - NOW_S / 3600.0 % 24.0)
SOC_PCT = {WarningLevel.HIGH: 10.0, WarningLevel.MEDIUM: 30.0, WarningLevel.LOW: 60.0}
EVERYONE = tuple(SOC_PCT)


def town(*extra_km: float) -> District:
    """Near stations A and B of 40 EVSEs each, and others so far north, X0, X1, ..."""
    more = [station(f"X{number}", km) for number, km in enumerate(extra_km)]
    district = district_of([station("A", 1.0, 40), station("B", 2.0, 40), *more], NOW_S, 0.0)
    district.changed_at_s[:] = NOW_S
    return district


def asked(
    district: District, level: WarningLevel, context: Context = NOON, **fields: object
) -> Ranked:
    request = ChargingRequest("r", "car", Vehicle(60.0), SOC_PCT[level], *HERE)
    ranked = rank(district, replace(request, **fields), context, Models(), NOW_S)  # type: ignore[arg-type]
    assert ranked.level is level
    return ranked


def names(district: District, ranked: Ranked) -> set[str]:
    """Stations that are left."""
    return {district.stations[int(district.station[row])].station_id for row in ranked.rows}


def row_of(district: District, name: str) -> int:
    return district.row[f"{name}-1*1"]


def likely_to_fail(district: District) -> None:
    district.failure_rate[row_of(district, "X0")] = 1.0


def silent(district: District) -> None:
    district.status[row_of(district, "X0")] = EvseStatus.UNKNOWN


def four_cars_there(district: District) -> None:
    district.queue_length[row_of(district, "X0")] = 4


def parked_up(district: District) -> None:
    district.bay[row_of(district, "X0")] = BayState.OCCUPIED


def much_dearer(district: District) -> None:
    district.put_tariffs([Tariff("U", "CNY", (TariffElement("ENERGY", 9.0),))])
    dear = replace(district.stations[district.station_row["X0"]], tariff_id="U")
    district.put_stations([dear])


def overused(district: District) -> None:
    district.served_today[:] = 1
    district.served_today[row_of(district, "X0")] = 9


def long_queue(district: District) -> None:
    district.hold(row_of(district, "X0"), 1, NOW_S + 7_200.0)


CASES = [
    ("HEARD", 1.5, silent, EVERYONE),
    ("WORKING", 20.0, likely_to_fail, EVERYONE),
    ("OCCUPANCY", 1.5, four_cars_there, EVERYONE),
    ("PARKING", 1.5, parked_up, EVERYONE),
    ("DISTANCE_BAND", 0.1, None, (WarningLevel.MEDIUM, WarningLevel.LOW)),
    ("WAITING", 1.5, long_queue, (WarningLevel.MEDIUM, WarningLevel.LOW)),
    ("PRICE", 1.5, much_dearer, (WarningLevel.MEDIUM, WarningLevel.LOW)),
    ("EQUILIBRIUM", 1.5, overused, (WarningLevel.LOW,)),
]


@pytest.mark.parametrize("level", EVERYONE)
@pytest.mark.parametrize(("name", "km", "spoil", "levels"), CASES, ids=[c[0] for c in CASES])
def test_each_filter_applies_from_its_level_on(
    name: str, km: float, spoil: object, levels: tuple[WarningLevel, ...], level: WarningLevel
) -> None:
    """A station that fails one filter is left out at the levels of that filter, and only there."""
    district = town(km)
    if callable(spoil):
        assert "X0" in names(district, asked(district, level))
        spoil(district)
        district.derived.clear()

    after = asked(district, level)

    assert ("X0" in names(district, after)) is (level not in levels)
    assert after.relaxed == ()
    first = dict(chain.FILTERS)[name]
    assert levels == tuple(one for one in EVERYONE if one >= first)


@pytest.mark.parametrize("level", EVERYONE)
def test_a_silent_pile_is_taken_where_all_else_costs_more_than_a_second_try(
    level: WarningLevel,
) -> None:
    """Nobody is sent far only because the pile at hand is not heard of."""
    near, far = district_of([station("S", 1.0, 80), station("A", 20.0, 3)], NOW_S, 0.0), town(0.5)
    near.status[:80] = EvseStatus.UNKNOWN
    far.status[row_of(far, "X0")] = EvseStatus.UNKNOWN

    assert "S" in names(near, asked(near, level))
    assert "X0" not in names(far, asked(far, level))


def test_charge_rate_leaves_slow_piles_to_cars_in_need() -> None:
    """A pile with a tenth of the power of the others is a candidate at level one alone."""
    for level in EVERYONE:
        district = district_of(
            [station("A", 1.0, 40), station("B", 2.0, 40), station("S", 1.5, 1, 10.0)], NOW_S, 0.0
        )
        assert ("S" in names(district, asked(district, level))) is (level is WarningLevel.HIGH)


class JamToTheNorth(EstimatedRoads):
    """Roads on which the way to one station is a jam."""

    def grades(self, *_: object) -> NDArray[np.float64]:
        return np.array([1.0, 5.0, 1.0])


@pytest.mark.parametrize("level", EVERYONE)
def test_a_jammed_way_is_avoided_by_cars_without_haste(level: WarningLevel) -> None:
    """Traffic of the way is a filter of level three alone."""
    district = town(3.0)
    context = replace(NOON, roads=JamToTheNorth())

    left = names(district, asked(district, level, context))

    assert left == ({"A", "X0"} if level is WarningLevel.LOW else {"A", "B", "X0"})


def test_filters_that_would_leave_nothing_are_relaxed_and_named() -> None:
    """The car still gets an answer, which says what was given up; earlier filters stay."""
    district = district_of([station("A", 0.1, 40), station("B", 0.15, 40)], NOW_S, 0.0)
    district.hold(0, 1, NOW_S + 60.0)

    ranked = asked(district, WarningLevel.MEDIUM)

    assert ranked.relaxed == ("DISTANCE_BAND",)
    assert names(district, ranked) == {"A", "B"}


def test_of_two_filters_that_exclude_each_other_the_later_gives_way() -> None:
    """Only the far station suits the distance, only the near ones the price."""
    district = town(1.5)
    much_dearer(district)
    keep = np.array([[True, True]])
    passing = [keep] * len(chain.FILTERS)
    order = [name for name, _ in chain.FILTERS]
    passing[order.index("DISTANCE_BAND")] = np.array([[True, False]])
    passing[order.index("PRICE")] = np.array([[False, True]])

    left = chain.apply(np.array([[3]]), keep, passing)

    assert left.keep.tolist() == [[True, False]]
    assert left.relaxed == [("PRICE",)]
    assert left.reason(0, 1) == "DISTANCE_BAND"


def test_every_column_of_the_ranker_belongs_to_one_factor() -> None:
    """No column escapes the chain but hour and level, which are the same for all candidates."""
    grouped = [
        column
        for factors in chain.FACTORS.values()
        for columns in factors.values()
        for column in columns
    ]

    assert len(grouped) == len(set(grouped))
    same_for_all = {"hour_sin", "hour_cos", "level_high", "level_medium", "level_low"}
    assert set(grouped) | same_for_all == set(FEATURES)


@pytest.mark.parametrize("level", EVERYONE)
def test_factors_above_the_level_are_neutral_for_the_ranker(level: WarningLevel) -> None:
    """What a level does not look at is the same for all candidates, so it orders nothing."""
    district = district_of([station("A", 1.0, 40), station("B", 2.0, 40, 60.0)], NOW_S, 0.0)
    district.put_tariffs([Tariff("U", "CNY", (TariffElement("ENERGY", 1.3),))])
    district.put_stations([replace(district.stations[1], tariff_id="U")])
    district.served_today[:] = np.arange(len(district)) % 3
    district.expected_arrivals[:] = np.arange(len(district)) % 2
    context = replace(NOON, visits={0: 3})
    ranked = asked(district, level, context, user_id="u")
    assert ranked.columns is not None
    rows: NDArray[np.float32] = ranked.columns.features

    for first, factors in chain.FACTORS.items():
        for column in (name for names in factors.values() for name in names):
            varies = float(np.ptp(rows[:, COLUMN[column]])) > 1e-3
            if level < first:
                assert not varies, column
            elif first is not WarningLevel.HIGH and column != "traffic_grade":
                assert varies, column


def test_price_counts_in_the_cost_from_level_two_and_load_at_level_three() -> None:
    """A car in need is not sent further to save money, nor to spare a pile."""
    district = town(1.5)
    district.served_today[:] = np.arange(len(district)) % 3
    counted = {}
    for level in EVERYONE:
        columns = asked(district, level).columns
        assert columns is not None
        counted[level] = bool(columns.cost.price.any()), bool(columns.cost.load.any())

    assert counted == {
        WarningLevel.HIGH: (False, False),
        WarningLevel.MEDIUM: (True, False),
        WarningLevel.LOW: (True, True),
    }


def test_a_car_is_not_sent_where_it_cannot_pay() -> None:
    """A station that takes other payments is no candidate; one that says nothing takes any."""
    district = town(1.5)
    cash = replace(district.stations[0], payment_methods=(Payment.RFID,))
    district.put_stations([cash])
    district.status[:] = EvseStatus.AVAILABLE

    by_app = names(district, asked(district, WarningLevel.LOW, payments=(Payment.APP,)))
    by_card = names(district, asked(district, WarningLevel.LOW, payments=(Payment.RFID,)))

    assert by_app == {"B", "X0"}
    assert by_card == {"A", "B", "X0"}


def test_a_full_parking_is_no_place_to_wait() -> None:
    """Where all spaces are taken a car may charge at once, but not queue."""
    district = district_of([station("A", 1.0, 2), station("B", 2.0, 40)], NOW_S, 0.0)
    district.put_stations([replace(district.stations[0], parking_space_count=2)])
    district.status[:2] = EvseStatus.CHARGING
    district.changed_at_s[:2] = NOW_S - 1_900.0
    full = asked(district, WarningLevel.LOW)
    district.derived.clear()
    district.put_stations([replace(district.stations[0], parking_space_count=3)])
    roomy = asked(district, WarningLevel.LOW)

    assert "A" not in names(district, full)
    assert "A" in names(district, roomy)


@pytest.mark.parametrize(
    ("soc_pct", "target_soc_pct"), [(100.0, 80.0), (100.0, 100.0), (85.0, 80.0)]
)
def test_charge_rate_is_no_matter_to_a_car_that_misses_no_charge(
    soc_pct: float, target_soc_pct: float
) -> None:
    """A slow pile is not the better one for a full car because a fast one tapers at its end."""
    slow = Station(
        "SLOW", "Slow", HERE[0] + 9.0 / 111.2, HERE[1],
        (Pile("S", "SLOW", (Evse("S*1", (Connector("1", 25, PowerType.AC_3_PHASE, 22.0),)),)),),
    )  # fmt: skip
    district = district_of([station("A", 1.0, 40), slow], NOW_S, 0.0)
    request = ChargingRequest(
        "r", "car", Vehicle(60.0, max_ac_power_kw=22.0), soc_pct, *HERE,
        target_soc_pct=target_soc_pct,
    )  # fmt: skip

    ranked = rank(district, request, NOON, Models(), NOW_S)

    assert names(district, ranked) == {"A", "SLOW"}
    assert ranked.columns is not None
    assert int(ranked.columns.candidates.evse[ranked.order[0]]) != district.row["S*1"]
    features = ranked.columns.features[:, COLUMN["expected_power_kw"]]
    assert np.allclose(features, features[0])
