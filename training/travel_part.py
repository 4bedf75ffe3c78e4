"""The travel part of a bundle: trained, exported, and judged on later days and another city."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from coordinator.models import travel as port
from training.export import Exported, check_parity, golden, run_onnx, to_onnx
from training.travel import (
    EPOCH_LIMIT,
    JOINT,
    LOSS_BOUND,
    NO_GAIN,
    Ended,
    TravelSettings,
    tensors,
    train_travel,
)
from training.travel_data import Ratings, generate_ratings, split_ratings

Float32 = NDArray[np.float32]

_INPUTS = ("travel", "location", "environment")
_STOPS = {LOSS_BOUND: "stopped_by_loss_bound", NO_GAIN: "stopped_by_no_gain",
          EPOCH_LIMIT: "stopped_by_epoch_limit"}  # fmt: skip


def make_travel(
    seed: int,
    cities: int,
    days: int,
    settings: TravelSettings,
    tell: Callable[[str], None],
) -> Exported:
    """The part, with metrics that also say how it was trained and what ended that."""
    tell("travel: drivers tell of places in generated cities")
    parts = split_ratings(generate_ratings(seed, cities, days))
    tell(f"travel: learning from {len(parts.train)} ratings, layers {settings.layers}")
    model, ended = train_travel(parts.train, parts.validation, seed, settings)
    many = _feed(parts.test, 512)
    content = to_onnx(model, _feed(parts.test, 2), "scores", [("batch",)] * len(_INPUTS))
    metrics = {"parity": check_parity(port.PART, model, content, many)}
    metrics |= training_metrics(settings, ended)
    for prefix, rows in (("", parts.test), ("elsewhere_", parts.elsewhere)):
        metrics |= _judged(content, rows, parts.train, prefix) if len(rows) else {}
    last = list(ended.values())[-1]
    tell(
        f"travel: stopped by {last.why} after {last.epochs} epochs, mean error "
        f"{metrics['mae']:.1f} points, rule {metrics['rule_mae']:.1f}"
    )
    small = {name: value[:24].contiguous() for name, value in many.items()}
    return Exported(
        port.PART,
        content,
        port.INPUTS,
        port.OUTPUTS,
        golden(content, small, "scores"),
        port.SCHEMA_SHA256,
        parts.train.sha256(),
        metrics,
    )


def training_metrics(settings: TravelSettings, ended: dict[str, Ended]) -> dict[str, float]:
    """How the layers were trained, and what ended that, as numbers: 1 for what is true."""
    last = list(ended.values())[-1]
    metrics = {"layers_joint": float(settings.layers == JOINT)}
    metrics |= {name: float(last.why == why) for why, name in _STOPS.items()}
    metrics |= {"epochs": float(last.epochs), "validation_loss": last.loss}
    for name, one in ended.items() if len(ended) > 1 else ():
        metrics |= {f"{name}_epochs": float(one.epochs), f"{name}_loss": one.loss}
    return metrics


def _feed(ratings: Ratings, count: int) -> dict[str, torch.Tensor]:
    return {
        name: value[:count].contiguous()
        for name, value in tensors(ratings).items()
        if name in _INPUTS
    }


def _judged(content: bytes, rows: Ratings, train: Ratings, prefix: str) -> dict[str, float]:
    """Metrics of the exported model, of the rule, and of one score for all, on the same rows."""
    scores = run_onnx(content, {name: getattr(rows, name) for name in _INPUTS})
    flat = np.full(len(rows), train.said.mean(), dtype=np.float32)
    metrics = {f"{prefix}rows": float(len(rows))}
    for name, values in (("", scores), ("rule_", rows.rule), ("mean_", flat)):
        for key, value in score_metrics(values, rows).items():
            metrics[f"{prefix}{name}{key}"] = value
    return metrics


def score_metrics(scores: Float32, rows: Ratings) -> dict[str, float]:
    """Mean error in points, and the share of pairs of one request that are in the order said.

    Pairs said to be within five points of each other are not counted; a tie is half right.
    """
    error = np.abs(scores - rows.said)
    right = counted = 0.0
    begins = np.flatnonzero(np.diff(rows.request, prepend=-1))
    for first, last in zip(begins, [*begins[1:], len(rows)], strict=True):
        said, given = rows.said[first:last], scores[first:last]
        apart = np.subtract.outer(said, said)
        pairs = apart > 5.0
        order = np.sign(np.subtract.outer(given, given))
        right += float(((order + 1.0) / 2.0)[pairs].sum())
        counted += float(pairs.sum())
    return {"mae": float(error.mean()), "pairs": right / max(counted, 1.0)}
