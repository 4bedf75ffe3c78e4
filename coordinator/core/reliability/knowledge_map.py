"""The knowledge map: failure rates that flow between similar piles.

Nodes are EVSEs with a failure rate, edges join nodes more alike than a threshold. The update that
runs by default is anchored in each pile's own evidence; the patent's two equations are here as
printed. Who is alike is in `similarity.py`, what the evidence says in `evidence.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coordinator.core.reliability.similarity import Float32, Measure, graph

Float64 = NDArray[np.float64]
Graph: TypeAlias = sparse.csr_matrix

_ROWS_AT_ONCE = 2000


class Algorithm(Enum):
    """How rates flow: anchored (default), or one of the patent's equations as printed."""

    ANCHORED = "anchored"
    EQUATION_1 = "equation_1"
    EQUATION_2 = "equation_2"


@dataclass(frozen=True, slots=True)
class MapSettings:
    """Figures of the map. `order` 1 or 2 is the patent's "size of the neighbour"."""

    threshold: float = 0.8
    measure: Measure = Measure.COSINE
    max_edges: int = 32
    order: int = 2
    algorithm: Algorithm = Algorithm.ANCHORED
    kappa_days: float = 20.0
    theta: float = 0.5
    alpha: float = 0.5
    beta: float = 0.5
    edge_weights: tuple[float, float] = (0.5, 0.5)
    tolerance: float = 1e-6


def equation_1(x: Float64, a: Graph) -> Float64:
    """Rates after one pass of x' = x + Σ aᵢyᵢ, as printed; they leave [0, 1] at once.

    Source: US 12,393,974 B2, Eq. (1), step 410.

    >>> a = sparse.csr_matrix(np.array([[0.0, 0.9], [0.9, 0.0]]))
    >>> [round(float(v), 2) for v in equation_1(np.array([0.1, 0.5]), a)]
    [0.55, 0.59]
    """
    return np.asarray(x + a @ x)


def equation_2(x: Float64, a: Graph, alpha: float, beta: float) -> Float64:
    """Rates after one pass of x' = αx + βΣ aᵢyᵢ, as printed.

    Source: US 12,393,974 B2, Eq. (2), step 410.

    >>> a = sparse.csr_matrix(np.array([[0.0, 0.9], [0.9, 0.0]]))
    >>> [round(float(v), 3) for v in equation_2(np.array([0.1, 0.5]), a, 0.5, 0.5)]
    [0.275, 0.295]
    """
    return np.asarray(alpha * x + beta * (a @ x))


def second_order(a: Graph, weights: tuple[float, float] = (0.5, 0.5)) -> Graph:
    """The edges and those to neighbours of neighbours, whose similarity is w₁·s₁ + w₂·s₂.

    Of several shortest paths the largest sum counts.

    Source: step 410, FIG. 4 (pile M and pile N are neighbours of size 2).

    >>> a = np.zeros((3, 3)); a[0, 1] = a[1, 0] = 0.9; a[1, 2] = a[2, 1] = 0.8
    >>> round(float(second_order(sparse.csr_matrix(a))[0, 2]), 2)
    0.85
    """
    n, (w1, w2) = a.shape[0], weights
    best = np.zeros(n)
    indices, data, counts = [], [], np.zeros(n, dtype=np.int64)
    for row in range(n):
        first = a.indices[a.indptr[row] : a.indptr[row + 1]]
        near = a.data[a.indptr[row] : a.indptr[row + 1]]
        for middle, s1 in zip(first, near, strict=True):
            part = slice(a.indptr[middle], a.indptr[middle + 1])
            np.maximum.at(best, a.indices[part], w1 * s1 + w2 * a.data[part])
        best[first], best[row] = near, 0.0
        found = np.flatnonzero(best)
        indices.append(found)
        data.append(best[found])
        counts[row] = found.size
        best[found] = 0.0
    indptr = np.concatenate([[0], np.cumsum(counts)])
    return Graph((np.concatenate(data), np.concatenate(indices), indptr), shape=(n, n))


class KnowledgeMap:
    """The map of one fleet at one time. Rates are P(an unplanned outage starts within 24 h).

    `rates` holds the settled rate of every node, shape (n,) float64.
    """

    def __init__(
        self,
        rows: Float32,
        prior: Float64,
        exposure_days: Float64,
        settings: MapSettings | None = None,
    ) -> None:
        self.settings = settings or MapSettings()
        self.similarity = graph(
            rows,
            measure=self.settings.measure,
            threshold=self.settings.threshold,
            max_edges=self.settings.max_edges,
        )
        self._pointing = self.similarity.tocsc()
        self.prior = np.asarray(prior, dtype=np.float64).copy()
        self.exposure_days = np.asarray(exposure_days, dtype=np.float64).copy()
        self.alive = np.ones(self.prior.size, dtype=bool)
        self.iterations = 0
        self._theta = self.settings.theta if self.settings.order > 1 else 0.0
        self._weigh()
        self.rates = self.prior.copy()
        self.settle()

    def _weigh(self) -> None:
        """Row sums of A + θA² without its diagonal, and the share that each node takes from them.

        The square itself is never formed: it would have a thousand entries a row.
        """
        ones = self.alive.astype(np.float64)
        self._loops = self._two_steps_home(ones)
        self._row_sum = self._spread(ones)
        kappa = self.settings.kappa_days
        self._gamma = np.where(self._row_sum > 0, kappa / (kappa + self.exposure_days), 0.0)

    def _two_steps_home(self, ones: Float64) -> Float64:
        """The diagonal of A²: Σ aᵢⱼaⱼᵢ over living j.

        Some rows at a time, because scipy keeps the interpreter to itself meanwhile, and the event
        loop must go on.
        """
        a, n = self.similarity, self.prior.size
        # The columns of A in the form of rows: A transposed, without copying.
        turned = Graph((self._pointing.data, self._pointing.indices, self._pointing.indptr), (n, n))
        loops = [
            a[start : start + _ROWS_AT_ONCE].multiply(turned[start : start + _ROWS_AT_ONCE]) @ ones
            for start in range(0, n, _ROWS_AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *loops])

    def _spread(self, x: Float64) -> Float64:
        """(A + θA²)x with a zero diagonal; the dead give nothing."""
        x = np.where(self.alive, x, 0.0)
        once = self.similarity @ x
        if self._theta == 0:
            return np.asarray(once)
        through = np.where(self.alive, once, 0.0)
        return np.asarray(once + self._theta * (self.similarity @ through - self._loops * x))

    def settle(self) -> None:
        """Brings `rates` to the fixed point of x ← (1−γᵢ)x⁰ᵢ + γᵢ Σ wᵢⱼxⱼ, to the tolerance.

        γᵢ = κ / (κ + exposureᵢ), 0 for a node without neighbours: a new pile leans on those alike,
        a well-known one on itself. Stays within [min x⁰, max x⁰].

        Departs: the patent's equations have no anchor; see `equation_1`, `equation_2`, which run
        once here when the settings choose them, clipped to [0, 1].
        """
        if self.settings.algorithm is not Algorithm.ANCHORED:
            self._settle_as_printed()
            return
        for _ in range(200):
            before, self.rates = self.rates, self._pass(self.rates)
            self.iterations += 1
            if float(np.max(np.abs(self.rates - before), initial=0.0)) < self.settings.tolerance:
                return

    def _pass(self, x: Float64) -> Float64:
        pooled = self._spread(x) / np.maximum(self._row_sum, 1e-300)
        return (1.0 - self._gamma) * self.prior + self._gamma * pooled

    def _settle_as_printed(self) -> None:
        s = self.settings
        a = second_order(self.similarity, s.edge_weights) if s.order > 1 else self.similarity
        if s.algorithm is Algorithm.EQUATION_1:
            rates = equation_1(self.prior, a)
        else:
            rates = equation_2(self.prior, a, s.alpha, s.beta)
        self.rates = np.clip(rates, 0.0, 1.0)
        self.iterations += 1

    def neighbours(self, node: int) -> NDArray[np.intp]:
        """The nodes that have an edge to this one, ascending."""
        start, stop = self._pointing.indptr[node : node + 2]
        return np.sort(self._pointing.indices[start:stop]).astype(np.intp)

    def learn(
        self, node: int, prior: float, exposure_days: float, same_type: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Takes new evidence of one node and updates it and its neighbours of the same type.

        Returns the nodes whose rate changed. Costs one pass over their rows, not over the map;
        the next `settle` carries the change further.

        Source: step 410, "when a charging pile of a node fails, the failure rates of charging piles
        of nodes of the same type as the node can be updated".
        """
        self.prior[node], self.exposure_days[node] = prior, exposure_days
        if self._gamma[node] > 0:
            kappa = self.settings.kappa_days
            self._gamma[node] = kappa / (kappa + exposure_days)
        around = self.neighbours(node)
        touched = np.append(around[same_type[around] & self.alive[around]], node)
        # The node itself first: its neighbours then see the new rate.
        for part in (touched[-1:], touched[:-1]):
            if part.size:
                self.rates[part] = self._pass_of(part)
        self.iterations += 1
        return touched

    def _pass_of(self, nodes: NDArray[np.intp]) -> Float64:
        """`_pass` for a few nodes."""
        x = np.where(self.alive, self.rates, 0.0)
        rows = self.similarity[nodes]
        spread = rows @ x
        if self._theta:
            middle = np.unique(rows.indices)
            through = np.zeros_like(x)
            through[middle] = np.where(self.alive[middle], self.similarity[middle] @ x, 0.0)
            spread = spread + self._theta * (rows @ through - self._loops[nodes] * x[nodes])
        gamma = self._gamma[nodes]
        pooled = spread / np.maximum(self._row_sum[nodes], 1e-300)
        return np.asarray((1.0 - gamma) * self.prior[nodes] + gamma * pooled)

    def leave(self, nodes: NDArray[np.intp]) -> None:
        """Takes scrapped piles out of the map: they give nothing and keep their last rate.

        Source: step 410, "scrapped charging piles". Call `settle` afterwards.
        """
        self.alive[nodes] = False
        self._weigh()
        self._gamma[nodes] = 0.0
        self.prior[nodes] = self.rates[nodes]
