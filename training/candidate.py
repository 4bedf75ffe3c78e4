"""A candidate bundle from a coordinator's own choices: its ranker anew, every other part as it was.

Learns with the settings of the shipped ranker, from own choices and from those of generated cities
together, so that few own ones do not have to teach everything. Whether it may serve is `gate.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from coordinator.models import ranker as ranker_port
from training.card import write_card
from training.datasets import Choices, generate_choices
from training.export import Exported, check_parity, golden, keep, to_onnx, write_bundle
from training.from_store import OwnChoices, OwnSplit
from training.gate import Verdict
from training.ranker import RankerSettings, SetRanker, example, train_ranker

NAME = "own-choices"
MANIFEST = "manifest.json"
QUARTERS = 4  # weights are told to the trainer by repeating a row so many times its weight
MOST_REPEATED = 8


@dataclass(frozen=True, slots=True)
class OwnEffort:
    """How much to generate beside the own choices, and how long to learn."""

    cities: int = 4
    days: int = 14
    requests_a_day: int = 60
    drivers: int = 80
    ranker: RankerSettings = field(default_factory=RankerSettings)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ranker that was trained, exported and found to compute what was trained."""

    content: bytes
    golden: dict[str, object]
    parity: float
    data_sha256: str


def train_candidate(own: OwnSplit, seed: int, effort: OwnEffort) -> Candidate:
    """The ranker; same seed and data, same bytes."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    learn = own.learn.choices.take(repeated(own.learn, 1))
    if effort.cities:
        made = generate_choices(
            seed, effort.cities, effort.days, effort.requests_a_day, effort.drivers
        )
        # Own choices weigh at least as much as generated ones, as far as repeating may go.
        often = int(np.clip(len(made) // max(len(learn), 1), 1, MOST_REPEATED))
        learn = joined(own.learn.choices.take(repeated(own.learn, often)), made)
    model = train_ranker(learn, own.stop.choices, seed, effort.ranker)
    return _exported(model, own, learn)


def repeated(own: OwnChoices, often: int) -> NDArray[np.intp]:
    """Row numbers, each as often as its label weighs in quarters, times `often`."""
    copies = np.rint(own.weight * QUARTERS).astype(np.intp) * often
    return np.repeat(np.arange(len(own), dtype=np.intp), copies)


def joined(first: Choices, then: Choices) -> Choices:
    """The rows of both."""
    return Choices(
        *(
            np.concatenate([getattr(part, name) for part in (first, then)])
            for name in Choices.__slots__
        )
    )


def _exported(model: SetRanker, own: OwnSplit, learn: Choices) -> Candidate:
    features, mask = example(own.test.choices, 2)
    feed = {"features": features, "mask": mask}
    content = to_onnx(model, feed, "scores", [("batch", "candidates"), ("batch", "candidates")])
    many = dict(zip(feed, example(own.test.choices, 64), strict=True))
    small = {name: value[:2, :12].contiguous() for name, value in feed.items()}
    return Candidate(
        content,
        golden(content, small, "scores"),
        check_parity("ranker", model, content, many),
        learn.sha256(),
    )


def write_candidate(
    folder: Path,
    active: Path,
    candidate: Candidate,
    verdict: Verdict,
    version: str,
    plots: Mapping[str, str],
) -> str:
    """Writes the bundle and its card beside nothing else; returns its manifest's SHA-256.

    Parts but the ranker are those of the `active` bundle, and so are their plots. The figures of
    the verdict are its metrics. Raises `NotKept` where a part of the active bundle is not what its
    manifest says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = keep(active, [ranker_port.PART])
    for file in [*(kept.files if kept else ()), *(plot.name for plot in active.glob("*.svg"))]:
        shutil.copyfile(active / file, folder / file)
    metrics = {"parity": candidate.parity, "rows": float(verdict.rows), **verdict.candidate}
    for name, figures in {"active": verdict.active, **verdict.baselines}.items():
        metrics |= {f"{name}_{key}": value for key, value in figures.items()}
    part = Exported(
        ranker_port.PART,
        candidate.content,
        ranker_port.INPUTS,
        ranker_port.OUTPUTS,
        candidate.golden,
        ranker_port.SCHEMA_SHA256,
        candidate.data_sha256,
        metrics,
    )
    digest = write_bundle(folder, NAME, version, [part], kept=kept)
    write_card(folder, plots, [_note(verdict)])
    return digest


def _note(verdict: Verdict) -> str:
    """What the card says of the gate."""
    low, high = verdict.ci["ndcg10"]
    return (
        "The ranker is made from a coordinator's own requests. Gate against what served before:"
        f" **{'passed' if verdict.passed else 'failed'}**. Its ndcg10 on {verdict.rows} later"
        f" requests of {verdict.drivers} drivers is {verdict.candidate['ndcg10']} against"
        f" {verdict.active['ndcg10']}; the difference lies within {low:+.4f} to {high:+.4f}."
    )
