"""What a point is on the device at hand: firmware and product decide between its variants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from edge_agent.core.profile import Condition, Point

_VERSION: Final = re.compile(r"\d+(?:\.\d+)+|\d+")


def as_told(point: Point, told: Mapping[str, str]) -> Point | None:
    """The point as it is where `told` is what the once-read points say.

    None where the device does not have it, or where nothing that would decide has been told: a
    wrong scale is worse than no value.
    """
    for variant in point.variants:
        if not all(told.get(condition.point) for condition in variant.conditions):
            return None
        if all(holds(condition, told[condition.point]) for condition in variant.conditions):
            if not variant.present:
                return None
            scale = point.scale if variant.scale is None else variant.scale
            return replace(point, scale=scale, kind=variant.kind or point.kind)
    return point


def holds(condition: Condition, text: str) -> bool:
    """True where the text meets all that the condition asks.

    >>> holds(Condition("firmware", below="1.10"), "v1.9.3")
    True
    """
    if condition.matches and not re.match(condition.matches, text):
        return False
    if condition.below and not version(text) < version(condition.below):
        return False
    return not condition.at_least or version(text) >= version(condition.at_least)


def version(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, number by number; empty where there is none.

    >>> version("EVC04-AC22 v3.187.0"), version("unknown")
    ((3, 187, 0), ())
    """
    found = _VERSION.search(text.split(" ")[-1]) or _VERSION.search(text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
