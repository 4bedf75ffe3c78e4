"""The shipped arrival model: sane wherever it is asked, heads apart, its table true to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach, ModelUnavailable
from coordinator.core.recommend.arrival import BROKEN, BUSY, FREE, KIND, UNKNOWN
from coordinator.models.arrival import OnnxArrivalModel
from coordinator.models.arrival_table import COLUMNS, RATE, ArrivalTable, rows
from coordinator.models.serving import open_models

MODEL = open_models().arrival
STATUSES = (EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.OUTOFORDER, EvseStatus.UNKNOWN)


def model() -> OnnxArrivalModel:
    """The shipped one."""
    assert isinstance(MODEL, OnnxArrivalModel)
    return MODEL


def exactly(kind: int, **changes: float) -> tuple[float, float]:
    """P(works) and P(free) of one EVSE by the model itself."""
    known = {
        "rapid": 1.0, "lasted_min": 30.0, "hour": 12.0, "ahead_min": 15.0, "free_share": 0.5,
        "failure_rate": 0.02, **changes,
    }  # fmt: skip
    columns = {name: np.array([value]) for name, value in known.items()}
    columns["rapid"] = columns["rapid"] > 0
    works, free = model().exactly(rows(np.array([kind]), **columns))[0]  # type: ignore[arg-type]
    return float(works), float(free)


def approaches(seed: int, r: int, n: int, hours: int = 1) -> Approach:
    """EVSEs in any state, before requests at so many hours of the day."""
    rng = np.random.default_rng(seed)
    return Approach(
        rng.choice(np.array(STATUSES, dtype=np.int8), (r, n)),
        rng.random((r, n)) < 0.5,
        rng.exponential(4000.0, (r, n)),
        rng.exponential(60.0, (r, n)),
        rng.exponential(1500.0, (r, n)),
        rng.choice(np.linspace(0.2, 23.9, hours), (r, 1)),
        rng.random((r, n)),
        rng.random((r, n)) ** 4,
    )


conditions = {
    "rapid": st.sampled_from([0.0, 1.0]),
    "lasted_min": st.floats(0.0, 1e5),
    "hour": st.floats(0.0, 24.0),
    "free_share": st.floats(0.0, 1.0),
    "failure_rate": st.floats(0.0, 1.0),
}
drives = st.floats(0.0, 3000.0)
known = st.fixed_dictionaries(conditions)


@settings(deadline=None)
@given(kind=st.sampled_from([FREE, BUSY, BROKEN, UNKNOWN]), ahead=drives, seen=known)
def test_chances_are_probabilities(kind: int, ahead: float, seen: dict[str, float]) -> None:
    """Whatever is known, both chances are between 0 and 1."""
    chances = exactly(kind, ahead_min=ahead, **seen)

    assert all(0.0 <= chance <= 1.0 for chance in chances)


@settings(deadline=None)
@given(ahead=drives, seen=known)
def test_fault_now_makes_it_less_likely_to_work_at_every_horizon(
    ahead: float, seen: dict[str, float]
) -> None:
    """All else equal, what is broken never works likelier than what is in order."""
    broken, unknown, free = (
        exactly(kind, ahead_min=ahead, **seen)[0] for kind in (BROKEN, UNKNOWN, FREE)
    )

    assert broken <= free + 1e-6
    assert unknown <= free + 1e-6


@settings(deadline=None)
@given(ahead=drives, more=drives, seen=known)
def test_older_sight_is_worth_less(ahead: float, more: float, seen: dict[str, float]) -> None:
    """Seen longer ago, free is less surely free, busy less surely busy, broken less surely so."""
    before = {k: exactly(k, ahead_min=ahead, **seen) for k in (FREE, BUSY, BROKEN)}
    after = {k: exactly(k, ahead_min=ahead + more, **seen) for k in (FREE, BUSY, BROKEN)}

    assert after[FREE][1] <= before[FREE][1] + 1e-5
    assert after[BUSY][1] >= before[BUSY][1] - 1e-5
    assert after[FREE][0] <= before[FREE][0] + 1e-5
    gap = [abs(chances[FREE][1] - chances[BUSY][1]) for chances in (before, after)]
    assert gap[1] <= gap[0] + 1e-5


@settings(deadline=None)
@given(ahead=drives, seen=known, share=st.floats(0.0, 1.0), rate=st.floats(0.0, 1.0))
def test_heads_do_not_look_at_what_is_the_others(
    ahead: float, seen: dict[str, float], share: float, rate: float
) -> None:
    """P(works) is the same whoever charges there and next door; P(free) whatever the rate."""
    base = exactly(FREE, ahead_min=ahead, **seen)
    charging = exactly(BUSY, ahead_min=ahead, **{**seen, "free_share": share})
    failing = exactly(FREE, ahead_min=ahead, **{**seen, "failure_rate": rate})

    assert charging[0] == pytest.approx(base[0], abs=1e-6)
    assert failing[1] == pytest.approx(base[1], abs=1e-6)


def test_statuses_decay_as_the_public_network_showed() -> None:
    """Free stays free, broken stays broken, and a busy rapid pile is left within the hour."""
    assert exactly(FREE, ahead_min=5.0)[1] > 0.93
    assert exactly(BUSY, ahead_min=5.0)[1] < 0.35
    assert exactly(BUSY, ahead_min=60.0)[1] > exactly(BUSY, ahead_min=5.0)[1] + 0.3
    assert exactly(BUSY, ahead_min=60.0, rapid=0.0)[1] < exactly(BUSY, ahead_min=60.0)[1]
    assert exactly(BROKEN, ahead_min=30.0, lasted_min=6000.0)[0] < 0.05
    assert exactly(BROKEN, ahead_min=60.0, lasted_min=5.0)[0] > 0.3
    assert exactly(FREE, hour=4.0, ahead_min=60.0)[1] > exactly(FREE, hour=18.0, ahead_min=60.0)[1]


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_table_says_what_the_model_says(seed: int) -> None:
    """By look-up both chances are right to a hundredth on average, and to a few nearly always."""
    seen = approaches(seed, 4, 32)
    works, free = model().chances(seen)
    ahead_min = (seen.drive_s + seen.unseen_s) / 60.0
    hour = np.broadcast_to(seen.hour, ahead_min.shape) + ahead_min / 60.0
    columns = (
        KIND[seen.status], seen.rapid, seen.lasted_s / 60.0, hour, ahead_min, seen.free_share,
        np.asarray(seen.failure_rate),
    )  # fmt: skip
    said = model().exactly(rows(*(column.ravel() for column in columns)))

    apart = np.abs(np.stack([works.ravel(), free.ravel()], axis=1) - said)
    assert (apart.mean(axis=0) < 0.01).all()
    assert (np.quantile(apart, 0.95, axis=0) < 0.05).all()


def test_requests_of_several_hours_get_what_each_gets_alone() -> None:
    """A pass over requests of different local hours mixes nothing."""
    seen = approaches(3, 9, 8, hours=5)

    works, free = model().chances(seen)

    for number in range(9):
        one = Approach(
            *(getattr(seen, name)[number : number + 1] for name in Approach.__dataclass_fields__)
        )
        alone = model().chances(one)
        assert np.array_equal(works[number], alone[0][0])
        assert np.array_equal(free[number], alone[1][0])


def test_what_was_never_seen_has_chances_too() -> None:
    """Endless silence, ages and padding are looked up like the longest known."""
    seen = approaches(1, 1, 3)
    for lost in (np.inf, np.nan):
        endless = np.full((1, 3), lost)
        strange = replace(
            seen, lasted_s=endless, unseen_s=endless, drive_s=endless, free_share=endless
        )
        works, free = model().chances(strange)
        assert ((works >= 0) & (works <= 1) & (free >= 0) & (free <= 1)).all()


def _model(works: Callable[[np.ndarray], np.ndarray], free: Callable[[np.ndarray], np.ndarray]):  # type: ignore[no-untyped-def]
    return lambda states: np.stack([works(states), free(states)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("filled", "why"),
    [
        (_model(lambda s: 1 - s[:, RATE] ** 2, lambda s: s[:, 0]), "not straight"),
        (_model(lambda s: 1 - s[:, RATE], lambda s: 1 - s[:, RATE]), "P.free."),
        (_model(lambda s: s[:, COLUMNS.index("free_share")], lambda s: s[:, 0]), "neighbours"),
        (_model(lambda s: 1 - s[:, COLUMNS.index("busy")], lambda s: s[:, 0]), "who charges"),
    ],
)
def test_model_that_mixes_the_heads_is_unavailable(
    filled: Callable[[np.ndarray], np.ndarray], why: str
) -> None:
    """A model whose table would be wrong, or whose heads cross, is refused by what it does."""
    with pytest.raises(ModelUnavailable, match=why):
        ArrivalTable(filled).look_up(approaches(1, 1, 2))
