"""From states of connectors to the `arrival` part of a bundle: learned, measured, exported.

The last fifth of the time is not learned from; there the model is compared with the rules that
answer without it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from coordinator.core.recommend.arrival import p_free, p_working
from coordinator.models import arrival as port
from training.arrival import ArrivalSettings, train_arrival
from training.backtest import metrics
from training.backtest.arrival_served import STATUS_OF_KIND
from training.card import reliability_plots
from training.export import Exported, check_parity, golden, run_onnx, to_onnx
from training.sources import Connectors, Intervals
from training.splits import by_time
from training.states import States, states_of

LEARNED_SHARE = 0.8  # of the time
HEADS = ("works", "free")
_WORDS = {"works": "works", "free": "is free"}

Floats = NDArray[np.float64]


class TooFewStates(ValueError):
    """The feed is too short, or too little is known in it, to learn from."""

    def __init__(self, count: int) -> None:
        super().__init__(f"only {count} states are known at a begin and at an end of a drive")
        self.hint = "give at least three days of intervals"


def arrival_part(
    connectors: Connectors,
    intervals: Intervals,
    seed: int,
    settings: ArrivalSettings | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Exported:
    """The part, with figures of the time that was not learned from. Raises `TooFewStates`."""
    settings = settings or ArrivalSettings()
    states = states_of(connectors, intervals, seed, settings.each)
    cut_s = intervals.from_s + LEARNED_SHARE * (intervals.to_s - intervals.from_s)
    learned, unseen = (states.take(part) for part in by_time(states.at_s, [cut_s]))
    if min(len(learned), len(unseen)) < 100:
        raise TooFewStates(min(len(learned), len(unseen)))
    tell(f"arrival: learning from {len(learned)} states")
    model = train_arrival(learned, seed, settings)
    many = {"states": torch.from_numpy(unseen.columns[:5000])}
    content = to_onnx(model, {"states": many["states"][:2]}, "chances", [("batch",)])
    figures = {"parity": check_parity(port.PART, model, content, many)}
    said = run_onnx(content, {"states": unseen.columns}).astype(np.float64)
    figures |= heads(said, unseen)
    for name, value in heads(by_rules(unseen), unseen).items():
        figures[f"rules_{name}"] = value
    tell(
        f"arrival: log loss works {figures['works_log_loss']:.4f},"
        f" free {figures['free_log_loss']:.4f};"
        f" rules {figures['rules_works_log_loss']:.4f}, {figures['rules_free_log_loss']:.4f}"
    )
    return Exported(
        port.PART,
        content,
        port.INPUTS,
        port.OUTPUTS,
        golden(content, {"states": many["states"][:8].contiguous()}, "chances"),
        port.SCHEMA_SHA256,
        learned.sha256(),
        figures | {"rows": float(len(unseen))},
        drawn(said, unseen),
    )


def drawn(said: Floats, states: States) -> dict[str, str]:
    """A reliability diagram of each head, where it is known what happened."""
    plots: dict[str, str] = {}
    for column, name in enumerate(HEADS):
        happened = getattr(states, name)
        known = ~np.isnan(happened)
        title = f"An EVSE {_WORDS[name]} when the car arrives, in later time"
        plots |= reliability_plots(port.PART, title, said[known, column], happened[known] > 0, name)
    return plots


def by_rules(states: States) -> Floats:
    """What the rules say of the same states, (n, 2)."""
    status = STATUS_OF_KIND[states.columns[:, :4].argmax(axis=1)]
    ahead_s = states.columns[:, 8].astype(np.float64) * 60.0
    rates = states.columns[:, 10].astype(np.float64)
    return np.stack([p_working(status, rates, ahead_s), p_free(status, ahead_s)], axis=1)


def heads(said: Floats, states: States) -> dict[str, float]:
    """brier, log_loss, ece and auc of each head, where it is known what happened."""
    figures: dict[str, float] = {}
    for column, name in enumerate(HEADS):
        happened = getattr(states, name)
        known = ~np.isnan(happened)
        found = metrics.probability(said[known, column], happened[known] > 0)
        figures |= {f"{name}_{key}": value for key, value in found.items()}
    return figures
