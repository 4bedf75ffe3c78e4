"""The patent's two equations and its second-order neighbours, as printed.

They leave [0, 1] or agree on one rate for all; what runs by default is in `knowledge_map.py`.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float64 = NDArray[np.float64]
Graph: TypeAlias = sparse.csr_matrix


def equation_1(x: Float64, a: Graph) -> Float64:
    """Rates after one pass of x' = x + Σ aᵢyᵢ; they leave [0, 1] at once.

    Source: US 12,393,974 B2, Eq. (1), step 410.

    >>> a = sparse.csr_matrix(np.array([[0.0, 0.9], [0.9, 0.0]]))
    >>> [round(float(v), 2) for v in equation_1(np.array([0.1, 0.5]), a)]
    [0.55, 0.59]
    """
    return np.asarray(x + a @ x)


def equation_2(x: Float64, a: Graph, alpha: float, beta: float) -> Float64:
    """Rates after one pass of x' = αx + βΣ aᵢyᵢ.

    Source: US 12,393,974 B2, Eq. (2), step 410.

    >>> a = sparse.csr_matrix(np.array([[0.0, 0.9], [0.9, 0.0]]))
    >>> [round(float(v), 3) for v in equation_2(np.array([0.1, 0.5]), a, 0.5, 0.5)]
    [0.275, 0.295]
    """
    return np.asarray(alpha * x + beta * (a @ x))


def second_order(a: Graph, weights: tuple[float, float] = (0.5, 0.5)) -> Graph:
    """The edges and those to neighbours of neighbours, whose similarity is w₁·s₁ + w₂·s₂.

    Of several shortest paths the largest sum counts. It may have `max_edges`² entries a row, in
    float32: for fleets of tens of thousands the default of `knowledge_map.py` is the light one.

    Source: US 12,393,974 B2, step 410, FIG. 4 (pile M and pile N are neighbours of size 2).

    >>> a = np.zeros((3, 3)); a[0, 1] = a[1, 0] = 0.9; a[1, 2] = a[2, 1] = 0.8
    >>> round(float(second_order(sparse.csr_matrix(a))[0, 2]), 2)
    0.85
    """
    n, (w1, w2) = a.shape[0], weights
    best = np.zeros(n, dtype=np.float32)
    indices: list[NDArray[np.int32]] = []
    data: list[NDArray[np.float32]] = []
    indptr = np.zeros(n + 1, dtype=np.int64)
    for row in range(n):
        own = slice(a.indptr[row], a.indptr[row + 1])
        first, near = a.indices[own], a.data[own]
        at, lengths = entries(a.indptr, first)
        far = a.indices[at]
        np.maximum.at(best, far, (w1 * np.repeat(near, lengths) + w2 * a.data[at]).astype("f4"))
        best[first], best[row] = near, 0.0
        found = np.union1d(first, far).astype(np.int32)
        found = found[best[found] > 0]
        indices.append(found)
        data.append(best[found])
        indptr[row + 1] = indptr[row] + found.size
        best[found] = 0.0
    values = np.concatenate([np.zeros(0, dtype=np.float32), *data])
    return Graph((values, np.concatenate([np.zeros(0, np.int32), *indices]), indptr), shape=(n, n))


def entries(
    indptr: NDArray[np.integer], lines: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the entries of some lines of a compressed matrix, and how many each has.

    >>> [part.tolist() for part in entries(np.array([0, 2, 2, 5]), np.array([2, 0]))]
    [[2, 3, 4, 0, 1], [3, 2]]
    """
    starts = indptr[lines].astype(np.intp)
    lengths = indptr[lines + 1].astype(np.intp) - starts
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths), lengths
