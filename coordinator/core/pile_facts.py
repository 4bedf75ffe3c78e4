"""The facts of a pile as words with their source, so that their history can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from coordinator.core.pile import Pile, PowerType

UNSAID = "import"
"""Who said what no source is named for: the operator's own lists."""


class Fact(NamedTuple):
    """One fact: its value as text, and who said so."""

    value: str
    source: str


class FactSpan(NamedTuple):
    """One fact for as long as it held; `valid_to_s` is None while it does. Domain time."""

    field: str
    value: str
    source: str
    valid_from_s: float
    valid_to_s: float | None


def facts_of(pile: Pile) -> dict[str, Fact]:
    """What is known of a pile by field of `PileFacts`; what is unknown is left out.

    Source: US 12,393,974 B2, step 410 (basic information).
    """
    words = {
        "label": pile.label,
        "maker": pile.maker,
        "model": pile.model,
        "serial": pile.serial,
        "firmware": pile.firmware,
        "station_id": pile.station_id,
        "commissioned_at": _day(pile.commissioned_at_s),
        "position": _place(pile.latitude_deg, pile.longitude_deg),
        "pile_type": type_of(pile),
        "bay_count": str(pile.bay_count or ""),
        "address": pile.address,
        "evses": _evses(pile),
    }
    return {
        name: Fact(value, pile.sources.get(name, UNSAID)) for name, value in words.items() if value
    }


def changed(
    present: Mapping[str, FactSpan], told: Mapping[str, Fact]
) -> tuple[list[str], list[str]]:
    """Fields whose present span ends, and fields for which one begins."""
    same = {
        field
        for field, span in present.items()
        if field in told and (span.value, span.source) == told[field]
    }
    return [f for f in present if f not in same], [f for f in told if f not in same]


def type_of(pile: Pile) -> str:
    """`AC`, `DC` or `AC_AND_DC`, as the plugs say; empty where they are not known."""
    powers = {plug.power_type for evse in pile.evses for plug in evse.connectors}
    powers.discard(PowerType.UNSPECIFIED)
    return "_AND_".join(sorted({"DC" if power is PowerType.DC else "AC" for power in powers}))


def _day(at_s: float | None) -> str:
    return "" if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat()


def _place(latitude_deg: float | None, longitude_deg: float | None) -> str:
    if latitude_deg is None or longitude_deg is None:
        return ""
    return f"{latitude_deg:.6f},{longitude_deg:.6f}"


def _evses(pile: Pile) -> str:
    """Each EVSE with the power of its strongest plug and its bays, e.g. `A-01*1 22 kW 1 bay`."""
    shown = []
    for evse in pile.evses:
        power_kw = max((plug.max_power_kw for plug in evse.connectors), default=0.0)
        words = [evse.evse_id]
        words += [f"{power_kw:g} kW"] if power_kw else []
        bays = "bay" if evse.bay_count == 1 else "bays"
        words += [f"{evse.bay_count} {bays}"] if evse.bay_count else []
        shown.append(" ".join(words))
    return ", ".join(shown)
