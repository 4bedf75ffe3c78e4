"""How the fixed point x = (1−γ)x⁰ + γWx is reached and kept: all at once, or around what changed.

W is A + θA² without its diagonal, rows normalised. The square is never formed: it would have a
thousand entries a row. What the numbers mean is in `knowledge_map.py`.

Why it converges on every graph: M = ΓW has no negative entry and row sums ≤ max γ < 1, so it
contracts in the maximum norm. With the residual r = Mx + b − x, the error is (I−M)⁻¹r, hence at
most K·max|r|, K = max (I−M)⁻¹1. A step sets x to x + r at some nodes and adds M(step) to r: r stays
exact whatever was skipped, nothing drifts over many updates, and each new x is a mean of rates.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from coordinator.core.reliability.printed import Float64, Graph, entries

Nodes = NDArray[np.intp]

# Two sparse products beat two whole ones while they touch less than this share of the edges.
_SPARSE_SHARE = 0.1
_SPARSE_PASSES = 6
# So few nodes are cheaper than all for longer.
_FEW_NODES, _FEW_PASSES = 32, 64


class Flow:
    """x ↦ Wx on a graph of which some nodes are alive; the dead give nothing.

    Raises ValueError for a graph that is not square, has an edge from a node to itself, or a weight
    that is not a positive number.

    Source: US 12,393,974 B2, step 410.
    """

    def __init__(self, a: Graph, theta: float, alive: NDArray[np.bool_]) -> None:
        if a.shape != (alive.size, alive.size):
            raise ValueError(f"graph has shape {a.shape}; expected {(alive.size, alive.size)}")
        if a.nnz and not (np.isfinite(a.data).all() and a.data.min() > 0.0):
            raise ValueError("graph has a weight that is not a positive number; leave 0 out")
        if a.diagonal().any():
            node = int(np.flatnonzero(a.diagonal())[0])
            raise ValueError(f"graph joins node {node} to itself; remove its diagonal")
        self.a, self.theta = a, theta
        columns = a.tocsc()
        self._indptr, self._indices, self._data = columns.indptr, columns.indices, columns.data
        # The columns of A in the form of rows: A transposed, without copying.
        turned = Graph((columns.data, columns.indices, columns.indptr), shape=a.shape)
        self._there_and_back = a.multiply(turned).tocsr() if theta else None
        self.live(alive)

    def live(self, alive: NDArray[np.bool_]) -> None:
        """Takes who is alive: sums of rows and ways home of two steps are made anew."""
        self._alive = alive.astype(np.float64)
        self._all_alive = bool(alive.all())
        home = self._there_and_back
        self._home = np.zeros(alive.size) if home is None else home @ self._alive
        self._share = np.ones(alive.size)
        self.row_sum: Float64 = self(np.ones(alive.size))
        self._share = 1.0 / np.where(self.row_sum > 0, self.row_sum, 1.0)

    def __call__(self, x: Float64) -> Float64:
        """Wx, shape (n,); 0 where a node has no living neighbour."""
        x = x * self._alive
        out = self.a @ x
        if self.theta:
            out = out + self.theta * (self.a @ (out * self._alive) - self._home * x)
        return np.asarray(out * self._share)

    def at(self, nodes: Nodes, x: Float64) -> Float64:
        """Wx at a few nodes only."""
        x = x * self._alive
        out = self._rows(nodes, x)
        if self.theta:
            middle = np.unique(self.a.indices[entries(self.a.indptr, nodes)[0]])
            through = np.zeros_like(x)
            through[middle] = self._rows(middle, x) * self._alive[middle]
            out = out + self.theta * (self._rows(nodes, through) - self._home[nodes] * x[nodes])
        return np.asarray(out * self._share[nodes])

    def _rows(self, nodes: Nodes, x: Float64) -> Float64:
        at, lengths = entries(self.a.indptr, nodes)
        values = self.a.data[at] * x[self.a.indices[at]]
        return np.asarray(
            np.bincount(np.repeat(np.arange(nodes.size), lengths), values, nodes.size)
        )

    def along(self, nodes: Nodes, step: Float64) -> Float64 | None:
        """W·step, where the step is that at these nodes, else 0; None if `self` is the cheaper."""
        most = _SPARSE_SHARE * self._data.size
        if self._size(nodes) > most:
            return None
        step = step * self._alive[nodes]
        out = self._columns(nodes, step)
        if self.theta:
            middle = np.flatnonzero(out if self._all_alive else out * self._alive)
            if self._size(middle) > most:
                return None
            twice = self._columns(middle, out[middle])
            twice[nodes] -= self._home[nodes] * step
            out += self.theta * twice
        out *= self._share
        return out

    def _size(self, nodes: Nodes) -> int:
        return int((self._indptr[nodes + 1] - self._indptr[nodes]).sum())

    def _columns(self, nodes: Nodes, values: Float64) -> Float64:
        at, lengths = entries(self._indptr, nodes)
        weights = self._data[at] * np.repeat(values, lengths)
        out = np.bincount(self._indices[at], weights, self._share.size)
        return np.asarray(out, dtype=np.float64)  # of no entry at all it counts integers


def amplification(flow: Flow, gamma: Float64) -> float:
    """K, by which a residual may exceed itself as an error; at most 1 / (1 − max γ).

    The sum of Mᵏ1 up to a term whose remainder, a geometric series, is added.

    Source: US 12,393,974 B2, step 410.
    """
    most = float(gamma.max(initial=0.0))
    power = np.ones(gamma.size)
    total = power.copy()
    for _ in range(_enough(most, 1e-3)):
        power = gamma * flow(power)
        total += power
        rest = float(power.max(initial=0.0)) * most / (1.0 - most)
        if rest <= 0.01 * float(total.max(initial=1.0)):
            return float(total.max(initial=1.0)) + rest
    return 1.0 / (1.0 - most)


def settle(
    flow: Flow, gamma: Float64, prior: Float64, x: Float64, stop: float
) -> tuple[Float64, Float64, int]:
    """x and r after passes over all nodes until |r| ≤ `stop` everywhere, and how many passes.

    Source: US 12,393,974 B2, step 410.
    """
    limit = _enough(float(gamma.max(initial=0.0)), stop)
    for passes in range(limit + 1):
        r = (1.0 - gamma) * prior + gamma * flow(x) - x
        if passes == limit or float(np.abs(r).max(initial=0.0)) <= stop:
            break
        x = x + r
    return x, r, passes


def relax(
    flow: Flow,
    gamma: Float64,
    x: Float64,
    r: Float64,
    stop: float,
    within: NDArray[np.bool_] | None = None,
) -> tuple[Nodes, int]:
    """Moves x, in place, until |r| ≤ `stop` at every node (of `within`); nodes moved and passes.

    Only nodes with a larger residual move, and only those that lean on them hear of it; once that
    costs as much as a pass over all, all move, and the largest residual shrinks by max γ.

    Source: US 12,393,974 B2, step 410.
    """
    moved = np.zeros(x.size, dtype=bool)
    for passes in range(_FEW_PASSES + _enough(float(gamma.max(initial=0.0)), stop)):
        nodes = _those(np.abs(r) > stop, within)
        if nodes.size == 0:
            break
        few = passes < (_FEW_PASSES if nodes.size <= _FEW_NODES else _SPARSE_PASSES)
        heard = flow.along(nodes, r[nodes]) if few else None
        if heard is None:
            nodes = _those(r != 0.0, within)
            step = np.zeros(x.size)
            step[nodes] = r[nodes]
            heard = flow(step)
        moved[nodes] = True
        x[nodes] = np.clip(x[nodes] + r[nodes], 0.0, 1.0)
        r[nodes] = 0.0
        heard *= gamma
        r += heard
    return np.flatnonzero(moved), passes


def _those(nodes: NDArray[np.bool_], within: NDArray[np.bool_] | None) -> Nodes:
    return np.flatnonzero(nodes if within is None else nodes & within)


def _enough(contraction: float, stop: float) -> int:
    """Passes after which a residual of at most 1 is below `stop`."""
    if contraction <= 0.0:
        return 2
    return math.ceil(math.log(max(stop, 1e-15)) / math.log(contraction)) + 2
