"""The portrait encoder, the patent's feature extraction model, and the judge it is trained inside.

Two ways to train: on pairs, through the judge (the prediction model), or on given vectors. Where
pairs come from is in `pairs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coordinator.core.recommend.portrait import COLUMNS, MODEL_COLUMNS, STATISTICS
from coordinator.models.portrait import EXTRACTED, WIDTH
from training.pairs import Pairs

Float32 = NDArray[np.float32]
Tell = Callable[[str], None]

_HIDDEN = 32
_MOST = 4.0  # standard deviations beyond which the bent part sees no difference
_LEAST = 1e-6  # keeps the slope of a square root finite
_FIRST_MODEL = len(STATISTICS)
_NORTH, _EAST = STATISTICS.index("north"), STATISTICS.index("east")
_FIRST_HABIT = _FIRST_MODEL + MODEL_COLUMNS


@dataclass(frozen=True, slots=True)
class PortraitSettings:
    """How long and how fast to learn; `patience` epochs without gain end it."""

    epochs: int = 20
    patience: int = 4
    batch: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4


class PortraitEncoder(nn.Module):  # type: ignore[misc]
    """Vectors (batch, WIDTH) from rows (batch, len(COLUMNS)): the feature extraction layer.

    What is extracted from statistics lies on a sphere, of who has no history in its middle: as far
    from everybody, so that only what was told tells them apart. Models and habits are words in
    shared columns: each keeps its column and all weigh alike, so no word is learned by heart.

    Source: US 12,393,974 B2, claims 9-10, step 510.
    """

    def __init__(self, mean: Float32, spread: Float32) -> None:
        super().__init__()
        count = len(STATISTICS)
        self.register_buffer("mean", torch.from_numpy(mean[:count].copy()))
        self.register_buffer("spread", torch.from_numpy(spread[:count].copy()))
        self.straight = nn.Linear(count, EXTRACTED)
        self.bent = nn.Sequential(
            nn.Linear(count, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, EXTRACTED)
        )
        self.radius = nn.Parameter(torch.tensor(2.0))
        # How much models and habits weigh: of who is known, of who is new.
        self.words = nn.Parameter(torch.zeros(2, 2))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The vectors; users alike are near each other."""
        seen = rows[:, :1]
        scaled = (rows[:, :_FIRST_MODEL] - self.mean) / self.spread
        # Beyond what was trained on the bent part stands still; the straight one goes on.
        inside = self.straight(scaled) + self.bent(torch.clamp(scaled, -_MOST, _MOST))
        length = torch.sqrt((inside * inside).sum(dim=1, keepdim=True) + _LEAST)
        positive = nn.functional.softplus
        weight = positive(self.words[:1]) * seen + positive(self.words[1:]) * (1.0 - seen)
        return torch.cat(
            [
                inside / length * positive(self.radius) * seen,
                rows[:, _FIRST_MODEL:_FIRST_HABIT] * weight[:, :1],
                rows[:, _FIRST_HABIT:] * weight[:, 1:],
            ],
            dim=1,
        )


class FreeEncoder(nn.Module):  # type: ignore[misc]
    """Vectors (batch, WIDTH) wherever the labels want them: the feature extraction model of given
    vectors. Nothing binds the words here: what a label says of a model or habit can be learned.

    Source: US 12,393,974 B2, step 510.
    """

    def __init__(self, mean: Float32, spread: Float32) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean.copy()))
        self.register_buffer("spread", torch.from_numpy(spread.copy()))
        self.straight = nn.Linear(len(COLUMNS), WIDTH)
        self.bent = nn.Sequential(
            nn.Linear(len(COLUMNS), _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, WIDTH)
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The vectors, as the labels have them."""
        scaled = (rows - self.mean) / self.spread
        return self.straight(scaled) + self.bent(torch.clamp(scaled, -_MOST, _MOST))


class Judge(nn.Module):  # type: ignore[misc]
    """How alike two users choose, (batch,), 0-1, from their vectors: the judgment layer.

    The same whoever comes first; it falls with the distance of the vectors and sees nothing else,
    so that near vectors are users alike.

    Source: US 12,393,974 B2, claim 10, step 510.
    """

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(1.0))
        self.slope = nn.Parameter(torch.tensor(0.5))

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Likeness between 0 and 1."""
        return torch.sigmoid(self.logits(first, second))

    def logits(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The same before the sigmoid."""
        apart = torch.sqrt(((first - second) ** 2).sum(dim=1) + _LEAST)
        return self.level - nn.functional.softplus(self.slope) * apart


class PairModel(nn.Module):  # type: ignore[misc]
    """The prediction model: one encoder for both users, and the judge of their vectors.

    Source: US 12,393,974 B2, claim 10, step 510.
    """

    def __init__(self, encoder: PortraitEncoder) -> None:
        super().__init__()
        self.encoder, self.judge = encoder, Judge()

    def logits(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Logits of the likeness of users from their rows."""
        return self.judge.logits(self.encoder(first), self.encoder(second))

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Likeness of users from their rows, (batch,), 0-1."""
        return torch.sigmoid(self.logits(first, second))


def new_encoder(rows: Float32) -> PortraitEncoder:
    """An untrained encoder scaled to rows such as these."""
    known = rows[rows[:, 0] > 0]
    spread = np.maximum(known.std(axis=0), 1e-2).astype(np.float32)
    return PortraitEncoder(known.mean(axis=0).astype(np.float32), spread)


def train_on_pairs(
    train: Pairs,
    validation: Pairs,
    seed: int,
    settings: PortraitSettings | None = None,
    tell: Tell = lambda text: None,
) -> PairModel:
    """The prediction model with the least validation loss; same seed and pairs, same weights.

    Source: US 12,393,974 B2, claims 9-11, step 510 (both layers are trained together).
    """
    settings = settings or PortraitSettings()
    torch.manual_seed(seed)
    model = PairModel(new_encoder(train.rows))

    def loss(pairs: Pairs, chosen: NDArray[np.intp], turn: bool) -> torch.Tensor:
        first = torch.from_numpy(pairs.rows[pairs.first[chosen]])
        second = torch.from_numpy(pairs.rows[pairs.second[chosen]])
        if turn:
            first, second = turned(first, second)
        likeness = torch.from_numpy(pairs.likeness[chosen])
        logits = model.logits(first, second)
        return nn.functional.binary_cross_entropy_with_logits(logits, likeness)

    every = np.arange(len(validation))
    _fit(
        model,
        len(train),
        lambda chosen: loss(train, chosen, turn=True),
        lambda: float(loss(validation, every, turn=False)),
        settings,
        tell,
    )
    return model


def turned(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both rows of each pair with their city turned and mirrored at random: where north is, and
    which side of a city is busy, says nothing of another city."""
    angle = torch.rand(len(first)) * (2.0 * torch.pi)
    mirror = torch.sign(torch.rand(len(first)) - 0.5)
    sine, cosine = torch.sin(angle), torch.cos(angle)

    def turn(rows: torch.Tensor) -> torch.Tensor:
        north, east = rows[:, _NORTH], rows[:, _EAST]
        out = rows.clone()
        out[:, _NORTH] = cosine * north - sine * east
        out[:, _EAST] = (sine * north + cosine * east) * mirror
        return out

    return turn(first), turn(second)


def train_on_vectors(
    rows: Float32,
    vectors: Float32,
    seed: int,
    settings: PortraitSettings | None = None,
    tell: Tell = lambda text: None,
) -> FreeEncoder:
    """The encoder that gives these vectors (n, up to WIDTH) for these rows, as near as it can.

    A tenth of the rows stops the learning.

    Source: US 12,393,974 B2, step 510 ("the labels may include sample user feature vectors").
    """
    settings = settings or PortraitSettings()
    torch.manual_seed(seed)
    spread = np.maximum(rows.std(axis=0), 1e-2).astype(np.float32)
    encoder = FreeEncoder(rows.mean(axis=0).astype(np.float32), spread)
    wanted = torch.zeros(len(rows), WIDTH)
    wanted[:, : vectors.shape[1]] = torch.from_numpy(vectors)
    given = torch.from_numpy(rows)
    order = torch.randperm(len(rows)).numpy()
    held, kept = order[: max(len(rows) // 10, 1)], order[max(len(rows) // 10, 1) :]

    def loss(chosen: NDArray[np.intp]) -> torch.Tensor:
        return nn.functional.mse_loss(encoder(given[chosen]), wanted[chosen])

    _fit(encoder, len(kept), lambda at: loss(kept[at]), lambda: float(loss(held)), settings, tell)
    return encoder


def _fit(
    model: nn.Module,
    count: int,
    loss: Callable[[NDArray[np.intp]], torch.Tensor],
    validate: Callable[[], float],
    settings: PortraitSettings,
    tell: Tell,
) -> None:
    """Leaves in the model the weights with the least validation loss; stops without gain."""
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    best, kept, since = float("inf"), model.state_dict(), 0
    for epoch in range(settings.epochs):
        model.train()
        order = torch.randperm(count).numpy()
        for start in range(0, count, settings.batch):
            optimizer.zero_grad()
            loss(order[start : start + settings.batch]).backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            now = validate()
        tell(f"portrait: epoch {epoch + 1}, validation loss {now:.4f}")
        if now < best:
            best, since = now, 0
            kept = {name: value.clone() for name, value in model.state_dict().items()}
        else:
            since += 1
            if since >= settings.patience:
                break
    model.load_state_dict(kept)
    model.eval()
