"""Every kind of evidence of a queue changes the wait that cars are told."""

from __future__ import annotations

import numpy as np
import pytest
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import BayState, Connector, Evse, EvseStatus, Pile, PowerType, Station
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context, Models, OwnPlace
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.queue_evidence import RESERVATION_S
from coordinator.core.usual_stay import MEAN_SESSION_DC_S
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0


def lonely(km: float = 1.0) -> District:
    """One EVSE."""
    district = district_of([station("A", km)], NOW_S, 0.0)
    district.changed_at_s[:] = NOW_S
    return district


def judged(district: District, own: tuple[OwnPlace, ...] = ()) -> Columns:
    request = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *HERE)
    context = Context(own=own, utc_offset_h=12.0)
    columns = rank(district, request, context, Models(), NOW_S).columns
    assert columns is not None
    return columns


def left_s(columns: Columns) -> float:
    """Seconds until the EVSE is free, as the wait tells."""
    return float(columns.wait.free_in_s[0])


def test_an_occupant_of_ours_leaves_when_its_claim_says() -> None:
    """Its own word is better than any mean."""
    district = lonely()
    district.status[:] = EvseStatus.CHARGING
    district.hold(0, 1, NOW_S + 700.0, 1, occupied_to_s=NOW_S + 700.0)

    assert left_s(judged(district)) == pytest.approx(700.0)


def test_a_strangers_remaining_time_falls_with_its_stay() -> None:
    """A mean session, less what has passed."""
    district = lonely()
    district.status[:] = EvseStatus.CHARGING
    fresh = left_s(judged(district))
    district.changed_at_s[:] = NOW_S - 600.0

    assert fresh == pytest.approx(MEAN_SESSION_DC_S)
    assert left_s(judged(district)) == pytest.approx(MEAN_SESSION_DC_S - 600.0)


def test_charge_and_power_of_an_occupant_tell_its_end() -> None:
    """At 70 % and 60 kW a usual battery needs six minutes to 80 %."""
    district = lonely()
    district.status[:] = EvseStatus.CHARGING
    district.soc_pct[:], district.power_kw[:] = 70.0, 60.0

    assert left_s(judged(district)) == pytest.approx(360.0)


def test_a_reservation_of_others_occupies_until_it_lapses() -> None:
    """Nobody of ours stands behind it; it ends by itself or its car comes."""
    district = lonely()
    district.status[:] = EvseStatus.RESERVED
    district.changed_at_s[:] = NOW_S - 300.0
    columns = judged(district)

    assert left_s(columns) == pytest.approx(RESERVATION_S - 300.0)
    assert columns.wait.ahead.tolist() == [1]


def test_a_reservation_of_ours_is_no_second_car() -> None:
    """The pile is reserved for the very promise that is counted already, or for the asking car."""
    district = lonely()
    district.status[:] = EvseStatus.RESERVED
    district.hold(0, 1, NOW_S + 900.0)
    others = judged(district)
    mine = judged(district, (OwnPlace(0),))

    assert others.wait.ahead.tolist() == [1]
    assert left_s(others) == pytest.approx(900.0)
    assert mine.wait.ahead.tolist() == [0]
    assert left_s(mine) == 0.0


def test_a_car_in_the_bay_counts_before_it_charges() -> None:
    """The sensor sees it; the pile does not yet."""
    district = lonely()
    district.bay[:] = BayState.OCCUPIED
    columns = judged(district)

    assert columns.wait.ahead.tolist() == [1]
    assert left_s(columns) == pytest.approx(MEAN_SESSION_DC_S)


def test_the_asking_car_is_not_its_own_obstacle() -> None:
    """Standing in the bay, it is what the sensor sees."""
    district = lonely(0.01)
    district.bay[:] = BayState.OCCUPIED

    assert judged(district).wait.ahead.tolist() == [0]


def test_each_car_of_the_counter_adds_a_session() -> None:
    """Everyone ahead counts, not one as the paper prints."""
    district = lonely()
    district.status[:] = EvseStatus.CHARGING
    district.queue_length[:] = 2
    columns = judged(district)

    assert left_s(columns) == pytest.approx(3 * MEAN_SESSION_DC_S)
    assert columns.wait.ahead.tolist() == [3]


@pytest.mark.parametrize(("age_s", "ahead"), [(600.0, 2), (601.0, 0)])
def test_the_word_of_a_waiting_driver_counts_for_ten_minutes(age_s: float, ahead: int) -> None:
    """A car's own word is evidence where there is no counter, until it is old."""
    district = lonely()
    district.tell_queue(0, 2, NOW_S - age_s)

    assert judged(district).wait.ahead.tolist() == [ahead]


def twin(first_kw: float, second_kw: float) -> District:
    """A pile of two EVSEs of 120 kW that both charge, and the power that each draws."""
    plug = (Connector("1", 27, PowerType.DC, 120.0),)
    pile = Pile("P", "A", (Evse("P*1", plug), Evse("P*2", plug)))
    district = district_of([Station("A", "A", HERE[0] + 0.009, HERE[1], (pile,))], NOW_S, 0.0)
    district.status[:] = EvseStatus.CHARGING
    district.changed_at_s[:] = NOW_S
    district.power_kw[:] = first_kw, second_kw
    return district


def test_power_shared_while_queuing_lengthens_the_wait() -> None:
    """Two cars that together draw what one EVSE can give take twice as long."""
    alone = left_s(judged(twin(100.0, 100.0)))
    shared = left_s(judged(twin(60.0, 60.0)))

    assert alone == pytest.approx(MEAN_SESSION_DC_S)
    assert shared == pytest.approx(2 * MEAN_SESSION_DC_S)


def test_occupancy_is_of_the_arrival_and_not_of_now() -> None:
    """The longer the way, the likelier a busy EVSE is free, and the less is left to wait."""
    near, far = lonely(1.0), lonely(8.0)
    for district in (near, far):
        district.status[:] = EvseStatus.CHARGING
    first, second = judged(near), judged(far)

    assert second.p_free[0] > first.p_free[0]
    assert second.wait.p50_s[0] < first.wait.p50_s[0]


def test_more_cars_ahead_spread_the_wait() -> None:
    """The 90 % quantile moves away from the median with the root of their number."""
    district = lonely()
    district.status[:] = EvseStatus.CHARGING
    one = judged(district).wait
    district.queue_length[:] = 3
    four = judged(district).wait

    spread = [float(np.squeeze(wait.p90_s - wait.p50_s)) for wait in (one, four)]
    assert spread[1] == pytest.approx(2 * spread[0])
