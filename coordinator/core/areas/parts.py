"""Which cars of a joint plan can be in each other's way: each part is planned by itself. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Index = NDArray[np.intp]


def parts_of(car: Index, place: Index, car_count: int, place_count: int) -> NDArray[np.int32]:
    """The part of each car, (car_count,): cars that could want one place are in one part.

    `car` and `place` are the arcs, (a,).

    Source: paper 2.3.1.

    >>> parts_of(np.array([0, 1, 2]), np.array([0, 0, 1]), 3, 2).tolist()
    [0, 0, 1]
    """
    ends = car.astype(np.int32), (car_count + place).astype(np.int32)
    shape = (car_count + place_count,) * 2
    graph = csr_array((np.ones(len(car), dtype=np.int8), ends), shape=shape)
    label: NDArray[np.int32] = connected_components(graph, directed=False)[1][:car_count]
    return label


def groups(items: Index, label: NDArray[np.int32]) -> list[Index]:
    """The items by their labels, in order.

    Source: paper 2.3.1.

    >>> [some.tolist() for some in groups(np.array([4, 5, 6]), np.array([1, 0, 1]))]
    [[5], [4, 6]]
    """
    if not len(items):
        return []
    order = np.argsort(label, kind="stable")
    return np.split(items[order], np.flatnonzero(np.diff(label[order])) + 1)
