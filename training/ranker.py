"""The sorting model: a free set network minus a part that can only grow with wait, price and risk.

Trained on the whole list of candidates at once. Source: US 12,393,974 B2, steps 510-530 (first
feature extraction layer and sorting layer, trained together).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coordinator.core.recommend.chain import FACTORS
from coordinator.core.recommend.features import COLUMN, FEATURES, FREE, MONOTONE
from coordinator.core.vehicle import WarningLevel
from training.datasets import Choices

_LEVELS = {
    "level_high": WarningLevel.HIGH,
    "level_medium": WarningLevel.MEDIUM,
    "level_low": WarningLevel.LOW,
}
# Where the monotone part bends, in standard deviations.
_BENDS = (0.25, 1.0, 3.0)
_FIRST, _SECOND = 48, 32


@dataclass(frozen=True, slots=True)
class RankerSettings:
    """How long and how fast to learn."""

    epochs: int = 30
    patience: int = 6
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4


class SetRanker(nn.Module):  # type: ignore[misc]
    """Scores (batch, candidates) from features (batch, candidates, columns) and a mask.

    `spread` of the monotone columns must be positive; normalisation happens inside.
    """

    def __init__(self, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> None:
        super().__init__()
        free = [COLUMN[name] for name in FREE]
        self.register_buffer("mean", torch.from_numpy(mean[free]))
        self.register_buffer("spread", torch.from_numpy(spread[free]))
        first = len(MONOTONE)
        self.register_buffer("unit", torch.from_numpy(spread[:first]))
        self.register_buffer("gates", torch.from_numpy(_gates(FREE)))
        # Each basis function of the monotone part has its gate beside its slope.
        burden = np.tile(_gates(MONOTONE), (1, len(_BENDS) + 2))
        self.register_buffer("burdens", torch.from_numpy(burden))
        self.register_buffer("bends", torch.tensor(_BENDS))
        self.element = nn.Sequential(
            nn.Linear(len(free), _FIRST), nn.ReLU(), nn.Linear(_FIRST, _SECOND), nn.ReLU()
        )
        # One layer over a candidate and the mean of all: the mean's half is the same for all.
        self.own = nn.Linear(_SECOND, _SECOND)
        self.others = nn.Linear(_SECOND, _SECOND, bias=False)
        self.judge = nn.Linear(_SECOND, 1)
        # One weight a level, a column and a bend; softplus makes it positive.
        size = (len(_LEVELS), first * (len(_BENDS) + 2))
        self.slopes = nn.Parameter(torch.full(size, -2.0))

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Utilities; those of masked candidates mean nothing."""
        first = len(MONOTONE)
        at = first + FREE.index(next(iter(_LEVELS)))
        levels = features[:, :, at : at + len(_LEVELS)]
        free = (features[:, :, first:] - self.mean) / self.spread
        free = torch.clamp(free, -6.0, 6.0) * torch.matmul(levels, self.gates)
        # Flat, because a layer over a matrix runs twice as fast as one over a stack of them.
        flat = self.element(free.flatten(0, 1))
        total = torch.clamp(mask.sum(dim=1, keepdim=True), min=1.0)
        share = (mask / total).unsqueeze(1)
        around = torch.matmul(share, flat.unflatten(0, mask.shape))
        both = self.own(flat).unflatten(0, mask.shape) + self.others(around)
        liked = self.judge(torch.relu(both).flatten(0, 1)).unflatten(0, mask.shape)
        return liked.squeeze(-1) - self._burden(features[:, :, :first], levels)

    def _burden(self, costs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """What can only grow with each monotone column: lines, a logarithm and bends upward."""
        x = torch.clamp(costs, min=0.0) / self.unit
        bends = torch.relu(x.unsqueeze(-2) - self.bends.unsqueeze(-1)).flatten(-2)
        basis = torch.cat([x, torch.log1p(x), bends], dim=-1)
        open_slopes = torch.nn.functional.softplus(self.slopes) * self.burdens
        slopes = torch.matmul(levels, open_slopes)
        return (slopes * basis).sum(dim=-1)


def _gates(columns: Sequence[str]) -> NDArray[np.float32]:
    """Which columns each level sees, shape (3, len(columns)), by the factors of the chain.

    A column of a factor above the level is cut off inside the graph, whatever a caller puts there.
    """
    gates = np.ones((len(_LEVELS), len(columns)), dtype=np.float32)
    for row, level in enumerate(_LEVELS.values()):
        for first, factors in FACTORS.items():
            for name in (name for names in factors.values() for name in names):
                if level < first and name in columns:
                    gates[row, columns.index(name)] = 0.0
    return gates


def train_ranker(
    train: Choices, validation: Choices, seed: int, settings: RankerSettings | None = None
) -> SetRanker:
    """The network with the least validation loss; same seed and data, same weights."""
    settings = settings or RankerSettings()
    torch.manual_seed(seed)
    rows = train.features[train.mask > 0]
    spread = np.maximum(rows.std(axis=0), 1e-3).astype(np.float32)
    model = SetRanker(rows.mean(axis=0).astype(np.float32), spread)
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    best, kept, since = float("inf"), model.state_dict(), 0
    for _ in range(settings.epochs):
        _epoch(model, optimizer, train, settings.batch)
        schedule.step()
        loss = choice_loss(model, validation)
        if loss < best:
            best, since = loss, 0
            kept = {name: value.clone() for name, value in model.state_dict().items()}
        else:
            since += 1
            if since >= settings.patience:
                break
    model.load_state_dict(kept)
    model.eval()
    return model


def _epoch(model: SetRanker, optimizer: torch.optim.Optimizer, data: Choices, batch: int) -> None:
    model.train()
    order = torch.randperm(len(data)).numpy()
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        optimizer.zero_grad()
        loss = _loss(model, data, rows)
        loss.backward()
        optimizer.step()


def _loss(model: SetRanker, data: Choices, rows: NDArray[np.intp]) -> torch.Tensor:
    """Listwise: cross-entropy of the chosen candidate among all that were shown."""
    mask = torch.from_numpy(data.mask[rows])
    scores = model(torch.from_numpy(data.features[rows]), mask)
    scores = scores.masked_fill(mask == 0, -1e9)
    return nn.functional.cross_entropy(scores, torch.from_numpy(data.chosen[rows]))


def choice_loss(model: SetRanker, data: Choices, batch: int = 512) -> float:
    """Mean cross-entropy of the choices."""
    model.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(data), batch):
            rows = np.arange(start, min(start + batch, len(data)))
            total += float(_loss(model, data, rows)) * len(rows)
    return total / max(len(data), 1)


def example(choices: Choices, requests: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A few real requests, as input for export and golden batch."""
    return (
        torch.from_numpy(choices.features[:requests]),
        torch.from_numpy(choices.mask[:requests]),
    )


assert FEATURES[: len(MONOTONE)] == MONOTONE
