"""What an arrival model says goes its two ways through the pipeline; rules stand in, and say so."""

from __future__ import annotations

import numpy as np
import pytest
from served_brain import HERE, district_of, station

from coordinator.core.district import District
from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach, ModelUnavailable
from coordinator.core.recommend.columns import Columns, Ranked
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import rank
from coordinator.core.recommend.rules_ranker import RULES_RANKER
from coordinator.core.vehicle import ChargingRequest, Vehicle

NOW_S = 1_795_000_000.0


class Says:
    """An arrival model that says the same of every EVSE, and keeps what it was asked."""

    def __init__(self, works: float, free: float) -> None:
        self.works, self.free = works, free
        self.asked: list[Approach] = []

    def chances(self, seen: Approach) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(seen)
        shape = seen.drive_s.shape
        return np.full(shape, self.works), np.full(shape, self.free)


class Broken:
    """An arrival model that cannot answer."""

    def chances(self, seen: Approach) -> tuple[np.ndarray, np.ndarray]:
        raise ModelUnavailable("arrival", "it is out of order")


def town() -> District:
    return district_of([station("A", 2.0, 2), station("B", 6.0)], NOW_S, 0.0)


def ranked(district: District, model: object = None, **world: object) -> Ranked:
    request = ChargingRequest("r", "car", Vehicle(battery_kwh=60.0), 60.0, *HERE)
    models = Models(RULES_RANKER, model)  # type: ignore[arg-type]
    return rank(district, request, Context(**world), models, NOW_S)  # type: ignore[arg-type]


def columns(district: District, model: object = None) -> Columns:
    found = ranked(district, model).columns
    assert found is not None
    return found


def test_each_head_goes_its_own_way() -> None:
    """P(works) moves the second score and no wait; P(free) moves the wait and no score."""
    base, works, free = (
        columns(town(), Says(*chances)) for chances in ((0.9, 0.9), (0.7, 0.9), (0.9, 0.5))
    )

    assert (works.second < base.second).all()
    assert np.array_equal(works.wait.expected_s, base.wait.expected_s)
    assert (free.wait.expected_s > base.wait.expected_s).all()
    assert np.array_equal(free.second, base.second)
    assert np.array_equal(free.p_working, base.p_working)


def test_one_look_covers_all_candidates_of_a_pass() -> None:
    """The model is asked once, with what is known of every candidate."""
    district, model = town(), Says(0.9, 0.9)
    district.observed_at_s[:] = NOW_S - 20.0
    district.changed_at_s[:] = NOW_S - 620.0
    district.failure_rate[:] = 0.25
    columns(district, model)

    (seen,) = model.asked
    assert seen.status.shape == (1, 3)
    assert seen.lasted_s.tolist() == [[600.0] * 3]
    assert seen.unseen_s.tolist() == [[20.0] * 3]
    assert seen.rapid.all()
    assert seen.free_share.tolist() == [[1.0] * 3]
    assert np.asarray(seen.failure_rate).tolist() == [[0.25] * 3]


def test_silence_lasts_since_it_was_last_heard() -> None:
    """A stale status is unknown since its last report; a reported silence since it was reported."""
    district, model = town(), Says(0.9, 0.9)
    district.changed_at_s[:] = NOW_S - 9_000.0
    district.observed_at_s[:] = NOW_S - np.array([400.0, 10.0, 10.0])
    district.heard_at_s[:] = [-400.0, 0.0, 0.0]
    district.status[1] = EvseStatus.UNKNOWN
    ranked(district, model, link_now_s=0.0, stale_after_s=60.0)

    (seen,) = model.asked
    told = (seen.status[0], seen.lasted_s[0], seen.unseen_s[0])
    assert sorted(zip(*(column.tolist() for column in told), strict=True)) == [
        (EvseStatus.AVAILABLE, 8_990.0, 10.0),
        (EvseStatus.UNKNOWN, 400.0, 0.0),
        (EvseStatus.UNKNOWN, 9_000.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Broken(), ("ARRIVAL_UNAVAILABLE",)),
        (Says(float("nan"), 0.9), ("ARRIVAL_NOT_FINITE",)),
        (Says(0.9, float("inf")), ("ARRIVAL_NOT_FINITE",)),
        (None, ()),
    ],
)
def test_rules_stand_in_for_the_model_and_say_so(model: object, why: tuple[str, ...]) -> None:
    """A model that fails is named in the answer; without one the rules are no loss."""
    found, rules = ranked(town(), model), ranked(town())

    assert found.degraded == why
    assert found.columns is not None
    assert rules.columns is not None
    assert np.array_equal(found.columns.p_free, rules.columns.p_free)
    assert np.array_equal(found.columns.p_working, rules.columns.p_working)


def test_what_the_ledger_knows_goes_before_the_model() -> None:
    """A car of ours that leaves before the arrival makes it free; one that stays does not."""
    district, model = town(), Says(0.9, 0.4)
    row = district.row["A-1*1"]
    district.status[row] = EvseStatus.CHARGING
    said = {}
    for leaves_in_s in (30.0, 1_800.0):
        district.hold(row, 7, NOW_S + leaves_in_s, 1, NOW_S + leaves_in_s)
        found = columns(district, model)
        mine = found.candidates.evse == row
        said[leaves_in_s] = float(found.p_free[mine][0])
        assert (found.p_free[~mine] == 0.4).all()
        assert found.wait.free_in_s[mine][0] == leaves_in_s

    assert said == {30.0: pytest.approx(0.9), 1_800.0: pytest.approx(0.1)}
