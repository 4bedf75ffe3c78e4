"""What a car is told of a window that is kept for it: when, in the local time of the place."""

from __future__ import annotations

import msgspec

from coordinator.core.recommend import explain
from coordinator.usecases.answer import Judged, Reason

KEPT_WINDOW = "KEPT_WINDOW"
NOT_THEN = frozenset({"FREE_NOW", KEPT_WINDOW})  # reasons that speak of now
REASONS = 3


def hour(instant_s: float, utc_offset_h: float) -> str:
    """The local time of day.

    >>> hour(1_700_000_000.0, 8.0)
    '06:13'
    """
    minutes = int(instant_s // 60 + round(utc_offset_h * 60)) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def sentence(
    code: str, name: str, window: tuple[float, float], utc_offset_h: float, language: str
) -> str:
    """A sentence about a window."""
    begin, end = (hour(instant_s, utc_offset_h) for instant_s in window)
    return explain.sentence(code, language, {"name": name, "begin": begin, "end": end})


def kept(judged: Judged, window: tuple[float, float], utc_offset_h: float, language: str) -> Judged:
    """The choice, with the window as its first reason and its summary."""
    text = sentence(KEPT_WINDOW, judged.place.name, window, utc_offset_h, language)
    others = tuple(reason for reason in judged.reasons if reason.code not in NOT_THEN)
    reasons = (Reason(KEPT_WINDOW, 1, 0.0, text), *others)[:REASONS]
    return msgspec.structs.replace(judged, reasons=reasons, summary=text)
