"""Who is served first among cars that ask together, and what a VIP is given."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_brain import CCS2, HERE, district_of, station

from coordinator.brain import Brain, assemble_brain
from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.pile import EvseStatus, User
from coordinator.core.recommend import service_order
from coordinator.core.recommend.columns import Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.order import NOBODY
from coordinator.core.recommend.pipeline import rank, rank_each
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.vehicle import ChargingRequest, SelectBy, Vehicle, WarningLevel
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.counters import Counters
from coordinator.usecases.events import Events

NOW_S = 1_795_000_000.0
CAR = Vehicle(60.0, connector_mask=1 << CCS2)
NOON = Context(utc_offset_h=12.0 - NOW_S / 3600.0 % 24.0)


def ask(car: str, soc_pct: float = 50.0, user_id: str = "") -> ChargingRequest:
    """A car at `HERE`."""
    return ChargingRequest(f"r-{car}", car, CAR, soc_pct, *HERE, user_id=user_id)


def with_vip(district: District) -> District:
    """The district, in which the user `vip` is one, and `was` was one."""
    district.users["vip"] = User("vip", vip=True, vip_until_s=NOW_S + 10.0)
    district.users["was"] = User("was", vip=True, vip_until_s=NOW_S)
    return district


def first(district: District, user_id: str, **wishes: object) -> str:
    """The station that this user is sent to."""
    request = replace(ask("car", 50.0, user_id), **wishes)  # type: ignore[arg-type]
    answer = rank(district, request, NOON, Models(), NOW_S)
    return district.stations[int(district.station[answer.rows[0]])].station_id


def answer(
    number: int, level: WarningLevel, time_left_min: float, reason: str = "NO_HURRY"
) -> Ranked:
    """An answer without candidates."""
    return Ranked(level, reason, 100.0, None, number, NOBODY, time_left_min=time_left_min)


def test_requests_of_one_pass_are_served_by_level_then_by_time_left() -> None:
    """High before medium before low; within a level the car with less time left is first."""
    high, medium, low = WarningLevel.HIGH, WarningLevel.MEDIUM, WarningLevel.LOW
    told = [answer(0, low, 5.0), answer(1, high, 30.0), answer(2, medium, 1.0),
            answer(3, high, 10.0), answer(4, low, 4.0)]  # fmt: skip

    assert service_order.serving_order(told) == [3, 1, 2, 4, 0]


def test_time_left_is_the_drive_beyond_the_nearest_pile() -> None:
    """Half the charge leaves less than half the time, the way to the pile taken off."""
    district = district_of([station("A", 5.0, 20)], NOW_S, 0.0)
    much, little = rank_each(
        district, [ask("a", 80.0), ask("b", 40.0)], [NOON] * 2, Models(), NOW_S
    )

    assert 0.0 < little.time_left_min < much.time_left_min / 2.0


def test_vip_is_sent_to_the_strongest_convenient_pile() -> None:
    """150 kW a little further on comes before 50 kW at hand; 40 km away it does not."""
    near, strong = station("near", 1.0, 10, 50.0), station("strong", 3.0, 10, 150.0)
    far = station("far", 60.0, 10, 350.0)
    district = with_vip(district_of([near, strong, far], NOW_S, 0.0))

    assert first(district, "vip") == "strong"
    assert first(district, "vip", select_by=SelectBy.TIME) == "near"


def test_vip_whose_time_is_over_is_like_anybody() -> None:
    """The record is valid until `vip_until`, not longer: level and order are the usual ones."""
    district = with_vip(district_of([station("A", 1.0, 20)], NOW_S, 0.0))

    over = rank(district, ask("c", 80.0, "was"), NOON, Models(), NOW_S)
    valid = rank(district, ask("c", 80.0, "was"), NOON, Models(), NOW_S - 0.1)

    assert (over.level, over.level_reason) == (WarningLevel.LOW, "NO_HURRY")
    assert (valid.level, valid.level_reason) == (WarningLevel.HIGH, "VIP")


@pytest.mark.parametrize("better", ["working", "drive", "facilities"])
def test_vip_order_looks_at_each_in_turn(better: str) -> None:
    """Among like power the more reliable, then the nearer, then the better equipped comes first."""
    one, other = station("one", 2.0, 10), station("other", -2.0 if better != "drive" else -1.0, 10)
    if better == "facilities":
        other = replace(other, facilities=("CAFE", "RESTROOM"))
    district = with_vip(district_of([one, other], NOW_S, 0.0))
    if better == "working":
        district.status[:10] = EvseStatus.UNKNOWN

    assert first(district, "vip") == "other"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 100.0), st.integers(1, 6), st.floats(0.0, 0.9))
def test_vip_is_never_below_low_at_equal_need(
    seed: int, soc_pct: float, stations: int, broken: float
) -> None:
    """Side by side with the same car, charge and place, the VIP is high and served no later."""
    rng = np.random.default_rng(seed)
    around = [station(f"S{n}", float(rng.uniform(-9, 9)), 4) for n in range(stations)]
    district = with_vip(district_of(around, NOW_S, 0.0))
    district.status[rng.random(len(district)) < broken] = EvseStatus.OUTOFORDER
    requests = [ask("plain", soc_pct), ask("vip", soc_pct, "vip")]

    plain, vip = rank_each(district, requests, [NOON] * 2, Models(), NOW_S)

    assert vip.level is WarningLevel.HIGH
    assert vip.level <= plain.level
    assert sorted(vip.rows.tolist()) == sorted(set(vip.rows.tolist()))
    turns = service_order.serving_order([plain, vip])
    if len(plain.order) != 1 and plain.level is not WarningLevel.HIGH:
        assert turns.index(1) < turns.index(0)


def brain_of(district: District) -> tuple[Brain, Clock]:
    """A brain over the district, with claims in memory."""
    clock = Clock()
    events, counters = Events(clock.now_s, clock.system_s), Counters()
    claims = MemoryClaims()
    return assemble_brain(district, Models(RULES_RANKER), clock, events, counters, claims), clock


async def test_vip_leaves_the_only_pile_that_another_car_can_reach() -> None:
    """Asking together, the car with 3 % gets the near pile that the VIP would have taken."""
    clock = Clock()
    stations = [station("near", 1.0, 1, 300.0), station("far", 9.0, 4, 50.0)]
    district = district_of(stations, clock.now_s(), clock.link_s())
    district.users["vip"] = User("vip", vip=True)
    brain, _ = brain_of(district)
    weak = ask("weak", 3.0)

    vip, other = await asyncio.gather(
        brain.recommender.recommend(ask("vip", 60.0, "vip")), brain.recommender.recommend(weak)
    )

    assert other.choice.station_id == "near"
    assert other.choice.figures.ahead == 0
    assert vip.choice.station_id == "far"
    assert vip.level == WarningLevel.HIGH
    await brain.close()


async def test_car_with_less_time_left_gets_the_better_place() -> None:
    """Of two cars of one level that ask together the later one goes first if it is emptier."""
    clock = Clock()
    stations = [station("near", 1.0, 1), station("far", 3.0, 20)]
    district = district_of(stations, clock.now_s(), clock.link_s())
    brain, _ = brain_of(district)

    fuller, emptier = await asyncio.gather(
        brain.recommender.recommend(ask("fuller", 14.0)),
        brain.recommender.recommend(ask("emptier", 8.0)),
    )

    assert fuller.level == emptier.level == WarningLevel.HIGH
    claims = brain.claims.table.of_evse("near-1*1")
    assert min(claims, key=lambda claim: claim.from_s).vehicle_id == "emptier"
    await brain.close()
