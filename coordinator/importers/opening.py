"""Opening hours as OpenStreetMap writes them, and as OCPI's `regular_hours`.

Only weeks that repeat: holidays, seasons and months have no place in `regular_hours`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

ALWAYS = "24/7"
DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_RULE = re.compile(
    r"(?:((?:[A-Z][a-z])(?:[-,][A-Z][a-z])*) )?(\d\d:\d\d-\d\d:\d\d(?:, ?\d\d:\d\d-\d\d:\d\d)*)"
)


def to_ocpi(text: str) -> dict[str, Any] | None:
    """OCPI's `opening_times`; None where the text says more than a week can.

    >>> to_ocpi("24/7")
    {'twentyfourseven': True}
    >>> to_ocpi("Sa 10:00-14:00")["regular_hours"]
    [{'weekday': 6, 'period_begin': '10:00', 'period_end': '14:00'}]
    >>> to_ocpi("Mo-Fr 08:00-20:00; PH off") is None
    True
    """
    if text.strip() == ALWAYS:
        return {"twentyfourseven": True}
    week: dict[int, list[tuple[str, str]]] = {}
    for rule in filter(None, (part.strip() for part in text.split(";"))):
        found = _RULE.fullmatch(rule)
        days = _days(found[1]) if found is not None else None
        if found is None or days is None:
            return None
        spans = [span.strip().split("-") for span in found[2].split(",")]
        # A later rule replaces what an earlier one said of the same day.
        week.update({day: [(begin, end) for begin, end in spans] for day in days})
    if not week:
        return None
    hours = [
        {"weekday": day, "period_begin": begin, "period_end": end}
        for day in sorted(week)
        for begin, end in week[day]
    ]
    return {"twentyfourseven": False, "regular_hours": hours}


def from_ocpi(told: dict[str, Any] | None) -> str:
    """The text of `opening_times`, empty where nothing is told.

    >>> from_ocpi(to_ocpi("Mo-Fr 08:00-20:00; Sa 10:00-14:00"))
    'Mo-Fr 08:00-20:00; Sa 10:00-14:00'
    """
    if not told:
        return ""
    if told.get("twentyfourseven"):
        return ALWAYS
    week: dict[int, list[str]] = {}
    for one in told.get("regular_hours") or []:
        day = int(one["weekday"])
        if not 1 <= day <= len(DAYS):
            raise ValueError(f"weekday is {day}, not within 1 to 7")
        week.setdefault(day, []).append(f"{one['period_begin']}-{one['period_end']}")
    alike: dict[str, list[int]] = {}
    for day in sorted(week):
        alike.setdefault(",".join(week[day]), []).append(day)
    return "; ".join(f"{_named(days)} {spans}" for spans, days in alike.items())


def _days(text: str | None) -> list[int] | None:
    """Days of the week, Monday 1; all where none is named, None where one is no such day."""
    if text is None:
        return list(range(1, 8))
    found: list[int] = []
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2 or not set(ends) <= set(DAYS):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found += [(first + n) % 7 + 1 for n in range((last - first) % 7 + 1)]
    return found


def _named(days: Iterable[int]) -> str:
    """Neighbours as a span, e.g. `Mo-Fr,Su`."""
    spans: list[list[int]] = []
    for day in days:
        if spans and spans[-1][1] == day - 1:
            spans[-1][1] = day
        else:
            spans.append([day, day])
    return ",".join(
        DAYS[first - 1] if first == last else f"{DAYS[first - 1]}-{DAYS[last - 1]}"
        for first, last in spans
    )
