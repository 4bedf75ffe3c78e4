"""What the product would have said on arrival, on the rows of the arrival backtest.

By the model of a bundle or by the rules, from the same facts: state, age, hour, station, and the
failure rate as it was believed that day. Nothing of it learned from these rows.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import EvseStatus
from coordinator.core.ports import Approach, ArrivalModel
from coordinator.core.recommend.arrival import BROKEN, BUSY, FREE, UNKNOWN, p_free, p_working
from training.backtest import metrics
from training.backtest.outages import Timeline
from training.backtest.served import rapid
from training.sources import AVAILABLE, PART, Connectors, Intervals
from training.states import DAY_S, KIND_OF_STATE, daily_rates

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]

# A status that each kind stands for.
STATUS_OF_KIND = np.zeros(4, dtype=np.int8)
STATUS_OF_KIND[[FREE, BUSY, BROKEN, UNKNOWN]] = [
    EvseStatus.AVAILABLE, EvseStatus.CHARGING, EvseStatus.OUTOFORDER, EvseStatus.UNKNOWN,
]  # fmt: skip


class Grid(Protocol):
    """Connectors at instants: states and their ages (m, t)."""

    @property
    def at_s(self) -> Floats:
        """Instants (t,)."""

    @property
    def state(self) -> Index:
        """States (m, t), -1 unknown."""

    @property
    def age_s(self) -> Floats:
        """How long each has lasted (m, t)."""


class Product:
    """P(usable and free on arrival) as the product would say it."""

    def __init__(
        self,
        model: ArrivalModel | None,
        connectors: Connectors,
        lines: list[Timeline],
        whole: Intervals,
    ) -> None:
        self.by = "rules" if model is None else "model"
        self._model = model
        self._fast = rapid(connectors)
        self._address = connectors.address
        self._from_s = whole.from_s
        self._rates = daily_rates(lines, self._fast, whole)

    def said(self, grid: Grid, at: tuple[Index, Index], ahead_s: float) -> Floats:
        """Probabilities at these places (connector, instant) of the grid."""
        number, instant = at
        status = STATUS_OF_KIND[KIND_OF_STATE[grid.state[at]]]
        at_s = grid.at_s[instant]
        rate = self._rates[((at_s - self._from_s) / DAY_S).astype(np.intp), number]
        drive_s = np.full(len(number), ahead_s)
        if self._model is None:
            return p_working(status, rate, drive_s) * p_free(status, drive_s)
        share = self._free_share(grid)[self._address[number], instant]
        seen = Approach(
            status[:, None],
            self._fast[number][:, None],
            grid.age_s[at][:, None],
            np.zeros((len(number), 1)),
            drive_s[:, None],
            (at_s / 3600.0 % 24.0)[:, None],
            share[:, None],
            rate[:, None],
        )
        works, free = self._model.chances(seen)
        return np.asarray((works * free)[:, 0])

    def _free_share(self, grid: Grid) -> Floats:
        """Share of the connectors of each address that are free, (addresses, t)."""
        free = np.isin(grid.state, (AVAILABLE, PART)) * 1.0
        there = np.zeros((int(self._address.max()) + 1, free.shape[1]))
        np.add.at(there, self._address, free)
        return there / np.maximum(np.bincount(self._address), 1)[:, None]


def figures(
    product: Product, said: Floats, others: dict[str, Floats], heard: Flags, free: Flags
) -> dict[str, Any]:
    """`served` on all rows, and its log loss beside the others' on those `heard` of now."""
    return {
        "served": {"by": product.by, **metrics.rounded(metrics.probability(said, free))},
        "in_contact": {
            "rows": int(heard.sum()),
            **{
                name: round(metrics.log_loss(p[heard], free[heard]), 4)
                for name, p in {"served": said, **others}.items()
            },
        },
    }
