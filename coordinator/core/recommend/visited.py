"""Where the users of several requests charged before, as tables side by side.

What a visit is worth is in `preference.py`; how such stations become candidates in `candidates.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.context import Context

Floats = NDArray[np.float64]
Index = NDArray[np.intp]


def visited(contexts: Sequence[Context]) -> tuple[Index, Floats] | None:
    """Rows of the stations that each user was at, and how often, (r, k); -1 and 0 where fewer.

    None where nobody was anywhere. Source: paper 2.3.2.2, Eq. (3) (c_ij).

    >>> rows, counts = visited([Context(visits={5: 2, 7: 1}), Context(visits={5: 3})])
    >>> rows.tolist(), counts.tolist()
    ([[5, 7], [5, -1]], [[2.0, 1.0], [3.0, 0.0]])
    """
    most = max(len(context.visits) for context in contexts)
    if not most:
        return None
    rows, counts = [], []
    for context in contexts:
        missing = most - len(context.visits)
        rows.append([*context.visits, *(-1,) * missing])
        counts.append([*context.visits.values(), *(0,) * missing])
    return np.array(rows, dtype=np.intp), np.array(counts, dtype=np.float64)
