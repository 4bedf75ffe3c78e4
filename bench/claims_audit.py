"""Reads the journal of claims.db row by row, as it lies on the disk, and counts broken promises.

It shares nothing with the ledger but the order of the fields: its own notion of time and overlap.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OFFERED, CONFIRMED, OCCUPIED = 1, 2, 3
LIVE = (OFFERED, CONFIRMED, OCCUPIED)


@dataclass
class Audit:
    """What the rows say, and how often they broke a rule."""

    steps: int = 0
    overlaps: int = 0  # pairs of claims on one EVSE that share an instant, after a step
    double_cars: int = 0  # cars with more than they may hold, after a step
    states: dict[str, int] = field(default_factory=dict)  # the newest state of each claim
    _by_evse: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    _by_car: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    _where: dict[str, tuple[str, str]] = field(default_factory=dict)

    def row(self, claims: list[list[Any]]) -> None:
        """Takes one row, which is one step: rules hold after it, not within it."""
        self.steps += 1
        for claim in claims:
            self._take(claim)
        for evse_id in {claim[1] for claim in claims}:
            self.overlaps += _overlaps(list(self._by_evse[evse_id].values()))
        for car in {claim[2] for claim in claims if claim[2]}:
            self.double_cars += _crowded(list(self._by_car[car].values()))

    def _take(self, claim: list[Any]) -> None:
        name, evse_id, car, state = claim[0], claim[1], claim[2], claim[6]
        self.states[name] = state
        if name in self._where:
            old_evse, old_car = self._where.pop(name)
            self._by_evse[old_evse].pop(name, None)
            self._by_car[old_car].pop(name, None)
        if state in LIVE:
            self._where[name] = evse_id, car
            self._by_evse[evse_id][name] = claim
            if car:
                self._by_car[car][name] = claim

    @property
    def live(self) -> set[str]:
        """Claims that the last row leaves alive."""
        return set(self._where)


def audit(path: Path) -> Audit:
    """The whole journal of a file that nobody writes to."""
    found = Audit()
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT claims FROM step WHERE kind = 0 ORDER BY seq")
        for (claims,) in rows:
            found.row(json.loads(claims))
    finally:
        connection.close()
    return found


def kept_fences(path: Path) -> dict[str, int]:
    """The newest fence of each EVSE on the disk."""
    connection = sqlite3.connect(path)
    try:
        return dict(connection.execute("SELECT evse_id, fence FROM fence").fetchall())
    finally:
        connection.close()


def _overlaps(claims: list[list[Any]]) -> int:
    """Neighbours in time of which the first ends after the next has begun."""
    claims.sort(key=lambda claim: (claim[3], claim[4]))
    count, end_s = 0, float("-inf")
    for claim in claims:
        count += claim[3] < end_s
        end_s = max(end_s, claim[4])
    return count


def _crowded(claims: list[list[Any]]) -> int:
    """1 if a car holds two places without moving, three, or two windows in the future."""
    now = [claim for claim in claims if not claim[11]]
    moving = sum(bool(claim[10]) for claim in now)
    return int(len(now) > 1 + moving or moving > 1 or len(claims) - len(now) > 1)
