"""The frailty of the piles that a failure model learned from goes into its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.fleet import FRAILTY_SPREAD, MAKER_SPREAD, MODEL_SPREAD, generate_fleet
from training.frailty import fitted_shape


def test_fitted_shape_is_that_of_the_fleets() -> None:
    """A model that knows everything but luck leaves the generator's spread of luck over."""
    fleets = [generate_fleet(seed, 2000) for seed in range(4)]
    luckless = iter(fleets)

    def rates(vectors: np.ndarray) -> np.ndarray:
        return np.full(len(vectors), np.median(next(luckless).rate), dtype=np.float32)

    # Gamma of the same variance as what the maker, the model and luck multiply rates by.
    spread = FRAILTY_SPREAD**2 + MAKER_SPREAD**2 + MODEL_SPREAD**2
    least = 1.0 / np.expm1(spread + 1.0)

    assert least < fitted_shape(rates, fleets) < 1.0 / np.expm1(FRAILTY_SPREAD**2)


@pytest.mark.slow
def test_failure_part_brings_frailty_and_calibration(tmp_path: Path) -> None:
    """A trained part says its frailty and how well it is calibrated on a fleet never seen."""
    pytest.importorskip("torch", reason='needs torch: pip install "pilewise[train]"')
    from coordinator.models.bundle import load
    from training.everything import Effort, train_all
    from training.failure import FailureSettings

    effort = Effort(fleets=4, piles=500, failure=FailureSettings(epochs=6))
    figures = train_all(3, tmp_path, effort, only=["failure"])["parts"]["failure"]
    failure = load(tmp_path).failure

    assert failure is not None
    assert failure.frailty_shape == pytest.approx(figures["frailty_shape"], abs=1e-5)
    assert 0.3 < failure.frailty_shape < 6.0
    assert figures["ece"] < 0.08
