"""The part `portrait` of a bundle: cities, pairs, the prediction model, its encoder alone, figures.

How it learns is in `portrait.py`, how it is judged in `portrait_figures.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coordinator.core.ports import PortraitEncoder
from coordinator.core.recommend.portrait import StatisticsEncoder
from coordinator.models import portrait as port
from training.export import Exported, check_parity, golden, run_onnx, to_onnx
from training.journeys import Journeys, generate_journeys
from training.pairs import Pairs, PairSettings, draw_pairs, joined, rows_before
from training.portrait import PairModel, PortraitSettings, train_on_pairs, train_on_vectors
from training.portrait_figures import agreement, figures, gain
from training.vectors_file import read_vectors

Float32 = NDArray[np.float32]
Tell = Callable[[str], None]

# Shares of the time: cuts to learn from, then where what is learned, stopped and judged by ends.
CUTS = (0.15, 0.3, 0.45)
LEARNED, STOPPED = 0.7, 0.85
GOLDEN_ROWS = 6


@dataclass(frozen=True, slots=True)
class PortraitEffort:
    """How much to generate, which pairs to draw, how long to learn; one city more is kept apart."""

    cities: int = 3
    days: int = 24
    requests_a_day: int = 400
    drivers: int = 600
    pairs: PairSettings = field(default_factory=PairSettings)
    learning: PortraitSettings = field(default_factory=PortraitSettings)
    vectors: PortraitSettings = field(
        default_factory=lambda: PortraitSettings(epochs=300, patience=30, batch=64)
    )


class Encoded:
    """An exported encoder as the core's port, for figures."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def portraits(self, statistics: Float32) -> Float32:
        """Vectors (u, WIDTH)."""
        return run_onnx(self._content, {"rows": statistics})


def portrait_part(seed: int, effort: PortraitEffort, tell: Tell = lambda text: None) -> Exported:
    """The encoder trained in made-up cities, with figures on later choices and on another city.

    It is worth serving only if it finds better neighbours than the statistics do.
    """
    tell(f"portrait: drivers charge in {effort.cities + 1} generated cities")
    cities = [
        generate_journeys(seed, number, effort.days, effort.requests_a_day, effort.drivers)
        for number in range(effort.cities + 1)
    ]
    learned, elsewhere = cities[:-1], cities[-1]
    part = learnt_part(learned, seed, effort, tell)
    others = _measured(learned, elsewhere, Encoded(part.content), seed, effort.pairs)
    return replace(part, metrics=part.metrics | others)


def learnt_part(
    journeys: Sequence[Journeys],
    seed: int,
    effort: PortraitEffort,
    tell: Tell = lambda text: None,
    placed: bool = True,
) -> Exported:
    """The encoder learned from these journeys up to a time, and what it gains just after it.

    `placed`: where they asked is known.
    """
    train, validation = pairs_of(journeys, seed, effort.pairs)
    tell(f"portrait: learning from {len(train)} pairs")
    model = train_on_pairs(train, validation, seed, effort.learning, tell)
    part = as_part(model.encoder, train.rows, _digest(journeys))
    spans = [(one, (one.time(LEARNED), one.time(STOPPED))) for one in journeys]
    gained, low, high = gain(spans, Encoded(part.content), seed, placed)
    metrics = {"gain": gained, "gain_low": low, "gain_high": high}
    worth = low > 0.0
    tell(
        f"portrait: {gained:+.4f} ({low:+.4f} to {high:+.4f}) of reciprocal rank against the"
        f" statistics: {'it is kept' if worth else 'the statistics stay'}"
    )
    return replace(part, metrics=part.metrics | metrics, worth=worth)


def vectors_part(
    journeys: Journeys,
    vectors: Path,
    seed: int,
    effort: PortraitEffort,
    tell: Tell = lambda text: None,
) -> Exported:
    """The encoder that gives the vectors of a file for users of these journeys, whole histories.

    Raises `SourceInvalid`. Source: US 12,393,974 B2, step 510.
    """
    users, wanted = read_vectors(vectors, journeys.users)
    rows = rows_before(journeys, float(journeys.at_s[-1]))
    tell(f"portrait: learning from the vectors of {len(users)} users")
    encoder = train_on_vectors(rows[users], wanted, seed, effort.vectors, tell)
    part = as_part(encoder, rows, hashlib.sha256(wanted.tobytes()).hexdigest())
    given = run_onnx(part.content, {"rows": rows[users]})[:, : wanted.shape[1]]
    error = float(np.sqrt(np.mean((given - wanted) ** 2)))
    spread = float(np.sqrt(np.mean((wanted - wanted.mean(axis=0)) ** 2)))
    return replace(part, metrics={**part.metrics, "rmse": error, "spread": spread})


def pairs_of(cities: Sequence[Journeys], seed: int, settings: PairSettings) -> tuple[Pairs, Pairs]:
    """Pairs to learn from and to stop by: the labels of the former end before the latter begin."""
    rng = np.random.default_rng([seed, 9])
    train = [
        draw_pairs(one, one.time(cut), one.time(LEARNED), rng, settings)
        for one in cities
        for cut in CUTS
    ]
    stop = [draw_pairs(one, one.time(LEARNED), one.time(STOPPED), rng, settings) for one in cities]
    return joined(train), joined(stop)


def as_part(encoder: nn.Module, rows: Float32, digest: str) -> Exported:
    """The encoder alone as a part, checked against the trained one on all these rows."""
    some = torch.from_numpy(np.ascontiguousarray(rows[_telling(rows)]))
    content = to_onnx(encoder, {"rows": some}, "vectors", [("batch",)])
    parity = check_parity(port.PART, encoder, content, {"rows": torch.from_numpy(rows)})
    return Exported(
        port.PART,
        content,
        port.INPUTS,
        port.OUTPUTS,
        golden(content, {"rows": some}, "vectors"),
        port.SCHEMA_SHA256,
        digest,
        {"parity": parity},
    )


def judge_onnx(model: PairModel, rows: Float32) -> bytes:
    """The judgment layer as ONNX, for tests: `likeness` (batch,) of `first` and `second`.

    Source: US 12,393,974 B2, claim 10. It is not served: nearness in the space says the same.
    """
    with torch.no_grad():
        vectors = model.encoder(torch.from_numpy(rows[:2]))
    feed = {"first": vectors, "second": vectors.flip(0)}
    return to_onnx(model.judge, feed, "likeness", [("batch",), ("batch",)])


def _telling(rows: Float32) -> NDArray[np.intp]:
    """Rows for the golden batch: half of users with a history, half of those without."""
    known = rows[:, 0] > 0
    half = GOLDEN_ROWS // 2
    return np.concatenate([np.flatnonzero(known)[:half], np.flatnonzero(~known)[:half]])


def _measured(
    learned: Sequence[Journeys],
    elsewhere: Journeys,
    encoder: PortraitEncoder,
    seed: int,
    settings: PairSettings,
) -> dict[str, float]:
    """Figures on later choices of the cities learned from, and on a city never seen."""
    asked = {"encoder": encoder}
    each = [figures(one, (one.time(STOPPED), one.at_s[-1]), asked, seed) for one in learned]
    out = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    span = (elsewhere.time(0.5), float(elsewhere.at_s[-1]))
    out |= {f"elsewhere_{k}": v for k, v in figures(elsewhere, span, asked, seed).items()}
    rng = np.random.default_rng([seed, 10])
    pairs = draw_pairs(elsewhere, *span, rng, settings)
    for name, one in (("", encoder), ("statistics_", StatisticsEncoder())):
        place, basics = agreement(pairs, one)
        out |= {f"{name}agreement_place": place, f"{name}agreement_basics": basics}
    return out


def _digest(cities: Sequence[Journeys]) -> str:
    return hashlib.sha256("".join(one.sha256() for one in cities).encode()).hexdigest()
