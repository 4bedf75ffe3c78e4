"""What must hold of every ranking, whatever the district, the car and the world."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_town import CENTRE, NOW_S, contexts, districts, make_district, requests

from coordinator.core import energy
from coordinator.core.district import District
from coordinator.core.pile import (
    EvseStatus,
    Payment,
    User,
)
from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend.context import Context, Models, OwnPlace
from coordinator.core.recommend.pipeline import rank, rank_each
from coordinator.core.roads import EstimatedRoads
from coordinator.core.vehicle import (
    ChargingRequest,
    SelectBy,
    Vehicle,
    WarningLevel,
)


@settings(max_examples=150, deadline=None)
@given(district=districts, request=requests, context=contexts)
def test_no_candidate_is_out_of_reach_or_unusable(
    district: District, request: ChargingRequest, context: Context
) -> None:
    """Road energy to every candidate is at most the remaining energy times 0.9, and it fits."""
    ranked = rank(district, request, context, Models(), NOW_S)
    if ranked.columns is None:
        return
    conditions = energy.Conditions(
        temperature_c=context.temperature_c,
        air_conditioning=request.air_conditioning,
        climb_m_per_km=context.climb_m_per_km,
    )
    needed_kwh = ranked.columns.drive.distance_km * energy.consumption_kwh_per_km(
        request.vehicle, conditions
    )
    left_kwh = request.vehicle.battery_kwh * request.soc_pct / 100.0

    assert (needed_kwh <= left_kwh * 0.9 + 1e-9).all()
    for row in ranked.rows.tolist():
        assert row not in context.excluded
        assert district.status[row] in {1, 3, 8, 9} or context.stale_after_s < math.inf
        mask = int(district.connector_mask[row])
        assert (
            not request.vehicle.connector_mask
            or not mask
            or (mask & request.vehicle.connector_mask)
        )
        station = district.stations[int(district.station[row])]
        if request.payments and Payment.ANY not in request.payments and station.payment_methods:
            assert set(request.payments) & set(station.payment_methods)


@settings(max_examples=150, deadline=None)
@given(district=districts, request=requests, context=contexts)
def test_no_value_is_nan_for_any_valid_request(
    district: District, request: ChargingRequest, context: Context
) -> None:
    """What is computed is finite; only what is unknown may be NaN."""
    columns = rank(district, request, context, Models(), NOW_S).columns
    if columns is None:
        return

    assert np.isfinite(columns.features).all()
    for term in (*columns.cost.terms(), columns.cost.total):
        assert np.isfinite(term).all()
    for column in (columns.wait.p50_s, columns.wait.p90_s, columns.charge_s, columns.merged):
        assert np.isfinite(column).all()
        assert (column >= 0).all()
    for share in (columns.p_working, columns.p_free, columns.share):
        assert ((share >= 0) & (share <= 1)).all()
    assert columns.share.sum() == pytest.approx(1.0)
    assert (columns.merged <= 100).all()


@settings(max_examples=60, deadline=None)
@given(district=districts, several=st.lists(requests, min_size=2, max_size=6), context=contexts)
def test_requests_judged_together_get_what_each_gets_alone(
    district: District, several: list[ChargingRequest], context: Context
) -> None:
    """No request influences another."""
    together = rank_each(district, several, [context] * len(several), Models(), NOW_S)

    for request, ranked in zip(several, together, strict=True):
        alone = rank(district, request, context, Models(), NOW_S)
        assert ranked.rows.tolist() == alone.rows.tolist()
        assert (ranked.level, ranked.conflict) == (alone.level, alone.conflict)
        assert (ranked.relaxed, ranked.wanted) == (alone.relaxed, alone.wanted)
        if alone.columns is not None:
            assert ranked.columns is not None
            assert ranked.columns.cost.total == pytest.approx(alone.columns.cost.total)


def easy_request(**fields: object) -> ChargingRequest:
    plain = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *CENTRE)
    return replace(plain, **fields)  # type: ignore[arg-type]


def all_free(district: District) -> District:
    district.status[:] = EvseStatus.AVAILABLE
    district.observed_at_s[:] = NOW_S
    return district


def test_every_sort_key_orders_by_its_own_column() -> None:
    """Each is selectable alone."""
    district = make_district(4)
    columns_of = {
        SelectBy.TIME: lambda c: c.drive.drive_s,
        SelectBy.TOTAL_TIME: lambda c: c.drive.drive_s + c.wait.p50_s + c.charge_s,
        SelectBy.QUEUE: lambda c: c.wait.ahead,
        SelectBy.PREFERENCE: lambda c: -c.preference,
        SelectBy.PRICE: lambda c: np.nan_to_num(c.price, nan=np.inf),
        SelectBy.RANKER: lambda c: -c.share,
        SelectBy.COST: lambda c: c.cost.total,
    }
    context = Context(visits={0: 5, 3: 2, 7: 1})
    for select_by, column in columns_of.items():
        ranked = rank(district, easy_request(select_by=select_by), context, Models(), NOW_S)
        assert ranked.columns is not None
        ordered = column(ranked.columns)[ranked.order]
        if select_by is SelectBy.RANKER and ranked.columns.merged[ranked.order[0]] < 60:
            continue
        assert (ordered[1:] >= ordered[:-1] - 1e-9).all(), select_by


def test_a_claim_of_another_car_is_a_conflict_and_costs_its_wait() -> None:
    """The first-ranked EVSE is held by another: the conflict is recorded, the next one chosen."""
    district = all_free(make_district(5, 2, 1))
    district.claim_count[:] = 0
    district.queue_length[:] = 0
    free = rank(district, easy_request(), Context(), Models(), NOW_S)
    best = int(free.rows[0])
    district.hold(best, 1, NOW_S + 7_200.0)
    held = rank(district, easy_request(), Context(), Models(), NOW_S)
    own = rank(district, easy_request(), Context(own=(OwnPlace(best),)), Models(), NOW_S)

    assert not free.conflict
    assert held.conflict
    assert held.columns is not None
    assert held.wanted is not None
    assert int(held.columns.candidates.evse[held.wanted]) == best
    assert int(held.rows[0]) != best
    assert not own.conflict
    assert int(own.rows[0]) == best


def test_like_evses_of_a_station_make_no_conflict_while_one_is_open() -> None:
    """A held EVSE beside an equal free one is nobody's loss."""
    district = all_free(make_district(6, 1, 4))
    district.claim_count[:] = 0
    district.max_power_kw[:], district.dc[:] = 120.0, True
    district.failure_rate[:], district.exposure_days[:] = 0.02, 0
    district.queue_length[:] = 0
    district.connector_mask[:] = 0
    district.derived.clear()
    district.hold(0, 1, NOW_S + 3_600.0)

    ranked = rank(district, easy_request(), Context(), Models(), NOW_S)

    assert not ranked.conflict
    assert int(ranked.rows[0]) != 0


class BrokenRanker:
    """A ranker in one of the ways in which models fail."""

    def __init__(self, value: float | None) -> None:
        self.value = value

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.value is None:
            raise ModelUnavailable("ranker", "it is slow")
        return np.full(len(features), self.value, dtype=np.float32)


@pytest.mark.parametrize(
    ("ranker", "code"),
    [
        (None, "RANKER_MISSING"),
        (BrokenRanker(None), "RANKER_UNAVAILABLE"),
        (BrokenRanker(math.nan), "RANKER_NOT_FINITE"),
        (BrokenRanker(math.inf), "RANKER_NOT_FINITE"),
    ],
)
def test_a_failing_ranker_is_replaced_by_the_rules_and_said(
    ranker: BrokenRanker | None, code: str
) -> None:
    """Degrade, never invent."""
    district = all_free(make_district(7))
    district.claim_count[:] = 0
    ranked = rank(district, easy_request(), Context(), Models(ranker), NOW_S)
    by_rules = rank(district, easy_request(), Context(), Models(), NOW_S)

    assert ranked.degraded == (code,)
    assert ranked.rows.tolist() == by_rules.rows.tolist()


def test_a_vip_is_never_below_a_plain_user() -> None:
    """VIP comes from the operator's record and raises the level at equal need."""
    district = all_free(make_district(8, 60, 8, 0.02))
    district.claim_count[:] = 0
    district.users["vip"] = User("vip", vip=True)
    district.users["past"] = User("past", vip=True, vip_until_s=NOW_S)
    levels = {
        name: rank(district, easy_request(user_id=name), Context(), Models(), NOW_S).level
        for name in ("vip", "past", "")
    }

    assert levels["vip"] is WarningLevel.HIGH
    assert levels["past"] is levels[""] is WarningLevel.LOW


@pytest.mark.parametrize(
    ("soc_pct", "level"),
    [
        (14.9, WarningLevel.HIGH),
        (15.0, WarningLevel.MEDIUM),
        (39.9, WarningLevel.MEDIUM),
        (40.0, WarningLevel.LOW),
    ],
)
def test_the_state_of_charge_bounds_the_levels(soc_pct: float, level: WarningLevel) -> None:
    """15 and 40 per cent, both sides, in a dense town."""
    district = all_free(make_district(8, 60, 8, 0.02))
    district.claim_count[:] = 0

    ranked = rank(district, easy_request(soc_pct=soc_pct), Context(), Models(), NOW_S)

    assert ranked.level is level


def test_a_thin_area_lifts_the_level_by_one() -> None:
    """Fewer than half an EVSE on a square kilometre."""
    district = all_free(make_district(8, 4, 3, 0.01))
    district.claim_count[:] = 0

    low = rank(district, easy_request(soc_pct=60.0), Context(), Models(), NOW_S)
    medium = rank(district, easy_request(soc_pct=30.0), Context(), Models(), NOW_S)

    assert (low.level, low.level_reason) == (WarningLevel.MEDIUM, "THIN_AREA")
    assert (medium.level, medium.level_reason) == (WarningLevel.HIGH, "THIN_AREA")


def test_stations_far_out_are_found_when_the_near_ones_are_full() -> None:
    """The search widens until enough are open or reach ends."""
    district = all_free(make_district(3, 200, 2, 0.2))
    district.claim_count[:] = 0
    layout = [
        (station.latitude_deg - CENTRE[0]) ** 2 + (station.longitude_deg - CENTRE[1]) ** 2
        for station in district.stations
    ]
    near = set(np.argsort(layout)[:100].tolist())
    taken = np.isin(district.station, list(near))
    district.status[taken] = EvseStatus.OUTOFORDER

    ranked = rank(district, easy_request(soc_pct=90.0), Context(), Models(), NOW_S)

    assert len(ranked.rows) > 0
    assert not set(district.station[ranked.rows].tolist()) & near


def test_a_stale_status_counts_as_unknown() -> None:
    """Offline is UNKNOWN, never AVAILABLE: it costs the risk of standing before a dead pile."""
    district = all_free(make_district(2, 2, 1))
    district.claim_count[:], district.queue_length[:] = 0, 0
    district.heard_at_s[:] = 0.0
    fresh = rank(district, easy_request(), Context(), Models(), NOW_S)
    stale = rank(
        district, easy_request(), Context(link_now_s=61.0, stale_after_s=60.0), Models(), NOW_S
    )

    assert fresh.columns is not None
    assert stale.columns is not None
    assert (fresh.columns.candidates.status == EvseStatus.AVAILABLE).all()
    assert (stale.columns.candidates.status == EvseStatus.UNKNOWN).all()
    assert (stale.columns.cost.total > fresh.columns.cost.total).all()


def test_slower_roads_make_longer_drives() -> None:
    """The roads are the caller's: the same way takes twice as long at half the speed."""
    district = all_free(make_district(2))
    district.claim_count[:] = 0
    fast = Context(roads=EstimatedRoads(1.0, 40.0, (1.0,) * 24))
    slow = Context(roads=EstimatedRoads(1.0, 20.0, (1.0,) * 24))
    by_time = easy_request(select_by=SelectBy.TIME)
    first = rank(district, by_time, fast, Models(), NOW_S)
    second = rank(district, by_time, slow, Models(), NOW_S)

    assert first.columns is not None
    assert second.columns is not None
    times = (
        first.columns.drive.drive_s[first.order[0]],
        second.columns.drive.drive_s[second.order[0]],
    )
    assert times[1] == pytest.approx(2 * times[0])
