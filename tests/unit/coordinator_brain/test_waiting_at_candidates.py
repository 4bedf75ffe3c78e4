"""How long a car waits at an EVSE: occupants, queues, promises, arrival, and the printed rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.recommend.columns import Columns
from coordinator.core.recommend.context import Context, Models, OwnPlace
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules import DEFAULT_RULES, PRINTED
from coordinator.core.recommend.waiting import P90_SHARE, Wait
from coordinator.core.usual_stay import MEAN_SESSION_DC_S
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0
MEAN_S = MEAN_SESSION_DC_S


def lonely(km: float = 0.2) -> District:
    """One EVSE that was just seen free."""
    district = district_of([station("A", km)], NOW_S, 0.0)
    district.changed_at_s[:] = NOW_S
    return district


def judged(district: District, printed: bool = False, own: tuple[OwnPlace, ...] = ()) -> Columns:
    rules = replace(DEFAULT_RULES, waiting=PRINTED) if printed else DEFAULT_RULES
    context = Context(rules=rules, own=own, utc_offset_h=12.0)
    request = ChargingRequest("r", "car", Vehicle(60.0), 50.0, *HERE)
    columns = rank(district, request, context, Models(), NOW_S).columns
    assert columns is not None
    return columns


def told(district: District, printed: bool = False, own: tuple[OwnPlace, ...] = ()) -> Wait:
    return judged(district, printed, own).wait


def one(value: object) -> float:
    """The only value of a column of one candidate."""
    return float(np.asarray(value).ravel()[0])


def busy(district: District, since_s: float = 0.0) -> District:
    district.status[:] = EvseStatus.CHARGING
    district.changed_at_s[:] = NOW_S - since_s
    return district


def test_free_evse_with_nobody_ahead_has_no_median_wait() -> None:
    """Nobody is there and nobody is promised it: the median is 0, nothing is held."""
    wait = told(lonely())

    assert (one(wait.p50_s), one(wait.free_in_s), one(wait.ahead), one(wait.held)) == (0, 0, 0, 0)


def test_wait_is_what_remains_after_the_drive() -> None:
    """Of the occupant's mean session the time on the way is gone when the car is there."""
    columns = judged(busy(lonely()))

    drive_s = one(columns.drive.drive_s)
    assert drive_s > 0
    assert one(columns.wait.free_in_s) == pytest.approx(MEAN_S)
    assert one(columns.wait.p50_s) == pytest.approx(MEAN_S - drive_s)
    assert one(columns.wait.ahead) == 1


def test_wait_is_never_below_nothing() -> None:
    """A drive that is longer than what remains leaves none, not a negative one."""
    district = busy(lonely(60.0))
    wait = told(district)

    assert one(wait.p50_s) == 0.0
    assert one(wait.expected_s) >= 0.0


def test_each_car_in_the_queue_adds_a_mean_session() -> None:
    """Everyone ahead counts: two that wait are two sessions more, and p90 spreads with the root."""
    district = busy(lonely())
    alone = told(district)
    district.queue_length[:] = 2
    queued = told(district)

    assert one(queued.free_in_s) - one(alone.free_in_s) == pytest.approx(2 * MEAN_S)
    assert one(queued.ahead) == 3
    assert one(alone.p90_s) - one(alone.p50_s) == pytest.approx(P90_SHARE * MEAN_S)
    spread = one(queued.p90_s) - one(queued.p50_s)
    assert spread == pytest.approx(P90_SHARE * MEAN_S * np.sqrt(3))


def test_promise_to_another_car_holds_the_evse_until_its_end() -> None:
    """A free EVSE that is promised is ours when that window ends; unheld it would be free."""
    district = lonely()
    district.hold(0, 1, NOW_S + 2400.0, 1)
    columns = judged(district)
    wait, drive_s = columns.wait, one(columns.drive.drive_s)

    assert one(wait.held) == 1
    assert one(wait.free_in_s) == pytest.approx(2400.0)
    assert one(wait.p50_s) == pytest.approx(2400.0 - drive_s)
    assert one(wait.unheld_s) < one(wait.p50_s)


def test_own_promise_is_not_ahead_of_itself() -> None:
    """A car that asks again does not wait for the place that is held for it."""
    district = lonely()
    district.hold(0, 1, NOW_S + 2400.0, 1)

    wait = told(district, own=(OwnPlace(0, ahead_count=0, ahead_to_s=-np.inf),))

    assert (one(wait.held), one(wait.free_in_s), one(wait.p50_s)) == (0, 0, 0)


def test_expected_wait_is_at_least_the_risk_that_it_is_taken() -> None:
    """On a free EVSE the chance that somebody comes first costs half a session of that chance."""
    district = lonely(5.0)
    columns = judged(district)
    p_busy = 1.0 - one(columns.p_free)

    assert one(columns.wait.p50_s) == 0.0
    assert one(columns.wait.expected_s) == pytest.approx(p_busy * 0.5 * MEAN_S)


def test_printed_rule_counts_one_user_ahead_only() -> None:
    """As the paper has it: what remains of one occupant however many wait, 0 if nobody is there."""
    district = busy(lonely())
    alone = told(district, printed=True)
    district.queue_length[:] = 4
    queued = told(district, printed=True)
    nobody = told(lonely(), printed=True)

    assert one(alone.free_in_s) == one(queued.free_in_s) == pytest.approx(MEAN_S)
    assert one(queued.p50_s) == one(queued.p90_s) == one(queued.expected_s)
    assert (one(nobody.free_in_s), one(nobody.p50_s)) == (0.0, 0.0)


def test_printed_rule_takes_a_promise_for_the_user_ahead() -> None:
    """A promised but free EVSE has one mean session ahead, none without regard to promises."""
    district = lonely()
    district.hold(0, 1, NOW_S + 9_999.0, 1)
    wait = told(district, printed=True)

    assert one(wait.free_in_s) == pytest.approx(MEAN_S)
    assert one(wait.unheld_s) == 0.0
