"""The arrival model: P(works) and P(free, if it works) on arrival, two heads that share no weight.

Each head is what is known now, fading with the drive towards what is usual: how fast it fades, and
what is usual, are learned; that it only fades, and from where, is built in. So whatever was
learned, an older sight is worth less, and a broken EVSE is never likelier to work than one in
order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from training.states import States

_HIDDEN = 16
# How long what is known may keep, minutes; the last is for good.
FADES_MIN = (3.0, 10.0, 30.0, 90.0, 300.0, 1440.0, 7200.0, 1e9)
_KINDS, _RAPID, _LASTED, _HOUR, _AHEAD, _SHARE, _RATE = (
    slice(0, 4), slice(4, 5), 5, slice(6, 8), 8, slice(9, 10), 10,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArrivalSettings:
    """How long and how fast to learn, and from how many instants of each connector."""

    epochs: int = 12
    batch: int = 2048
    learning_rate: float = 5e-3
    each: int = 600


class ArrivalNet(nn.Module):  # type: ignore[misc]
    """Chances (batch, 2) from states (batch, columns)."""

    def __init__(self) -> None:
        super().__init__()
        count = len(FADES_MIN)
        self.begins = _net(1 + 3 + 2, count)  # which part of a day's outages has begun, and lasts
        self.lasts = _net(1 + 3 + 2, count)  # how long an outage goes on
        self.hidden = _net(1 + 3, 1)  # what stands behind silence
        self.usual = _net(1 + 4 + 1, 1)  # how busy it is at that hour
        self.fades = _net(4 + 1 + 3 + 4 + 1, count)  # how long a status keeps
        self.unseen = _net(4 + 1, 1)  # how busy something broken or silent is
        self.register_buffer("spans", torch.tensor(FADES_MIN))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """P(works), and P(free if it works)."""
        chances = torch.stack([1.0 - self.broken(states), 1.0 - self.busy(states)], dim=-1)
        return torch.clamp(chances, 0.0, 1.0)  # shares sum to 1 but for the last bit

    def broken(self, states: torch.Tensor) -> torch.Tensor:
        """P(broken on arrival), straight in the failure rate; sees nothing of who charges."""
        _, _, is_broken, is_unknown = states[:, _KINDS].unbind(-1)
        seen = torch.cat([states[:, _RAPID], _lasted(states), states[:, _HOUR]], dim=-1)
        breaks = states[:, _RATE] * (1.0 - self._kept(self.begins(seen), states))
        stays = self._kept(self.lasts(seen), states)
        behind = torch.sigmoid(self.hidden(seen[:, :4])).squeeze(-1)
        already = is_broken * stays + is_unknown * behind
        return already + (1.0 - already) * breaks

    def busy(self, states: torch.Tensor) -> torch.Tensor:
        """P(busy on arrival, if it works); sees nothing of faults but that it was out of use."""
        _, is_busy, is_broken, is_unknown = states[:, _KINDS].unbind(-1)
        when = _twice(states[:, _HOUR])
        usual = torch.sigmoid(
            self.usual(torch.cat([states[:, _RAPID], when, states[:, _SHARE]], dim=-1))
        ).squeeze(-1)
        seen = [states[:, _KINDS], states[:, _RAPID], _lasted(states), when, states[:, _SHARE]]
        kept = self._kept(self.fades(torch.cat(seen, dim=-1)), states)
        out_of_use = torch.sigmoid(self.unseen(torch.cat(seen[:2], dim=-1))).squeeze(-1)
        now = is_busy + (is_broken + is_unknown) * out_of_use
        return usual + (now - usual) * kept

    def _kept(self, weights: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """How much of what is known now still holds after the drive: 1 at first, never rising."""
        faded = torch.exp(-states[:, _AHEAD : _AHEAD + 1] / self.spans)
        return (torch.softmax(weights, dim=-1) * faded).sum(-1)


def _net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, outputs))


def _lasted(states: torch.Tensor) -> torch.Tensor:
    """Three columns of how long the status has lasted: by its logarithm, and whether it is new."""
    minutes = states[:, _LASTED : _LASTED + 1]
    log = torch.log1p(minutes) / 7.0
    return torch.cat([log, torch.exp(-minutes / 20.0), torch.exp(-minutes / 300.0)], dim=-1)


def _twice(hour: torch.Tensor) -> torch.Tensor:
    """Sine and cosine of the day and of half of it."""
    sine, cosine = hour[:, :1], hour[:, 1:]
    return torch.cat([hour, 2.0 * sine * cosine, cosine**2 - sine**2], dim=-1)


def train_arrival(states: States, seed: int, settings: ArrivalSettings | None = None) -> ArrivalNet:
    """The model fitted to what came after; same seed, same weights."""
    settings = settings or ArrivalSettings()
    torch.manual_seed(seed)
    columns = torch.from_numpy(states.columns)
    labels = torch.from_numpy(np.stack([states.works, states.free], axis=1))
    model = ArrivalNet()
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for _ in range(settings.epochs):
        order = torch.randperm(len(columns))
        for start in range(0, len(order), settings.batch):
            rows = order[start : start + settings.batch]
            optimizer.zero_grad()
            loss = _loss(model(columns[rows]), labels[rows])
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()
    return model


def _loss(said: torch.Tensor, happened: torch.Tensor) -> torch.Tensor:
    """Mean negative logarithm of what was said of what happened, over what is known."""
    known = ~torch.isnan(happened)
    p = torch.clamp(said, 1e-6, 1.0 - 1e-6)
    y = torch.where(known, happened, torch.zeros_like(happened))
    logs = y * torch.log(p) + (1.0 - y) * torch.log(1.0 - p)
    # Each head its own mean: rows where one of them is unknown weigh nothing on the other.
    return -(logs * known).sum(dim=0).div(known.sum(dim=0).clamp(min=1)).sum()
