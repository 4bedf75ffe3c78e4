"""When a car asks for a pile by itself: once for each fall of its charge below a threshold.

Sending the request is the client's: see `client.py`.
"""

from __future__ import annotations

HYSTERESIS_PCT = 3.0  # a gauge that wavers, or a long descent, is no charge


class Threshold:
    """Says yes once per crossing; charging resets it.

    Source: US 12,393,974 B2, step 310 (a request is sent when the remaining power is below a preset
    threshold).

    >>> threshold = Threshold(below_pct=20.0)
    >>> [threshold.crossed(soc_pct) for soc_pct in (20.0, 19.9, 20.5, 19.5, 23.0, 19.9)]
    [False, True, False, False, False, True]
    """

    def __init__(self, below_pct: float, hysteresis_pct: float = HYSTERESIS_PCT) -> None:
        self.below_pct = below_pct
        self._reset_pct = min(below_pct + hysteresis_pct, 100.0)
        self._armed = True

    def crossed(self, soc_pct: float) -> bool:
        """Whether the charge, 0-100, is below the threshold for the first time since it was reset.

        A car that is switched on below the threshold has crossed it.
        """
        if soc_pct >= self._reset_pct:
            self._armed = True
        if not self._armed or soc_pct >= self.below_pct:
            return False
        self._armed = False
        return True

    def reset(self) -> None:
        """The crossing was not made use of: the next look says yes again."""
        self._armed = True
