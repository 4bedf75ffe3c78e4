"""Which piles are alike: similarities of pile vectors, and the strongest of them as a sparse graph.

What flows along the edges is in `knowledge_map.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float32 = NDArray[np.float32]
Block = Callable[[slice], Float32]

_ROWS_AT_ONCE = 256
_TIE = np.float32(1e-6)


class Measure(Enum):
    """Vector distances of the patent, as similarities between 0 and 1.

    `ATTRIBUTES` compares values of attributes and not columns of vectors, see
    `pile_vector.attribute_values`: "the same or higher similar information ... the greater".

    Source: US 12,393,974 B2, step 410. Departs: "Hanying distance" is read as Hamming.
    """

    COSINE = "cosine"
    EUCLIDEAN = "euclidean"
    HAMMING = "hamming"
    ATTRIBUTES = "attributes"


def similarity(rows: Float32, measure: Measure = Measure.COSINE) -> Float32:
    """Similarities of every pair, shape (n, n); for few piles, `graph` is for many.

    Cosine: max(0, cos). Euclidean: 1 / (1 + distance). Hamming and attributes: the share of equal
    columns; NaN equals nothing.

    Source: US 12,393,974 B2, claim 2, step 410.

    >>> rows = np.array([[1, 0], [1, 1]], dtype=np.float32)
    >>> [round(float(similarity(rows, m)[0, 1]), 4) for m in Measure]
    [0.7071, 0.5, 0.5, 0.5]
    """
    return _blocks(rows, measure)(slice(0, rows.shape[0]))


def graph(
    rows: Float32,
    *,
    measure: Measure = Measure.COSINE,
    threshold: float = 0.8,
    max_edges: int = 32,
) -> sparse.csr_matrix:
    """Edges a_ij = similarity above `threshold`, shape (n, n), without the diagonal.

    Each row keeps its `max_edges` strongest edges; ties fall to the nearer row, so that the two
    EVSEs of one pile stay neighbours in a fleet of equals.

    Source: step 410. Departs: the patent keeps every edge above the threshold; in a fleet of one
    model that is every pair.
    """
    n = rows.shape[0]
    block = _blocks(rows, measure)
    columns, values, counts = [], [], np.zeros(n, dtype=np.int64)
    for start in range(0, n, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, n)
        part = block(slice(start, stop))
        inside = np.arange(start, stop)
        part[inside - start, inside] = 0.0
        for row in range(start, stop):
            strongest = _strongest(part[row - start], row, threshold, max_edges)
            columns.append(strongest)
            values.append(part[row - start, strongest])
            counts[row] = strongest.size
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices = np.concatenate(columns) if columns else np.zeros(0, dtype=np.intp)
    data = np.concatenate(values).astype(np.float64) if values else np.zeros(0)
    return sparse.csr_matrix((data, indices, indptr), shape=(n, n))


def _strongest(row: Float32, own: int, threshold: float, most: int) -> NDArray[np.intp]:
    """Columns above the threshold, the strongest `most` of them, ascending."""
    above = np.flatnonzero(row > threshold)
    if above.size <= most:
        return above
    strength = row[above]
    least = np.partition(strength, above.size - most)[above.size - most]
    # Equal vectors may differ in the last bit of their product; they tie all the same.
    sure = above[strength > least + _TIE]
    ties = above[np.abs(strength - least) <= _TIE]
    near = ties[np.argsort(np.abs(ties - own), kind="stable")[: most - sure.size]]
    return np.sort(np.concatenate([sure, near]))


def _blocks(rows: Float32, measure: Measure) -> Block:
    """A function from a slice of rows to its similarities with all rows, shape (slice, n)."""
    if measure in (Measure.HAMMING, Measure.ATTRIBUTES):
        return lambda part: np.stack(
            [np.mean(rows == row, axis=1, dtype=np.float32) for row in rows[part]]
        )
    squares = np.einsum("ij,ij->i", rows, rows)
    if measure is Measure.EUCLIDEAN:
        return lambda part: np.asarray(
            1.0
            / (
                1.0
                + np.sqrt(
                    np.maximum(squares[part, None] + squares[None] - 2 * rows[part] @ rows.T, 0.0)
                )
            )
        )
    unit = rows / np.maximum(np.sqrt(squares), 1e-12)[:, None]
    turned = np.ascontiguousarray(unit.T)
    return lambda part: np.clip(unit[part] @ turned, 0.0, 1.0)
