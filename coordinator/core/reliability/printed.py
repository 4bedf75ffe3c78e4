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
    """The edges and those to neighbours of neighbours, see `around`.

    It may have `max_edges`² entries a row, in float32: for fleets of tens of thousands the default
    of `knowledge_map.py` is the light one.

    Source: US 12,393,974 B2, step 410, FIG. 4 (pile M and pile N are neighbours of size 2).

    >>> a = np.zeros((3, 3)); a[0, 1] = a[1, 0] = 0.9; a[1, 2] = a[2, 1] = 0.8
    >>> round(float(second_order(sparse.csr_matrix(a))[0, 2]), 2)
    0.85
    """
    n, best = a.shape[0], np.zeros(a.shape[0], dtype=np.float32)
    indices, data = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.float32)]
    indptr = np.zeros(n + 1, dtype=np.int64)
    for row in range(n):
        found, strength = around(a, row, weights, best)
        indices.append(found)
        data.append(strength)
        indptr[row + 1] = indptr[row] + found.size
    return Graph((np.concatenate(data), np.concatenate(indices), indptr), shape=(n, n))


def around(
    a: Graph,
    row: int,
    weights: tuple[float, float] = (0.5, 0.5),
    zeros: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Neighbours of a node up to the second order, ascending, and their similarities.

    Of a neighbour its own edge; of a neighbour's neighbour w₁·s₁ + w₂·s₂ along the shortest path,
    of several paths the largest. `zeros`, one a node, spares the making of it.

    Source: US 12,393,974 B2, step 410, "the weighted summation of the similarity of the
    corresponding two edges".
    """
    best = np.zeros(a.shape[0], dtype=np.float32) if zeros is None else zeros
    w1, w2 = weights
    own = slice(a.indptr[row], a.indptr[row + 1])
    first, near = a.indices[own], a.data[own]
    at, lengths = entries(a.indptr, first)
    far = a.indices[at]
    np.maximum.at(best, far, (w1 * np.repeat(near, lengths) + w2 * a.data[at]).astype("f4"))
    best[first], best[row] = near, 0.0
    touched = np.union1d(first, far).astype(np.int32)
    found = touched[best[touched] > 0]
    strength = best[found]
    best[touched] = 0.0
    return found, strength


def entries(
    indptr: NDArray[np.integer], lines: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the entries of some lines of a compressed matrix, and how many each has.

    Source: US 12,393,974 B2, step 410.

    >>> [part.tolist() for part in entries(np.array([0, 2, 2, 5]), np.array([2, 0]))]
    [[2, 3, 4, 0, 1], [3, 2]]
    """
    starts = indptr[lines].astype(np.intp)
    lengths = indptr[lines + 1].astype(np.intp) - starts
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths), lengths
