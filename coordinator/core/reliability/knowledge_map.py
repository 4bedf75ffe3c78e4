"""The knowledge map: failure rates that flow between similar piles.

Nodes are EVSEs with a failure rate, edges join nodes more alike than a threshold. The update that
runs by default is anchored in each pile's own evidence; the patent's two equations are in
`printed.py`, how the numbers are found in `relaxation.py`. Who is alike is in `similarity.py`, what
the evidence says in `evidence.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.map_settings import Algorithm, MapSettings
from coordinator.core.reliability.printed import (
    Float64,
    Graph,
    around,
    equation_1,
    equation_2,
    second_order,
)
from coordinator.core.reliability.relaxation import Flow, Nodes, amplification, relax, settle
from coordinator.core.reliability.similarity import Float32, graph


class KnowledgeMap:
    """The map of one fleet at one time. Rates are P(an unplanned outage starts within 24 h).

    `rates` holds the rate of every node, shape (n,) float64; `passes` counts how often they flowed.

    Source: US 12,393,974 B2, claim 1, step 410, FIG. 4. Departs: by default A + θA² row-normalised
    and anchored.
    """

    def __init__(
        self,
        rows: Float32,
        prior: Float64,
        exposure_days: Float64,
        settings: MapSettings | None = None,
    ) -> None:
        settings = settings or MapSettings()
        edges = graph(
            rows,
            measure=settings.measure,
            threshold=settings.threshold,
            max_edges=settings.max_edges,
        )
        self._lay(edges, prior, exposure_days, settings)

    @classmethod
    def on(
        cls,
        similarity: Graph,
        prior: Float64,
        exposure_days: Float64,
        settings: MapSettings | None = None,
    ) -> KnowledgeMap:
        """The map on these edges, shape (n, n), row i what node i leans on.

        Raises ValueError for an edge from a node to itself and a weight that is not positive.
        """
        made = cls.__new__(cls)
        made._lay(similarity, prior, exposure_days, settings or MapSettings())
        return made

    def _lay(
        self, edges: Graph, prior: Float64, exposure_days: Float64, settings: MapSettings
    ) -> None:
        self.settings, self.similarity = settings, edges
        self.prior = np.asarray(prior, dtype=np.float64).copy()
        self.exposure_days = np.asarray(exposure_days, dtype=np.float64).copy()
        self.alive = np.ones(self.prior.size, dtype=bool)
        self.passes = 0
        self._flow = Flow(edges, settings.theta if settings.order > 1 else 0.0, self.alive)
        self._printed: Graph | None = None
        self._gamma = self._shares(np.arange(self.prior.size))
        self.rates = self.prior.copy()
        self.settle()

    def _shares(self, nodes: Nodes) -> Float64:
        """γ of these nodes: what each takes from those alike; 0 for the dead and the isolated."""
        s = self.settings
        if s.share is not None:
            gamma = np.full(nodes.size, s.share)
        else:
            days = np.maximum(self.exposure_days[nodes], s.least_exposure_days)
            gamma = s.kappa_days / (s.kappa_days + days)
        return np.where((self._flow.row_sum[nodes] > 0) & self.alive[nodes], gamma, 0.0)

    def settle(self) -> None:
        """Brings `rates` to the fixed point of x ← (1−γᵢ)x⁰ᵢ + γᵢ Σ wᵢⱼxⱼ, to the tolerance.

        γᵢ = κ / (κ + exposureᵢ), 0 for a node without neighbours: a new pile leans on those alike,
        a well-known one on itself. Stays within [min x⁰, max x⁰].

        Source: US 12,393,974 B2, step 410. Departs: the patent's equations have no anchor; see
        `equation_1`, `equation_2`, which run once here when the settings choose them, clipped to
        [0, 1]. Second-order neighbours enter as θA² and not as a sum along a path.
        """
        if self.settings.algorithm is not Algorithm.ANCHORED:
            self.rates = self._as_printed()
            self.passes += 1
            return
        self._amplification = amplification(self._flow, self._gamma)
        stop = self.settings.tolerance / self._amplification
        self.rates, self._residual, passes = settle(
            self._flow, self._gamma, self.prior, self.rates, stop
        )
        self.passes += passes

    def _as_printed(self) -> Float64:
        s = self.settings
        if self._printed is None:
            a = self.similarity
            self._printed = second_order(a, s.edge_weights) if s.order > 1 else a
        a, x = self._printed, self.prior * self.alive
        if s.algorithm is Algorithm.EQUATION_1:
            rates = equation_1(x, a)
        else:
            rates = equation_2(x, a, s.alpha, s.beta)
        return np.where(self.alive, np.clip(rates, 0.0, 1.0), self.prior)

    def neighbours(self, node: int, order: int = 1) -> tuple[Nodes, Float64, Nodes]:
        """Whom a node leans on, ascending: nodes, similarities, and how many edges away (1 or 2).

        Source: US 12,393,974 B2, step 410, "the number of edges involved in the shortest path".
        """
        own = slice(self.similarity.indptr[node], self.similarity.indptr[node + 1])
        first = np.sort(self.similarity.indices[own])
        if order == 1:
            by = np.argsort(self.similarity.indices[own])
            found, strength = first, self.similarity.data[own][by]
        else:
            found, strength = around(self.similarity, node, self.settings.edge_weights)
        away = np.where(np.isin(found, first), 1, 2)
        return found.astype(np.intp), strength.astype(np.float64), away

    def learn(
        self,
        nodes: Nodes,
        prior: Float64,
        exposure_days: Float64,
        within: NDArray[np.bool_] | None = None,
    ) -> Nodes:
        """Takes new evidence of some nodes and lets it flow to all, or only to those `within`.

        Returns the nodes whose rate changed. The rates are then no further than `update_tolerance`
        from those of a map settled anew (of nodes not `within`: once a later update is for all).

        Source: US 12,393,974 B2, step 410, "when a charging pile of a node fails, the failure rates
        of charging piles of nodes of the same type as the node can be updated", "all or part of
        the nodes".
        """
        self.prior[nodes], self.exposure_days[nodes] = prior, exposure_days
        if self.settings.algorithm is not Algorithm.ANCHORED:
            return self._learn_as_printed(within)
        gamma = self._shares(nodes)
        if (gamma > self._gamma[nodes]).any():
            self._amplification = np.inf
        self._gamma[nodes] = gamma
        own = (1.0 - gamma) * self.prior[nodes] + gamma * self._flow.at(nodes, self.rates)
        self._residual[nodes] = own - self.rates[nodes]
        moved, passes = relax(
            self._flow, self._gamma, self.rates, self._residual, self._stop(), within
        )
        self.passes += passes
        return moved

    def _stop(self) -> float:
        """How large a residual may stay: its error is at most that times the amplification."""
        worst = 1.0 / (1.0 - float(self._gamma.max(initial=0.0)))
        return self.settings.update_tolerance / min(self._amplification, worst)

    def _learn_as_printed(self, within: NDArray[np.bool_] | None) -> Nodes:
        rates = self._as_printed()
        moved = rates != self.rates
        if within is not None:
            moved &= within
        self.rates[moved] = rates[moved]
        self.passes += 1
        return np.flatnonzero(moved)

    def leave(self, nodes: Nodes) -> None:
        """Takes scrapped piles out of the map: they give nothing and keep their last rate.

        Source: US 12,393,974 B2, step 410, "scrapped charging piles". Call `settle` afterwards.
        """
        self.alive[nodes] = False
        self.prior[nodes] = self.rates[nodes]
        self._flow.live(self.alive)
        self._gamma = self._shares(np.arange(self.alive.size))
