"""How long cars stay at a plug of which nobody knows when they leave: learnt from those that left.

What their piles say of their charge, and what guided cars said, goes before this: see
`recommend/queue_evidence.py`.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Occupied time by kind of current, seconds. Source: Irish public network, uncensored episodes: CCS
# and CHAdeMO mean 32 min, Type 2 mean 92 min.
MEAN_SESSION_AC_S = 92.0 * 60.0
MEAN_SESSION_DC_S = 32.0 * 60.0
LEAST_REMAINING_SHARE = 0.35  # of a mean session: long sessions have long tails
PRIOR_STAYS = 10.0  # that the figures from elsewhere are worth
KEPT = 400  # newest stays that count, of each kind of current
SHORTEST_S, LONGEST_S = 120.0, 12 * 3600.0  # what is shorter or longer is no charge to learn from
_MINUTES = 6 * 60


class UsualStay:
    """Means and what is left after so long, by kind of current: 0 alternating, 1 direct.

    Source: US 12,393,974 B2, step 330 (estimated queuing time); paper 2.3.2.2.

    >>> usual = UsualStay()
    >>> float(usual.mean_s[1]), usual.left_s(np.array([1]), np.array([600.0])).tolist()
    (1920.0, [1320.0])
    >>> for _ in range(390):
    ...     usual.note(True, 3600.0)
    >>> float(usual.mean_s[1]), usual.left_s(np.array([1]), np.array([1800.0])).round().tolist()
    (3558.0, [1789.0])
    """

    def __init__(self) -> None:
        self.mean_s: Floats = np.array([MEAN_SESSION_AC_S, MEAN_SESSION_DC_S])
        self._stays: tuple[deque[float], deque[float]] = deque(maxlen=KEPT), deque(maxlen=KEPT)
        ages_s = np.arange(_MINUTES) * 60.0
        prior_s = self.mean_s[:, None]
        least_s = LEAST_REMAINING_SHARE * prior_s
        self._prior_left_s: Floats = np.maximum(prior_s - ages_s, least_s)
        self._prior_count: Floats = PRIOR_STAYS * np.exp(-ages_s / prior_s)
        self._left_s: list[Floats | None] = [None, None]

    def note(self, direct: bool, stay_s: float) -> None:
        """Takes a stay that is over."""
        if not SHORTEST_S <= stay_s <= LONGEST_S:
            return
        kind = int(direct)
        self._stays[kind].append(stay_s)
        prior_s = (MEAN_SESSION_AC_S, MEAN_SESSION_DC_S)[kind]
        stays_s = np.sort(np.array(self._stays[kind]))
        self.mean_s[kind] = (PRIOR_STAYS * prior_s + stays_s.sum()) / (PRIOR_STAYS + stays_s.size)
        ages_s = np.arange(_MINUTES) * 60.0
        gone = np.searchsorted(stays_s, ages_s, side="right")
        longer = stays_s.size - gone
        sums_s = stays_s.sum() - np.concatenate([[0.0], stays_s.cumsum()])[gone]
        prior = self._prior_count[kind]
        left_s = sums_s - longer * ages_s + prior * self._prior_left_s[kind]
        self._left_s[kind] = np.asarray(left_s / (longer + prior))

    def left_s(self, direct: NDArray[np.bool_], elapsed_s: Floats) -> Floats:
        """Seconds until cars leave that came so long ago, one for each."""
        mean_s = np.where(direct, self.mean_s[1], self.mean_s[0])
        usual_s: Floats = np.maximum(mean_s - elapsed_s, LEAST_REMAINING_SHARE * mean_s)
        minute = np.clip(elapsed_s / 60.0, 0, _MINUTES - 1).astype(np.intp)
        for kind, known_s in enumerate(self._left_s):
            if known_s is not None:
                usual_s = np.where(direct == bool(kind), known_s[minute], usual_s)
        return usual_s
