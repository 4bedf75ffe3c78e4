"""The place around a pile: which counts and temperatures are news to the coordinator.

Counts only: no picture ever comes this far. Decoding a sensor's words belongs to `sensors/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edge_agent.core.reading import Surroundings

FIELDS: Final = ("people_count", "vehicle_count", "ambient_temperature_c")
# A temperature that moved less is not told again before its confirmation is due.
TEMPERATURE_BAND_C: Final = 0.5

Told = Mapping[str, tuple[float, float]]
"""What was told last of each field, and when (seconds, monotonic)."""


def told_after(told: Told, seen: Surroundings, now_s: float, heartbeat_s: float) -> Told | None:
    """The memory after telling what was seen; None where it is no news.

    A count is news when it differs, a temperature when it left its band, anything when it was not
    confirmed for `heartbeat_s`.

    >>> first = told_after({}, Surroundings(people_count=2), 10.0, 20.0)
    >>> first
    {'people_count': (2, 10.0)}
    >>> told_after(first, Surroundings(people_count=2), 29.9, 20.0) is None
    True
    """
    fresh: dict[str, tuple[float, float]] = {}
    news = False
    for name in FIELDS:
        value: float | None = getattr(seen, name)
        if value is None:
            continue
        fresh[name] = (value, now_s)
        before = told.get(name)
        band = TEMPERATURE_BAND_C if name == "ambient_temperature_c" else 0.0
        if before is None or abs(value - before[0]) > band or now_s - before[1] >= heartbeat_s:
            news = True
    return {**told, **fresh} if news else None
