"""What the pipeline is given besides the district and the request: the world and the asker.

No rule stands here; a value that is unknown is None or empty, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coordinator.core.ports import ArrivalModel, Ranker, TravelModel
from coordinator.core.recommend.collaborative import Tastes
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.core.roads import EstimatedRoads, Roads
from coordinator.core.surroundings import USED, ContextValue, StationContext


@dataclass(frozen=True, slots=True)
class OwnPlace:
    """An EVSE that the asking car holds: its row, and the claims of others that are ahead.

    Source: paper 2.3.1.
    """

    row: int
    ahead_to_s: float = float("-inf")
    ahead_count: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """The world around one request. Source: paper 2.2.2."""

    roads: Roads = field(default_factory=EstimatedRoads)
    rules: Rules = DEFAULT_RULES
    link_now_s: float = 0.0
    stale_after_s: float = float("inf")  # a status not renewed for so long counts as UNKNOWN
    utc_offset_h: float = 0.0
    temperature_c: float | None = None
    traffic_grade: float | None = None  # where the car is
    height_m: float | None = None  # where the car is
    stations: StationContext | None = None  # the same where the stations are; shared by requests
    known: tuple[ContextValue, ...] = ()  # values of the surroundings that took part
    unknown: tuple[str, ...] = USED  # names for which a default stands in
    climb_m_per_km: float | None = None
    iterations: int = 0  # of the knowledge map
    cars_around: int | None = None  # cars known within `rules.around_km`
    visits: Mapping[int, int] = field(default_factory=dict)  # of this user: station row to count
    tastes: Tastes | None = None  # of all users, for stations where this one never was
    taste: int = -1  # row of this user in it; -1 means unknown
    own: tuple[OwnPlace, ...] = ()
    excluded: frozenset[int] = frozenset()  # EVSE rows that this car must not get
    only: frozenset[int] | None = None  # EVSE rows that it may get; None means all
    ahead_s: float = 0.0  # how long after what is known now the request is judged

    def hour_of(self, now_s: float) -> float:
        """Local hour of the day, 0-24.

        >>> round(Context(utc_offset_h=8.0).hour_of(1_700_000_000.0), 4)  # 22:13:20 UTC
        6.2222
        """
        return (now_s / 3600.0 + self.utc_offset_h) % 24.0


@dataclass(frozen=True, slots=True)
class Models:
    """The models that take part; None means missing, and the rules answer instead.

    Source: US 12,393,974 B2, step 520.
    """

    ranker: Ranker | None = None
    arrival: ArrivalModel | None = None
    travel: TravelModel | None = None


NO_MODELS = Models()
