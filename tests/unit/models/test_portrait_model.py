"""The portrait part of a bundle as the core's port: vectors for users, or a reason and none."""

from pathlib import Path

import numpy as np
import pytest
from portrait_files import (
    WORDS,
    encoder_file,
    not_finite_file,
    write_portrait_bundle,
)

from coordinator.core.ports import ModelUnavailable
from coordinator.core.recommend import portrait as columns
from coordinator.core.recommend.collaborative import Stations, learn_tastes
from coordinator.core.recommend.portrait import COLUMNS, schema_sha256
from coordinator.errors import BundleRefused
from coordinator.models.bundle import load
from coordinator.models.onnx import OnnxModel
from coordinator.models.portrait import ROWS_AT_ONCE, WIDTH, OnnxPortraitEncoder
from coordinator.models.serving import open_models


def some_rows(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, len(COLUMNS))).astype(np.float32)


@pytest.mark.parametrize("count", [0, 1, 7, ROWS_AT_ONCE + 3])
def test_encoder_takes_any_number_of_users(count: int) -> None:
    """One vector a user, in order, however many runs it takes."""
    encoder = OnnxPortraitEncoder(OnnxModel("portrait", encoder_file(2.0)))
    rows = some_rows(count)

    vectors = encoder.portraits(rows)

    assert vectors.shape == (count, WIDTH)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[:, WORDS], 2.0 * rows[:, WORDS])


@pytest.mark.parametrize("shape", [(3, len(COLUMNS) - 1), (len(COLUMNS),), (2, 3, len(COLUMNS))])
def test_encoder_is_unavailable_for_rows_of_another_shape(shape: tuple[int, ...]) -> None:
    """Other columns are told by name, nothing else is raised."""
    encoder = OnnxPortraitEncoder(OnnxModel("portrait", encoder_file(1.0)))

    with pytest.raises(ModelUnavailable, match="portrait"):
        encoder.portraits(np.zeros(shape, np.float32))


def test_vectors_that_are_not_finite_leave_the_statistics(tmp_path: Path) -> None:
    """A model that passed its golden rows and fails on real ones costs no user a preference."""
    folder = write_portrait_bundle(tmp_path / "b", not_finite_file())
    encoder = open_models(str(folder)).portrait
    assert encoder is not None
    here = np.zeros(2)
    stations = Stations(["A", "B"], here, here + 7.0, here, here)

    tastes = learn_tastes({"u": {"A": 3}, "v": {"A": 2}}, {}, stations, encoder)

    assert "not finite" in tastes.fallback
    assert tastes.expected(np.array([0]), np.array([[0]]))[0, 0] > 0


def test_bundle_without_the_part_serves_whole() -> None:
    """The shipped bundle needs no encoder: nothing is degraded, nothing is told to be missing."""
    models = open_models()

    assert not models.degraded
    assert not [problem for problem in models.problems if "portrait" in problem]


def test_encoder_of_other_columns_is_refused(tmp_path: Path) -> None:
    """A part that was trained on other columns or scales does not load, and says why."""
    folder = write_portrait_bundle(tmp_path / "b", encoder_file(1.0), schema_sha256="1" * 64)

    with pytest.raises(BundleRefused, match="columns"):
        load(folder)


def test_schema_knows_the_scale_of_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names on another scale are another schema."""
    before = schema_sha256()

    monkeypatch.setattr(columns, "FAR_KM", 20.0)

    assert schema_sha256() != before
