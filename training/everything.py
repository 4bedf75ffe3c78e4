"""One seed in, one bundle out: data, a model a part, figures, files.

How a part learns stands in its own file; here is only which parts there are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coordinator.models import arrival as arrival_port
from coordinator.models import failure as failure_port
from coordinator.models import portrait as portrait_port
from coordinator.models import ranker as ranker_port
from coordinator.models import travel as travel_port
from training.arrival import ArrivalSettings
from training.arrival_part import arrival_part
from training.card import ranker_plots, reliability_plots, write_card
from training.choices_file import read_choices
from training.datasets import Choices, generate_choices, split
from training.evaluate import BASELINES, ranking_metrics, rate_metrics
from training.export import Exported, check_parity, golden, keep, run_onnx, to_onnx, write_bundle
from training.failure import FailureSettings, train_failure
from training.fleet import Fleet, generate_fleet
from training.frailty import fitted_shape
from training.portrait_part import PortraitEffort, portrait_part
from training.ranker import RankerSettings, example, train_ranker
from training.side_by_side import train_each
from training.street import generate_street
from training.travel import TravelSettings
from training.travel_part import make_travel

BUNDLE_NAME = "generated-city"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to generate and how long to learn."""

    cities: int = 8
    days: int = 28
    requests_a_day: int = 60
    drivers: int = 80
    fleets: int = 40
    piles: int = 2000
    addresses: int = 150
    choices_file: Path | None = None  # instead of what drivers of generated cities chose
    ranker: RankerSettings = field(default_factory=RankerSettings)
    failure: FailureSettings = field(default_factory=FailureSettings)
    arrival: ArrivalSettings = field(default_factory=ArrivalSettings)
    portrait: PortraitEffort = field(default_factory=PortraitEffort)
    travel_cities: int = 6
    travel_days: int = 14
    travel: TravelSettings = field(default_factory=TravelSettings)


def train_all(
    seed: int,
    out_dir: Path,
    effort: Effort | None = None,
    tell: Tell = lambda text: None,
    only: Sequence[str] = (),
    processes: int = 1,
) -> dict[str, Any]:
    """Trains the parts from the generated city and writes the bundle.

    With several `processes`, so many parts learn at the same time; that changes no byte of them.

    `only` names the parts to train; the others stay as they are in the folder, if it has them.
    A part that is not worth serving is `left_out`, with its metrics.
    Returns version, hashes, sizes, metrics and how long each part took. Same seed, same machine,
    same versions of the libraries: the same bytes. Another processor may round differently; then
    weights agree within about 1e-3 and the metrics within 0.01. Raises `UnknownPart` and
    `NotKept`, both before anything is learned.
    """
    effort = effort or Effort()
    names = chosen(only)
    kept = keep(out_dir, names) if only else None
    settle_torch()
    started_s = time.monotonic()
    made = train_each(TRAINERS, names, seed, effort, tell, processes)
    parts, took_s = [part for part, _ in made], {part.name: spent_s for part, spent_s in made}
    version = f"1.0.0-seed{seed}"
    written = [part for part in parts if part.worth]
    sha256 = write_bundle(out_dir, BUNDLE_NAME, version, written, kept=kept)
    left_out = {part.name: part.metrics for part in parts if not part.worth}
    plots = {name: svg for part in written for name, svg in part.plots.items()}
    notes = [
        f"Part `{name}` was trained and left out: what it replaces is as good." for name in left_out
    ]
    write_card(out_dir, plots, notes)
    return {
        "name": BUNDLE_NAME,
        "version": version,
        "path": str(out_dir),
        "manifest_sha256": sha256,
        "bytes": sum(file.stat().st_size for file in out_dir.iterdir()),
        "train_s": took_s,
        "train_all_s": round(time.monotonic() - started_s, 1),
        "parts": {part.name: part.metrics for part in written},
        "left_out": left_out,
    }


def settle_torch() -> None:
    """One thread, and the same way through every operator: the same weights everywhere."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def chosen(only: Sequence[str]) -> list[str]:
    """The parts to train, in the order of `TRAINERS`; all of them when none is named."""
    for name in only:
        if name not in TRAINERS:
            raise UnknownPart(name)
    return [name for name in TRAINERS if not only or name in only]


def _ranker(seed: int, effort: Effort, tell: Tell) -> Exported:
    if effort.choices_file is None:
        tell("ranker: drivers choose in generated cities")
        choices = generate_choices(
            seed, effort.cities, effort.days, effort.requests_a_day, effort.drivers
        )
    else:
        choices = read_choices(effort.choices_file)
    parts = split(choices)
    tell(f"ranker: learning from {len(parts.train)} choices")
    model = train_ranker(parts.train, parts.validation, seed, effort.ranker)
    features, mask = example(parts.test, 2)
    feed = {"features": features, "mask": mask}
    content = to_onnx(model, feed, "scores", [("batch", "candidates"), ("batch", "candidates")])
    many = dict(zip(feed, example(parts.test, 64), strict=True))
    metrics = {"parity": check_parity("ranker", model, content, many)}
    for name, rows in (("", parts.test), ("elsewhere_", parts.elsewhere)):
        metrics |= _ranking(content, rows, name) if len(rows) else {}
    tell(f"ranker: hit1 {metrics['hit1']:.3f}, mrr {metrics['mrr']:.3f}")
    small = {name: value[:2, :12].contiguous() for name, value in feed.items()}
    return Exported(
        ranker_port.PART,
        content,
        ranker_port.INPUTS,
        ranker_port.OUTPUTS,
        golden(content, small, "scores"),
        ranker_port.SCHEMA_SHA256,
        choices.sha256(),
        metrics,
        _levels(content, parts.test),
    )


def _levels(content: bytes, rows: Choices) -> dict[str, str]:
    """The plot of the exported model and the baselines by warning level."""
    scores = run_onnx(content, {"features": rows.features, "mask": rows.mask})
    others = {name: baseline(rows) for name, baseline in BASELINES.items()}
    return ranker_plots(rows, {"this model": scores, **others})


def _ranking(content: bytes, rows: Choices, prefix: str) -> dict[str, float]:
    """Metrics of the exported model and the baselines on the same rows."""
    scores = run_onnx(content, {"features": rows.features, "mask": rows.mask})
    metrics = {f"{prefix}{key}": value for key, value in ranking_metrics(scores, rows).items()}
    for name, baseline in BASELINES.items():
        for key, value in ranking_metrics(baseline(rows), rows).items():
            metrics[f"{prefix}{name}_{key}"] = value
    return metrics | {f"{prefix}rows": float(len(rows))}


def _failure(seed: int, effort: Effort, tell: Tell) -> Exported:
    tell(f"failure: {effort.fleets} fleets age")
    fleets = [generate_fleet(seed + 1000 * n, effort.piles) for n in range(effort.fleets + 1)]
    model = train_failure(fleets[:-1], seed, effort.failure)
    feed = {"vectors": torch.from_numpy(fleets[-1].vectors[:2])}
    content = to_onnx(model, feed, "rates", [("batch",)])
    many = {"vectors": torch.from_numpy(fleets[-1].vectors)}
    metrics = {"parity": check_parity("failure", model, content, many)}
    metrics |= _rates(content, fleets)
    metrics[failure_port.FRAILTY] = fitted_shape(
        lambda vectors: run_onnx(content, {"vectors": vectors}), fleets[:-1]
    )
    tell(f"failure: brier {metrics['brier']:.4f}, same for all {metrics['global_brier']:.4f}")
    small = {"vectors": many["vectors"][:8].contiguous()}
    return Exported(
        failure_port.PART,
        content,
        failure_port.INPUTS,
        failure_port.OUTPUTS,
        golden(content, small, "rates"),
        failure_port.SCHEMA_SHA256,
        _digest(fleets[:-1]),
        metrics,
        _calibration(content, fleets[-1]),
    )


def _calibration(content: bytes, unseen: Fleet) -> dict[str, str]:
    """The plot of said and seen outages of a fleet that the model never saw."""
    rates = run_onnx(content, {"vectors": unseen.vectors}).astype(np.float64)
    within = 1.0 - (1.0 - rates) ** unseen.days
    title = f"An outage within {unseen.days:.0f} days, in a fleet never seen"
    return reliability_plots(failure_port.PART, title, within, unseen.future > 0)


def _rates(content: bytes, fleets: Sequence[Fleet]) -> dict[str, float]:
    """Metrics on a fleet never seen: of the model, of one rate for all, of the truth."""
    unseen = fleets[-1]
    rates = run_onnx(content, {"vectors": unseen.vectors})
    metrics = rate_metrics(rates, unseen)
    days = sum(len(fleet.future) * fleet.days for fleet in fleets[:-1])
    outages = sum(float(fleet.future.sum()) for fleet in fleets[:-1])
    flat = np.full(len(rates), -np.expm1(-outages / days), dtype=np.float32)
    for name, other in (("global", flat), ("truth", unseen.rate.astype(np.float32))):
        metrics |= {f"{name}_{key}": value for key, value in rate_metrics(other, unseen).items()}
    return metrics


def _arrival(seed: int, effort: Effort, tell: Tell) -> Exported:
    tell(f"arrival: {effort.addresses} addresses live for {effort.days} days")
    street = generate_street(seed, effort.addresses, effort.days)
    return arrival_part(street.connectors, street.intervals, seed, effort.arrival, tell)


def _digest(fleets: Sequence[Fleet]) -> str:
    return hashlib.sha256("".join(fleet.sha256() for fleet in fleets).encode()).hexdigest()


def _travel(seed: int, effort: Effort, tell: Tell) -> Exported:
    return make_travel(seed, effort.travel_cities, effort.travel_days, effort.travel, tell)


def _portrait(seed: int, effort: Effort, tell: Tell) -> Exported:
    return portrait_part(seed, effort.portrait, tell)


# One entry a part: how it is trained from the generated city. A part that is not here is not made.
TRAINERS: dict[str, Callable[[int, Effort, Tell], Exported]] = {
    ranker_port.PART: _ranker,
    failure_port.PART: _failure,
    arrival_port.PART: _arrival,
    portrait_port.PART: _portrait,
    travel_port.PART: _travel,
}


class UnknownPart(ValueError):
    """A part that nobody trains here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no part is called {name!r}")
        self.hint = f"one of {', '.join(TRAINERS)}"
