"""Detects a car's charging intention from what it holds, where it is, and what it used to do."""

from __future__ import annotations

from collections.abc import Sequence

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState
from coordinator.core.district import District
from coordinator.core.recommend.intention import (
    DAYS,
    Intention,
    from_fixes,
    most_probable,
    probabilities,
)
from coordinator.core.recommend.layout import layout_of

STATIONS_AROUND = 8

Chances = tuple[float, float, float]


def detect(
    district: District,
    table: ClaimTable,
    vehicle_id: str,
    fixes: Sequence[tuple[float, float]],
    soc_pct: float | None,
) -> tuple[Intention, Chances, str]:
    """The intention, P(S1), P(S2), P(S3), and what decided: HISTORY or POSITION.

    A car without counted days counts as one that did not charge in the last 30.
    """
    chances = probabilities(0, 0, DAYS)
    claims = table.of_car(vehicle_id)
    if any(claim.state is ClaimState.OCCUPIED for claim in claims):
        return Intention.AT_PILE, chances, "POSITION"
    stations: list[tuple[float, float]] = []
    if fixes:
        rows, _ = layout_of(district).places.nearest(*fixes[-1], STATIONS_AROUND)
        stations = [
            (district.stations[row].latitude_deg, district.stations[row].longitude_deg)
            for row in rows.tolist()
        ]
    seen = from_fixes(fixes, stations, soc_pct)
    if seen is not None:
        return seen, chances, "POSITION"
    if any(claim.state is ClaimState.CONFIRMED for claim in claims):
        return Intention.ON_THE_WAY, chances, "POSITION"
    return most_probable(chances), chances, "HISTORY"
