"""Two models compared: what the sums say, and what a shadow costs those who wait."""

import time
from pathlib import Path

import model_files
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.core.recommend.features import FEATURES
from coordinator.models import shadow as shadow_module
from coordinator.models.bundle import Bundle, load
from coordinator.models.comparison import Comparison
from coordinator.models.shadow import Shadow

MASK = {"mask": np.array([[1, 1, 1, 0]], np.float32)}


def compared(one: list[float], other: list[float]) -> Comparison:
    comparison = Comparison()
    comparison.add(MASK, np.array([one]), np.array([other]), 0.001, 0.002)
    return comparison


def test_same_order_and_shifted_values_agree_fully() -> None:
    """Utilities have no zero: a shift is no difference; what is masked does not count."""
    comparison = compared([1.0, 3.0, 2.0, 99.0], [11.0, 13.0, 12.0, -5.0])

    assert comparison.top1_agreement == 1.0
    assert comparison.rank_agreement == pytest.approx(1.0)
    assert comparison.score_correlation == pytest.approx(1.0)
    assert comparison.mean_difference == pytest.approx(0.0)


def test_reversed_order_disagrees_fully() -> None:
    """The opposite order is -1, and never the same first."""
    comparison = compared([1.0, 2.0, 3.0, 0.0], [3.0, 2.0, 1.0, 0.0])

    assert comparison.top1_agreement == 0.0
    assert comparison.rank_agreement == pytest.approx(-1.0)
    assert comparison.score_correlation == pytest.approx(-1.0)


def test_constant_values_have_no_correlation() -> None:
    """Without a spread there is nothing to correlate, and nothing is said."""
    assert compared([1.0, 1.0, 1.0, 0.0], [1.0, 2.0, 3.0, 0.0]).score_correlation is None


@given(
    rows=st.lists(
        st.lists(st.floats(-50, 50, width=32), min_size=8, max_size=8), min_size=1, max_size=6
    )
)
def test_figures_stay_within_their_bounds(rows: list[list[float]]) -> None:
    """Shares are within 0 to 1 and correlations within -1 to 1, whatever both models give."""
    comparison = Comparison()
    for row in rows:
        comparison.add(MASK, np.array([row[:4]]), np.array([row[4:]]), 0.0, 0.0)

    assert comparison.requests == len(rows)
    assert 0.0 <= (comparison.top1_agreement or 0.0) <= 1.0
    assert -1.0 - 1e-9 <= (comparison.rank_agreement or 0.0) <= 1.0 + 1e-9
    assert -1.0 <= (comparison.score_correlation or 0.0) <= 1.0


def test_rates_are_compared_row_by_row() -> None:
    """Of outputs that are no order, values are compared, and rows are what is counted."""
    comparison = Comparison()
    comparison.add({}, np.array([0.1, 0.2, 0.4]), np.array([0.2, 0.3, 0.5]), 0.0, 0.0)

    assert comparison.requests == 3
    assert comparison.top1_agreement is None
    assert comparison.mean_difference == pytest.approx(0.1)
    assert comparison.score_correlation == pytest.approx(1.0)


def bundle(folder: Path, content: bytes, version: str) -> Bundle:
    return load(model_files.write_bundle(folder, content, version))


def score(active: Bundle, most: float = 1.0) -> None:
    rng = np.random.default_rng()
    features = rng.random((2, 5, len(FEATURES)), dtype=np.float32)
    features[0, 0, 0] = most
    assert active.ranker is not None
    active.ranker.scores_of_each(features, np.ones((2, 5), bool))


def wait_for(shadow: Shadow, runs: int) -> Comparison:
    deadline = time.monotonic() + 120
    while True:
        part = shadow.snapshot().parts["ranker"]
        if part.runs + part.failed >= runs:
            return part
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_shadow_scores_the_same_requests_and_resumes(tmp_path: Path) -> None:
    """Requests of the one that serves are scored again; after a restart it goes on."""
    active = bundle(tmp_path / "active", model_files.HEALTHY, "2.0.0")
    beside = bundle(tmp_path / "shadow", model_files.NAN_LATER, "3.0.0")
    shadow = Shadow(tmp_path / "kept" / "shadow.json", time.time)
    shadow.follow(active, beside)

    for _ in range(3):
        score(active)
    score(active, 50.0)

    part = wait_for(shadow, 4)
    assert (part.runs, part.requests, part.failed) == (3, 6, 1)
    assert part.top1_agreement == 1.0
    shadow.close()
    score(active)
    again = Shadow(tmp_path / "kept" / "shadow.json", time.time)
    again.follow(active, beside)
    score(active)
    assert wait_for(again, 5).runs == 4
    again.follow(active, None)
    assert again.snapshot().parts == {}


@pytest.mark.slow
def test_busy_shadow_drops_runs_and_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While too many are waiting more are left out and counted; scoring costs no more than that."""
    monkeypatch.setattr(shadow_module, "LOOK_S", 60.0)
    active = bundle(tmp_path / "active", model_files.HEALTHY, "2.0.0")
    beside = bundle(tmp_path / "shadow", model_files.SLOW_LATER, "3.0.0")
    shadow = Shadow(tmp_path / "shadow.json", time.time)
    shadow.follow(active, beside)

    for _ in range(shadow_module.WAITING + 7):
        score(active, 50.0)

    assert shadow.snapshot().parts["ranker"].dropped == 7
    assert active.sessions["ranker"].slow_runs == 0
    shadow.close()
    assert msgspec.json.decode((tmp_path / "shadow.json").read_bytes())["parts"]["ranker"]
