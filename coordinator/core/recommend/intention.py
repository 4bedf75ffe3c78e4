"""Whether a car is about to charge: S1 on the way, S2 at a pile, S3 none (paper 2.1).

Histories come in as counts; where they are kept is the store's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise

from coordinator.core.geo import great_circle_km

DAYS = 30
AT_PILE_KM = 0.06
HALF_CHARGED_PCT = 50.0
NEARING_FIXES = 3


class Intention(IntEnum):
    """Charging intention, numbered as on the wire. Source: paper 2.1."""

    ON_THE_WAY = 1
    AT_PILE = 2
    NONE = 3


def probabilities(
    days_s1: int, days_s2: int, days_s3: int, added: int = 1
) -> tuple[float, float, float]:
    """P(S1), P(S2), P(S3) in this half-hour of the day from counted days.

    Source: paper 2.1, Eq. (1). Departs: one is `added` to each count, so that a new user is no
    division by zero; 0 is the printed form.

    >>> [round(p, 3) for p in probabilities(5, 5, 20)]
    [0.182, 0.182, 0.636]
    >>> [round(p, 3) for p in probabilities(5, 5, 20, added=0)]
    [0.167, 0.167, 0.667]
    """
    counts = days_s1 + added, days_s2 + added, days_s3 + added
    whole = sum(counts)
    return counts[0] / whole, counts[1] / whole, counts[2] / whole


def most_probable(chances: tuple[float, float, float]) -> Intention:
    """The state with the greatest probability; S3 among equals.

    Source: paper 2, 2.1, Eq. (2), Fig. 1, 2.

    >>> most_probable(probabilities(5, 5, 20))
    <Intention.NONE: 3>
    """
    s1, s2, s3 = chances
    if s3 >= max(s1, s2):
        return Intention.NONE
    return Intention.ON_THE_WAY if s1 > s2 else Intention.AT_PILE


def from_fixes(
    fixes: Sequence[tuple[float, float]],
    stations: Sequence[tuple[float, float]],
    soc_pct: float | None,
) -> Intention | None:
    """What fresh positions say against history; None if they say nothing.

    Standing within 60 m of a pile is S2; three fixes that come nearer to one station with less than
    half a charge are S1. Positions are (latitude, longitude), oldest first.

    Source: paper 2.1 (location).

    >>> road = [(22.50, 114.0), (22.51, 114.0), (22.52, 114.0)]
    >>> from_fixes(road, [(22.54, 114.0)], 30.0), from_fixes(road, [(22.54, 114.0)], 50.0)
    (<Intention.ON_THE_WAY: 1>, None)
    >>> from_fixes(road[:1], [(22.5005, 114.0)], None)
    <Intention.AT_PILE: 2>
    """
    if not fixes:
        return None
    if any(great_circle_km(fixes[-1], station) <= AT_PILE_KM for station in stations):
        return Intention.AT_PILE
    if soc_pct is None or soc_pct >= HALF_CHARGED_PCT or len(fixes) < NEARING_FIXES:
        return None
    last = fixes[-NEARING_FIXES:]
    for station in stations:
        ways = [great_circle_km(fix, station) for fix in last]
        if all(later < before for before, later in pairwise(ways)):
            return Intention.ON_THE_WAY
    return None
