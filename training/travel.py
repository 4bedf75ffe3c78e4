"""The travel-demand model: three input layers, one output layer, and how they are trained.

The score can only fall with distance, detour and lateness, by construction. Departs: the patent
does not ask for it; a model that prefers a farther pile with all else equal is worth nothing.
Source: US 12,393,974 B2, step 610 (multiple input layers and an output layer).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coordinator.core.recommend.travel_columns import ENVIRONMENT, LOCATION, TRAVEL
from training.travel_data import Ratings

JOINT, SEPARATE = "joint", "separate"
LOSS_BOUND, NO_GAIN, EPOCH_LIMIT = "loss bound", "no gain", "epoch limit"

_BENDS = (0.25, 1.0, 3.0)  # where the location layer bends, in typical sizes
_TYPICAL = {"walk_km": 1.0, "detour_min": 5.0, "late_min": 15.0}
_TRAVEL, _LOCATION, _ENVIRONMENT, _OUT = 8, 6, 8, 12


@dataclass(frozen=True, slots=True)
class TravelSettings:
    """How the layers are trained, and what ends it: whichever comes first.

    `loss_bound` is a mean squared error on 0-1 (0.01 is ten points); `patience` epochs without
    gain count as convergence. Source: US 12,393,974 B2, step 610 (preset conditions).
    """

    layers: str = JOINT
    loss_bound: float = 0.002
    patience: int = 10
    epochs: int = 120
    batch: int = 256
    learning_rate: float = 4e-3


@dataclass(frozen=True, slots=True)
class Ended:
    """What stopped a training, after how many epochs, at which validation loss."""

    why: str
    epochs: int
    loss: float


def _share(logit: torch.Tensor) -> torch.Tensor:
    """The logistic function; spelled out, because runtimes approximate theirs to 1e-7, which is a
    hundred times as much in points."""
    return 1.0 / (1.0 + torch.exp(-torch.clamp(logit, min=-60.0)))


class TravelLayer(nn.Module):  # type: ignore[misc]
    """Travel demand to its feature vector."""

    size = _TRAVEL

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Linear(len(TRAVEL), _TRAVEL), nn.ReLU())

    def forward(self, travel: torch.Tensor) -> torch.Tensor:
        """(m, 8)."""
        return self.inside(travel)


class EnvironmentLayer(nn.Module):  # type: ignore[misc]
    """What is around the pile, to its feature vector; normalisation happens inside."""

    size = _ENVIRONMENT

    def __init__(self, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("spread", torch.from_numpy(spread))
        self.inside = nn.Sequential(nn.Linear(len(ENVIRONMENT), _ENVIRONMENT), nn.ReLU())

    def forward(self, environment: torch.Tensor) -> torch.Tensor:
        """(m, 8)."""
        scaled = torch.clamp((environment - self.mean) / self.spread, -5.0, 5.0)
        return self.inside(scaled)


class LocationLayer(nn.Module):  # type: ignore[misc]
    """Where the pile is, to a feature vector each part of which can only grow with each input."""

    size = _LOCATION

    def __init__(self) -> None:
        super().__init__()
        typical = [_TYPICAL[name] for name in LOCATION]
        self.register_buffer("unit", torch.tensor(typical))
        self.register_buffer("bends", torch.tensor(_BENDS))
        self.slopes = nn.Parameter(torch.full((2 * len(LOCATION) * len(_BENDS), _LOCATION), -2.0))
        with torch.no_grad():
            self.slopes += 0.3 * torch.randn_like(self.slopes)

    def forward(self, location: torch.Tensor) -> torch.Tensor:
        """(m, 6), none negative."""
        x = torch.clamp(location, min=0.0) / self.unit
        beyond = torch.relu(x.unsqueeze(-2) - self.bends.unsqueeze(-1))
        # What lies beyond each bend and what lies before it: both only grow, and cost next to
        # nothing, where a logarithm would cost more than all the rest.
        basis = torch.cat([beyond, x.unsqueeze(-2) - beyond], dim=-2).flatten(-2)
        return torch.matmul(basis, nn.functional.softplus(self.slopes))


class OutputLayer(nn.Module):  # type: ignore[misc]
    """Three feature vectors to the first score: a height, less what the place's distance weighs."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Linear(_TRAVEL + _ENVIRONMENT, _OUT), nn.ReLU())
        self.height = nn.Linear(_OUT, 1)
        self.weight = nn.Linear(_OUT, _LOCATION)
        nn.init.constant_(self.weight.bias, 0.5)

    def forward(
        self, travel: torch.Tensor, location: torch.Tensor, environment: torch.Tensor
    ) -> torch.Tensor:
        """(m,) in 0-1."""
        known = self.inside(torch.cat([travel, environment], dim=-1))
        weights = torch.relu(self.weight(known))
        height = self.height(known).squeeze(-1)
        return _share(height - (weights * location).sum(dim=-1))


class TravelNet(nn.Module):  # type: ignore[misc]
    """Scores 0-100 (m,) from the three groups of inputs."""

    def __init__(self, mean: NDArray[np.float32], spread: NDArray[np.float32]) -> None:
        super().__init__()
        self.travel = TravelLayer()
        self.location = LocationLayer()
        self.environment = EnvironmentLayer(mean, spread)
        self.output = OutputLayer()

    def forward(
        self, travel: torch.Tensor, location: torch.Tensor, environment: torch.Tensor
    ) -> torch.Tensor:
        """First scores."""
        share = self.output(
            self.travel(travel), self.location(location), self.environment(environment)
        )
        return 100.0 * share


def train_travel(
    train: Ratings, validation: Ratings, seed: int, settings: TravelSettings | None = None
) -> tuple[TravelNet, dict[str, Ended]]:
    """The network, and what ended each training by name: `all`, or each layer and `output`.

    Jointly, all layers learn from the score. Separately, each input layer first learns to foretell
    the score alone, under a head that is then thrown away, and stays as it is while the output
    layer learns from the three vectors. Departs: the patent labels the input layers with stored
    vectors, which would have to come from an earlier model.
    """
    settings = settings or TravelSettings()
    if settings.layers not in (JOINT, SEPARATE):
        raise ValueError(f"layers must be {JOINT} or {SEPARATE}, not {settings.layers!r}")
    torch.manual_seed(seed)
    rows = train.environment
    model = TravelNet(rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-2).astype(np.float32))
    ended: dict[str, Ended] = {}
    if settings.layers == JOINT:
        ended["all"] = _fit(_whole(model), [model], train, validation, settings)
    else:
        for name in ("travel", "location", "environment"):
            layer: nn.Module = getattr(model, name)
            head = nn.Linear(layer.size, 1)
            alone = _alone(name, layer, head)
            ended[name] = _fit(alone, [layer, head], train, validation, settings)
            layer.requires_grad_(False)
        ended["output"] = _fit(_whole(model), [model.output], train, validation, settings)
    model.eval()
    return model, ended


Predict = Callable[[dict[str, torch.Tensor]], torch.Tensor]


def _whole(model: TravelNet) -> Predict:
    return lambda feed: model(feed["travel"], feed["location"], feed["environment"]) / 100.0


def _alone(name: str, layer: nn.Module, head: nn.Linear) -> Predict:
    return lambda feed: _share(head(layer(feed[name])).squeeze(-1))


def _fit(
    predict: Predict,
    modules: Sequence[nn.Module],
    train: Ratings,
    validation: Ratings,
    settings: TravelSettings,
) -> Ended:
    """Trains until the loss is below its bound, does not get better, or epochs are over.

    The weights with the least validation loss stay.
    """
    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, settings.learning_rate, weight_decay=1e-4)
    feed, held = tensors(train), tensors(validation)
    best, since, why, epochs = float("inf"), 0, EPOCH_LIMIT, 0
    kept = [weight.detach().clone() for weight in weights]
    for epochs in range(1, settings.epochs + 1):  # noqa: B007 (the last one is told)
        order = torch.randperm(len(train))
        for start in range(0, len(order), settings.batch):
            part = order[start : start + settings.batch]
            rows = {name: column[part] for name, column in feed.items()}
            optimizer.zero_grad()
            nn.functional.mse_loss(predict(rows), rows["said"]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = float(nn.functional.mse_loss(predict(held), held["said"]))
        if loss < best - 1e-6:
            best, since = loss, 0
            kept = [weight.detach().clone() for weight in weights]
        else:
            since += 1
        if best < settings.loss_bound:
            why = LOSS_BOUND
            break
        if since >= settings.patience:
            why = NO_GAIN
            break
    with torch.no_grad():
        for weight, value in zip(weights, kept, strict=True):
            weight.copy_(value)
    return Ended(why, epochs, best)


def tensors(ratings: Ratings) -> dict[str, torch.Tensor]:
    """The columns as tensors; what was said on 0-1."""
    names = ("travel", "location", "environment")
    feed = {name: torch.from_numpy(getattr(ratings, name)) for name in names}
    return feed | {"said": torch.from_numpy(ratings.said / np.float32(100.0))}
