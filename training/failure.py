"""The failure model: outages a day from what a pile is and how it was used.

A small network for the logarithm of the intensity, fitted to counts. Source: US 12,393,974 B2, step
340 (model, use time and number of uses of the pile).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from coordinator.core.reliability.pile_vector import COLUMNS, NUMBERS
from training.fleet import Fleet

_HIDDEN = 24
# Words are the same in no two fleets; a strong pull to zero keeps their weights from chance.
_WORD_DECAY = 1e-2


@dataclass(frozen=True, slots=True)
class FailureSettings:
    """How long and how fast to learn."""

    epochs: int = 60
    batch: int = 512
    learning_rate: float = 3e-3


class Hazard(nn.Module):  # type: ignore[misc]
    """Rates (batch,) from pile vectors (batch, columns): P(an outage starts within 24 h)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Linear(len(COLUMNS), 1)
        self.numbers = nn.Sequential(nn.Linear(2 + 2 * len(NUMBERS), _HIDDEN), nn.Tanh())
        self.out = nn.Linear(_HIDDEN, 1)
        self._first = COLUMNS.index(NUMBERS[0])
        with torch.no_grad():
            self.words.weight.zero_()
            self.words.bias.fill_(-6.5)

    def log_intensity(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logarithm of outages a day, shape (batch,)."""
        # Type and numbers together: ageing, use and current interact.
        bent = self.numbers(torch.cat([vectors[:, :2], vectors[:, self._first :]], dim=-1))
        return torch.clamp((self.words(vectors) + self.out(bent)).squeeze(-1), -14.0, 3.0)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Rates, between 0 and 1."""
        return 1.0 - torch.exp(-torch.exp(self.log_intensity(vectors)))


def train_failure(
    fleets: Sequence[Fleet], seed: int, settings: FailureSettings | None = None
) -> Hazard:
    """The model fitted to what happened next in all these fleets; same seed, same weights."""
    settings = settings or FailureSettings()
    torch.manual_seed(seed)
    vectors = torch.from_numpy(np.concatenate([fleet.vectors for fleet in fleets]))
    counts = torch.from_numpy(np.concatenate([fleet.future for fleet in fleets])).float()
    days = torch.from_numpy(
        np.concatenate([np.full(len(f.future), f.days) for f in fleets])
    ).float()
    model = Hazard()
    bent = [*model.numbers.parameters(), *model.out.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(model.words.parameters()), "weight_decay": _WORD_DECAY},
            {"params": bent, "weight_decay": 1e-4},
        ],
        settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for _ in range(settings.epochs):
        order = torch.randperm(len(counts))
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            optimizer.zero_grad()
            log_mean = model.log_intensity(vectors[rows]) + torch.log(days[rows])
            # Poisson likelihood: with hidden frailty its mean is still right.
            loss = (torch.exp(log_mean) - counts[rows] * log_mean).mean()
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()
    return model
