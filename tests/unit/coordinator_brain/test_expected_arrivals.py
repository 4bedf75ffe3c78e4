"""Neighbours that may be on their way without having asked, and the cars that are about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_brain import HERE, KM_LAT, district_of, station

from coordinator.core.areas.ledger import Claim, ClaimState, Moment
from coordinator.core.district import District
from coordinator.core.geo import Places
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend import arrivals
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.districts import share_of
from coordinator.core.recommend.features import COLUMN
from coordinator.core.recommend.intention import Intention
from coordinator.core.recommend.intention_history import IntentionHistory
from coordinator.core.recommend.pipeline import look, rank
from coordinator.core.vehicle import ChargingRequest, Vehicle, WarningLevel
from coordinator.rpc.district_codec import fill_share, to_share
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.fleet import CARS_KEPT, HEARD_S, Fleet
from pilewise.v1.district_service_pb2 import FindCandidatesResponse

NOW_S = 1_795_000_000.0
ON_THE_WAY = Intention.ON_THE_WAY


def two_stations() -> District:
    """Two EVSEs 1 km north, two 10 km north."""
    return district_of([station("A", 1.0, 2), station("B", 10.0, 2)], NOW_S, 0.0)


def north(km: float) -> tuple[float, float]:
    """So far north of `HERE`."""
    return HERE[0] + km * KM_LAT, HERE[1]


def arrivals_at(district: District) -> dict[str, float]:
    """Expected arrivals by EVSE."""
    column = district.expected_arrivals.tolist()
    return dict(zip(district.evse_ids, column, strict=True))


async def test_neighbours_chances_are_summed_and_shared_out() -> None:
    """Three cars on their way near two EVSEs are one and a half for each, and none elsewhere."""
    district = two_stations()
    fleet = Fleet(district, MemoryClaims().table)
    for number in range(3):
        fleet.seen(f"car-{number}", "", HERE, 0.0, ON_THE_WAY)

    await fleet.refresh(IntentionHistory(), NOW_S, 1.0)

    assert arrivals_at(district) == {"A-1*1": 1.5, "A-2*1": 1.5, "B-1*1": 0.0, "B-2*1": 0.0}


async def test_history_says_how_likely_a_neighbour_is_on_its_way() -> None:
    """A car whose position says nothing counts with P(S1) of its driver at this half-hour."""
    district, history = two_stations(), IntentionHistory()
    fleet = Fleet(district, MemoryClaims().table)
    fleet.seen("car", "driver", HERE, 0.0, None)

    await fleet.refresh(history, NOW_S, 1.0)

    chance = history.p_on_the_way(["driver"], NOW_S)[0]
    assert 0.0 < chance < 0.1
    assert arrivals_at(district)["A-1*1"] == pytest.approx(chance / 2.0)


async def test_broken_evse_expects_nobody() -> None:
    """All of the neighbours go to what works."""
    district = two_stations()
    district.status[district.row["A-1*1"]] = EvseStatus.OUTOFORDER
    fleet = Fleet(district, MemoryClaims().table)
    fleet.seen("car", "", HERE, 0.0, ON_THE_WAY)

    await fleet.refresh(IntentionHistory(), NOW_S, 1.0)

    assert arrivals_at(district)["A-2*1"] == 1.0


async def test_car_that_asks_is_counted_by_the_ledger_alone() -> None:
    """Its share goes at once, and does not come back: nobody waits for himself."""
    district = two_stations()
    fleet = Fleet(district, MemoryClaims().table)
    for name in ("one", "two"):
        fleet.seen(name, "", HERE, 0.0, ON_THE_WAY)
    await fleet.refresh(IntentionHistory(), NOW_S, 1.0)

    fleet.asked("one", "", HERE, 2.0)

    assert arrivals_at(district)["A-1*1"] == pytest.approx(0.5)
    await fleet.refresh(IntentionHistory(), NOW_S, 3.0)
    assert arrivals_at(district)["A-1*1"] == pytest.approx(0.5)


async def test_car_that_holds_a_place_is_not_expected_anywhere() -> None:
    """What is promised already counts as promised, not as likely."""
    district, claims = two_stations(), MemoryClaims()
    moment = Moment(NOW_S, 0.0)
    wish = Claim(
        "c", "A-1*1", "car", NOW_S, NOW_S + 60.0, WarningLevel.LOW, ClaimState.OFFERED, 30.0
    )
    await claims.claim(wish, moment)
    fleet = Fleet(district, claims.table)
    fleet.seen("car", "", HERE, 0.0, ON_THE_WAY)

    await fleet.refresh(IntentionHistory(), NOW_S, 1.0)

    assert not district.expected_arrivals.any()


async def test_car_at_a_pile_is_not_expected_anywhere() -> None:
    """S2 has arrived: its place shows as charging or blocked."""
    district = two_stations()
    fleet = Fleet(district, MemoryClaims().table)
    fleet.seen("car", "", HERE, 0.0, Intention.AT_PILE)

    await fleet.refresh(IntentionHistory(), NOW_S, 1.0)

    assert not district.expected_arrivals.any()


async def test_cars_around_are_counted_within_three_km_and_half_an_hour() -> None:
    """Unknown before the first count; then near cars heard of lately, that asked or not."""
    fleet = Fleet(two_stations(), MemoryClaims().table)
    fleet.asked("near", "", north(1.0), 0.0)
    fleet.seen("far", "", north(5.0), 0.0, None)
    fleet.seen("also near", "", north(-1.0), HEARD_S / 2.0, None)
    assert fleet.cars_around(*HERE) is None

    await fleet.refresh(IntentionHistory(), NOW_S, HEARD_S)
    assert fleet.cars_around(*HERE) == 2
    await fleet.refresh(IntentionHistory(), NOW_S, HEARD_S + 1.0)
    assert fleet.cars_around(*HERE) == 1


async def test_too_many_cars_are_forgotten_oldest_first() -> None:
    """Memory is bounded whatever number of pseudonyms comes."""
    fleet = Fleet(two_stations(), MemoryClaims().table)
    for number in range(CARS_KEPT + 5):
        fleet.asked(f"car-{number}", "", north(50.0), float(number) / CARS_KEPT)

    await fleet.refresh(IntentionHistory(), NOW_S, 2.0)

    assert len(fleet) == CARS_KEPT


def test_expected_cars_lengthen_the_wait_and_turn_the_choice() -> None:
    """Of two like stations the one that many neighbours drive to comes second."""
    district = district_of([station("A", 2.0, 20), station("B", -2.0, 20)], NOW_S, 0.0)
    request = ChargingRequest("r", "c", Vehicle(60.0), 50.0, *HERE)
    rows = district.station == district.station_row["A"]
    before = rank(district, request, Context(), Models(), NOW_S)
    assert before.columns is not None

    district.expected_arrivals[rows] = 2.0
    after = rank(district, request, Context(), Models(), NOW_S)

    assert after.columns is not None
    at_a = rows[after.columns.candidates.evse]
    assert not at_a[after.order[0]]
    assert (after.columns.p_free[at_a] < before.columns.p_free[at_a]).all()
    assert (after.columns.wait.expected_s[at_a] > before.columns.wait.expected_s[at_a]).all()
    assert (after.columns.p_free[~at_a] == before.columns.p_free[~at_a]).all()


@pytest.mark.parametrize("level", list(WarningLevel)[1:])
def test_sorting_model_sees_the_neighbours_but_not_for_urgent_cars(level: WarningLevel) -> None:
    """The column is the district's own; for a car in need it is the same for all.

    Source: paper 1 ("not applicable for users with urgent needs").
    """
    district = district_of([station("A", 2.0, 20), station("B", -2.0, 20)], NOW_S, 0.0)
    district.expected_arrivals[:] = np.arange(len(district)) % 3
    soc_pct = {WarningLevel.HIGH: 14.0, WarningLevel.MEDIUM: 35.0, WarningLevel.LOW: 60.0}[level]
    request = ChargingRequest("r", "c", Vehicle(60.0), soc_pct, *HERE)

    ranked = rank(district, request, Context(), Models(), NOW_S)

    assert ranked.columns is not None
    assert ranked.level is level
    seen = ranked.columns.features[:, COLUMN["expected_arrivals"]]
    own = district.expected_arrivals[ranked.columns.candidates.evse]
    assert np.array_equal(seen, own if level > WarningLevel.HIGH else np.zeros(len(own)))


def test_city_sees_the_neighbours_of_each_district() -> None:
    """The column survives the wire between a district and the city."""
    district = district_of([station("A", 2.0, 4), station("B", -2.0, 4)], NOW_S, 0.0)
    district.expected_arrivals[:] = np.arange(len(district)) * 0.25
    request = ChargingRequest("r", "c", Vehicle(60.0), 60.0, *HERE)
    share = share_of("d", district, *look(district, [request], [Context()], NOW_S))
    message = FindCandidatesResponse()
    fill_share(message, share, range(len(share.evse_ids)))

    facts = to_share(message)

    rows = [district.row[evse_id] for evse_id in facts.evse_ids]
    expected = district.expected_arrivals[rows]
    assert np.ptp(expected) > 0
    assert np.array_equal(np.asarray(facts.known.expected_arrivals)[0], expected)


@given(
    st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 1)), max_size=300),
    st.lists(st.tuples(st.floats(-20, 20), st.integers(0, 9)), min_size=1, max_size=20),
)
def test_no_car_is_expected_more_than_once(
    cars: list[tuple[float, float]], stations: list[tuple[float, int]]
) -> None:
    """Over all EVSEs no more cars are expected than there are chances, and none is negative."""
    places = Places(
        np.array([HERE[0] + km * KM_LAT for km, _ in stations]), np.zeros(len(stations))
    )
    where = np.array([[HERE[0] + km * KM_LAT, 0.0] for km, _ in cars]).reshape(-1, 2)
    chances = np.array([p for _, p in cars])
    usable = np.array([count for _, count in stations])

    found = arrivals.expected(places, where, chances, usable, 3.0)

    assert (found >= 0).all()
    assert (found * usable).sum() <= chances.sum() + 1e-9


@given(st.floats(0, 1), st.floats(0, 50), st.floats(0, 1e5), st.floats(0, 50))
def test_more_expected_cars_never_make_a_place_likelier_free(
    free: float, few: float, eta_s: float, more: float
) -> None:
    """P(free) falls with arrivals and stays a probability."""
    p, eta = np.array([free]), np.array([eta_s])

    with_few = arrivals.still_free(p, np.array([few]), eta)[0]
    with_more = arrivals.still_free(p, np.array([few + more]), eta)[0]

    assert 0.0 <= with_more <= with_few <= free
