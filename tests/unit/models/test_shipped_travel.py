"""The shipped travel-demand model: monotone, moved by people and roads, near the rule's figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.core.ports import ModelUnavailable, TravelModel
from coordinator.core.recommend.travel_columns import ENVIRONMENT, LOCATION, TRAVEL, ln_people
from coordinator.core.vehicle import Purpose
from coordinator.models.serving import open_models

MODEL = open_models().travel
Inputs = tuple[np.ndarray, np.ndarray, np.ndarray]


def some(seed: int, n: int) -> Inputs:
    """Inputs such as requests make them, and far beyond."""
    rng = np.random.default_rng(seed)
    travel = np.zeros((n, len(TRAVEL)), dtype=np.float32)
    travel[np.arange(n), rng.integers(0, len(Purpose), n)] = 1.0
    travel[:, TRAVEL.index("charges_there")] = rng.integers(0, 2, n)
    travel[:, TRAVEL.index("has_wish")] = rng.integers(0, 2, n)
    travel[:, TRAVEL.index("allowed_h")] = rng.uniform(0, 12, n)
    location = np.abs(rng.normal(0, 8, (n, len(LOCATION)))).astype(np.float32)
    environment = rng.uniform(-3, 12, (n, len(ENVIRONMENT))).astype(np.float32)
    return travel, location, environment


def usual(
    purpose: Purpose | None = None,
    there: bool = True,
    walk_km: float = 0.3,
    people_per_h: float = 250.0,
    facilities: float = 50.0,
    **more: float,
) -> float:
    """The score of an ordinary place, told of in full."""
    assert MODEL is not None
    travel = np.zeros((1, len(TRAVEL)), dtype=np.float32)
    if purpose is not None:
        travel[0, TRAVEL.index(f"purpose_{purpose.name.lower()}")] = 1.0
    travel[0, TRAVEL.index("charges_there")] = float(there)
    location = np.zeros((1, len(LOCATION)), dtype=np.float32)
    location[0, LOCATION.index("walk_km")] = walk_km if there else 0.0
    around = {
        "ln_people": float(ln_people(np.asarray(people_per_h))),
        "people_known": 1.0,
        "traffic_grade": 2.0,
        "facilities": facilities / 100.0,
        "facilities_known": 1.0,
    } | {name: value for name, value in more.items() if name in ENVIRONMENT}
    environment = np.array([[around[name] for name in ENVIRONMENT]], dtype=np.float32)
    for name, value in more.items():
        if name in LOCATION:
            location[0, LOCATION.index(name)] = value
    return float(MODEL.scores(travel, location, environment)[0])


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    column=st.sampled_from(LOCATION),
    more=st.floats(1e-4, 1e3),
)
def test_no_farther_pile_is_scored_higher(seed: int, column: str, more: float) -> None:
    """More walk, detour or lateness with all else equal never raises a score."""
    assert MODEL is not None
    travel, location, environment = some(seed, 16)
    before = MODEL.scores(travel, location, environment)
    location[:, LOCATION.index(column)] += np.float32(more)

    after = MODEL.scores(travel, location, environment)

    assert (after <= before + 1e-4).all()
    assert ((after >= 0.0) & (after <= 100.0)).all()


@pytest.mark.parametrize("purpose", [None, *Purpose])
def test_each_purpose_scores_near_before_far(purpose: Purpose | None) -> None:
    """Whatever the errand: near, far and very far differ by many points, in this order."""
    near, far, very_far = (usual(purpose, walk_km=km) for km in (0.3, 2.0, 8.0))

    assert near > far + 5.0
    assert far > very_far + 20.0


def test_usual_place_scores_as_the_patent_prints() -> None:
    """To eat at position A: near is about 90 and far about 70 (step 610)."""
    near = usual(Purpose.EAT)
    far = usual(Purpose.EAT, walk_km=2.0)

    assert near == pytest.approx(90.0, abs=5.0)
    assert far == pytest.approx(70.0, abs=8.0)


def test_walking_weighs_more_on_the_way_to_a_hospital() -> None:
    """A kilometre and a half on foot costs more points than on the way to work."""
    loss = {p: usual(p, walk_km=0.2) - usual(p, walk_km=1.7) for p in Purpose}

    assert loss[Purpose.HOSPITAL] > loss[Purpose.WORK] + 5.0


def test_flow_of_people_and_road_facilities_move_the_score() -> None:
    """A crowd costs points, to a hospital more than to a meal; good facilities bring some."""
    crowd = {p: usual(p) - usual(p, people_per_h=8_000.0) for p in Purpose}

    assert crowd[Purpose.HOSPITAL] > crowd[Purpose.EAT] + 3.0
    assert crowd[Purpose.EAT] > 0.0
    assert usual(Purpose.SHOP, facilities=100.0) > usual(Purpose.SHOP, facilities=0.0) + 3.0
    assert usual(Purpose.SHOP, traffic_grade=1.0) > usual(Purpose.SHOP, traffic_grade=5.0)


def test_detour_and_lateness_cost_points() -> None:
    """On the way the detour decides; who comes late is less content."""
    assert usual(there=False) > usual(there=False, detour_min=2.0) + 5.0
    assert usual() > usual(late_min=20.0) + 5.0


def test_travel_model_takes_no_candidate_and_refuses_nonsense() -> None:
    """Nobody to judge is no error; NaN and wrong widths raise `ModelUnavailable` by name."""
    assert MODEL is not None
    travel, location, environment = some(1, 4)
    assert MODEL.scores(travel[:0], location[:0], environment[:0]).shape == (0,)
    spoilt = environment.copy()
    spoilt[0, 0] = np.nan
    model: TravelModel = MODEL
    for inputs in ((travel, location, spoilt), (travel[:, :3], location, environment)):
        with pytest.raises(ModelUnavailable, match="travel"):
            model.scores(*inputs)
