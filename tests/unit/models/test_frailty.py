"""How much piles of one kind differ, and at which level a fleet and its makers fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.district import District
from coordinator.core.pile import Connector, Evse, Pile, PowerType, Station
from coordinator.core.reliability.evidence import anchored_prior, daily_intensity
from coordinator.core.reliability.frailty import LEAST_SHAPE, MOST_SHAPE, gamma_shape
from coordinator.core.reliability.levels import at_level
from coordinator.core.reliability.map_settings import MapSettings
from coordinator.jobs.map_making import copy_of, make
from coordinator.models.bundle import load
from coordinator.models.serving import BUNDLED

DAYS, RATE = np.full(2000, 200.0), np.full(2000, 0.02)


def counts(shape: float, seed: int = 1) -> np.ndarray:
    """Outages of piles whose frailty has this shape."""
    rng = np.random.default_rng(seed)
    mean = daily_intensity(RATE) * DAYS
    return rng.poisson(mean * rng.gamma(shape, 1.0 / shape, len(mean))).astype(float)


@pytest.mark.parametrize("shape", [0.2, 1.0, 3.0])
def test_frailty_is_found_whatever_the_model_says(shape: float) -> None:
    """Two thousand piles with some outages each decide; a usual shape far off moves little."""
    for usual in (0.3, 3.0):
        assert gamma_shape(counts(shape), DAYS, RATE, usual) == pytest.approx(shape, rel=0.2)


def test_frailty_of_a_small_fleet_is_that_of_the_model() -> None:
    """Twenty piles with an outage or two say little: the shape stays near the usual one."""
    few = slice(0, 20)
    faults = np.where(np.arange(20) < 4, 1.0, 0.0)

    shapes = [gamma_shape(faults, DAYS[few], RATE[few], usual) for usual in (0.5, 1.4, 5.0)]

    assert shapes == pytest.approx([0.5, 1.4, 5.0], rel=0.4)


def test_frailty_found_predicts_better_than_a_fixed_one() -> None:
    """What the next year brings is nearer to the prior with the fitted shape than with 1."""
    rng = np.random.default_rng(4)
    mean = daily_intensity(RATE) * DAYS
    own = mean * rng.gamma(0.15, 1.0 / 0.15, len(mean))
    past, truth = rng.poisson(own).astype(float), -np.expm1(-own / DAYS)

    fitted = anchored_prior(past, DAYS, RATE, gamma_shape(past, DAYS, RATE))
    fixed = anchored_prior(past, DAYS, RATE)

    assert np.mean((fitted - truth) ** 2) < 0.9 * np.mean((fixed - truth) ** 2)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 400), st.floats(0, 1)), min_size=1),
    st.floats(LEAST_SHAPE, MOST_SHAPE),
)
def test_shape_is_within_bounds_for_any_fleet(
    piles: list[tuple[int, float, float]], usual: float
) -> None:
    """Whatever was counted, the shape is one that the prior can work with."""
    faults, days, rate = (np.array(column, dtype=float) for column in zip(*piles, strict=True))

    assert LEAST_SHAPE <= gamma_shape(faults, days, rate, usual) <= MOST_SHAPE


@given(st.integers(0, 2**32 - 1))
def test_levels_keep_rates_and_the_order_within_a_kind(seed: int) -> None:
    """Rates stay probabilities; of two piles of one maker and model the worse stays the worse."""
    rng = np.random.default_rng(seed)
    rate, days = rng.random(30) ** 3, rng.random(30) * 300.0
    makers = [("", "a", "b")[i] for i in rng.integers(3, size=30)]
    models = [("", "x", "y")[i] for i in rng.integers(3, size=30)]

    found = at_level(rate, makers, models, rng.poisson(2.0, 30).astype(float), days)

    assert ((found >= 0) & (found <= 1)).all()
    for kind in set(zip(makers, models, strict=True)):
        alike = [i for i in range(30) if (makers[i], models[i]) == kind]
        order = sorted(alike, key=lambda i: rate[i])
        assert (np.diff(found[order]) >= -1e-12).all()


def test_one_lemon_does_not_condemn_its_maker() -> None:
    """Ten outages of one pile raise its maker less than one outage each of ten piles."""
    makers, models, days = ["a"] * 40, [""] * 40, np.full(40, 100.0)
    lemon, many = np.zeros(40), np.zeros(40)
    lemon[0], many[:10] = 10.0, 1.0
    rate = np.where(np.arange(40) < 1, 0.02, 0.001)  # the lemon was expected to be one

    one, ten = (at_level(rate, makers, models, n, days)[-1] for n in (lemon, many))

    assert one < ten


class KnowsFrailty:
    """A failure model with a frailty of its own."""

    def __init__(self, shape: float) -> None:
        self.frailty_shape = shape

    def rates(self, vectors: np.ndarray) -> np.ndarray:
        return np.full(len(vectors), 0.02, dtype=np.float32)


def test_map_takes_the_frailty_that_the_model_brings() -> None:
    """In a fleet without outages the map's shape is the model's, and 1 without a model."""
    plug = Connector("1", 27, PowerType.DC, 60.0)
    piles = tuple(Pile(f"P{n}", "S", (Evse(f"P{n}*1", (plug,)),)) for n in range(3))
    district = District([Station("S", "S", 22.5, 114.0, piles)])
    district.exposure_days[:] = 50.0

    shapes = [
        make(copy_of(district), model, 0.0, MapSettings()).shape
        for model in (KnowsFrailty(4.0), None)
    ]

    assert shapes == [4.0, 1.0]


@pytest.mark.parametrize(("said", "shape"), [(2.5, 2.5), (1e9, MOST_SHAPE), (-1.0, 1.0)])
def test_frailty_comes_from_the_manifest(tmp_path: Path, said: float, shape: float) -> None:
    """The part's metric is the model's frailty; one that cannot be is replaced by 1."""
    shutil.copytree(BUNDLED, tmp_path / "b")
    path = tmp_path / "b" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["parts"]["failure"]["metrics"]["frailty_shape"] = said
    path.write_text(json.dumps(manifest))

    failure = load(tmp_path / "b").failure

    assert failure is not None
    assert failure.frailty_shape == shape
