"""Whether a car is about to charge: S1 on the way, S2 at a pile, S3 none (paper 2.1).

Histories come in as counts; where they are kept is the store's matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from coordinator.core.geo import great_circle_km

DAYS = 30
AT_PILE_KM = 0.06
HALF_CHARGED_PCT = 50.0
NEARING_FIXES = 3
STANDING_KMH = 5.0  # a fix that says that it is faster is of a car that drives by
FRESH_S = 300.0
AHEAD_S = 60.0  # by how much a car's clock may be fast
DETECTED_SHARE = 0.9  # probability of what positions say, at least


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


class Sighting(NamedTuple):
    """Where a car was, when (None: just now), and how fast, km/h. Source: paper 2.1 (location)."""

    latitude_deg: float
    longitude_deg: float
    at_s: float | None = None
    speed_kmh: float | None = None

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude."""
        return self.latitude_deg, self.longitude_deg


def fresh(fixes: Iterable[Sighting], now_s: float) -> list[Sighting]:
    """The fixes of the last five minutes, oldest first; none of more than a minute ahead.

    Source: paper 2.1 (location). Departs: the paper sets no age.

    >>> way = [Sighting(2.0, 0.0, 990.0), Sighting(1.0, 0.0, 700.0), Sighting(0.0, 0.0, 699.0)]
    >>> [fix.latitude_deg for fix in fresh([*way, Sighting(3.0, 0.0, 1061.0)], now_s=1000.0)]
    [1.0, 2.0]
    """
    timed = [(now_s if fix.at_s is None else fix.at_s, fix) for fix in fixes]
    kept = [pair for pair in timed if now_s - FRESH_S <= pair[0] <= now_s + AHEAD_S]
    return [fix for _, fix in sorted(kept, key=lambda pair: pair[0])]


def with_detected(
    chances: tuple[float, float, float], seen: Intention
) -> tuple[float, float, float]:
    """The probabilities once positions have said `seen`: 0.9 for it, the rest in proportion.

    What history holds for more probable than that stays.

    Source: paper 2.1, Eq. (2), location. Departs: the paper overrides and gives no figure.

    >>> [round(p, 3) for p in with_detected((0.1, 0.3, 0.6), Intention.AT_PILE)]
    [0.014, 0.9, 0.086]
    """
    at = int(seen) - 1
    if chances[at] >= DETECTED_SHARE:
        return chances
    scale = (1.0 - DETECTED_SHARE) / (sum(chances) - chances[at])
    s1, s2, s3 = (DETECTED_SHARE if i == at else p * scale for i, p in enumerate(chances))
    return s1, s2, s3


def from_fixes(
    fixes: Sequence[Sighting],
    stations: Sequence[tuple[float, float]],
    soc_pct: float | None,
) -> Intention | None:
    """What fresh positions say against history; None if they say nothing.

    Standing within 60 m of a pile is S2, driving by is not; three fixes that come nearer to one
    station with less than half a charge are S1. Fixes are fresh, oldest first.

    Source: paper 2.1 (location).

    >>> road = [Sighting(latitude, 114.0) for latitude in (22.50, 22.51, 22.52)]
    >>> from_fixes(road, [(22.54, 114.0)], 30.0), from_fixes(road, [(22.54, 114.0)], 50.0)
    (<Intention.ON_THE_WAY: 1>, None)
    >>> from_fixes(road[:1], [(22.5005, 114.0)], None)
    <Intention.AT_PILE: 2>
    >>> from_fixes([Sighting(22.50, 114.0, speed_kmh=5.1)], [(22.5005, 114.0)], None) is None
    True
    """
    if not fixes:
        return None
    here, stands = fixes[-1].place, (fixes[-1].speed_kmh or 0.0) <= STANDING_KMH
    if stands and any(great_circle_km(here, station) <= AT_PILE_KM for station in stations):
        return Intention.AT_PILE
    if soc_pct is None or soc_pct >= HALF_CHARGED_PCT or len(fixes) < NEARING_FIXES:
        return None
    last = fixes[-NEARING_FIXES:]
    for station in stations:
        ways = [great_circle_km(fix.place, station) for fix in last]
        if all(later < before for before, later in pairwise(ways)):
            return Intention.ON_THE_WAY
    return None
