"""The district as it is at one instant, without the claims of cars on their way.

Its live columns are copies: a thread may read them while the event loop goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coordinator.core.areas.assignment import NOWHERE
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim
from coordinator.core.areas.places import kinds_of
from coordinator.core.district import LIVE_COLUMNS, District
from coordinator.core.recommend.later import OF_AN_INSTANT
from coordinator.core.recommend.layout import layout_of
from coordinator.usecases.pauses import Pauses

FAR_S = 3.0 * 3600.0  # a window that begins later keeps nobody out who comes now
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Line:
    """Who is on the way to one EVSE, in order of their turns, and when each will have left."""

    claim_ids: tuple[str, ...]
    ends_s: tuple[float, ...]


def lines_of(
    row_of: Mapping[str, int], claims: Sequence[Claim | None]
) -> tuple[Index, dict[int, Line]]:
    """The EVSE row of each claim, -1 without one, and by row those who are on their way there."""
    rows = [row_of.get(claim.evse_id, NOWHERE) if claim else NOWHERE for claim in claims]
    by_row: dict[int, list[Claim]] = {}
    for row, claim in zip(rows, claims, strict=True):
        if claim is not None and row != NOWHERE:
            by_row.setdefault(row, []).append(claim)
    lines = {}
    for row, some in by_row.items():
        some.sort(key=lambda claim: claim.from_s)
        lines[row] = Line(tuple(c.claim_id for c in some), tuple(c.to_s for c in some))
    return np.array(rows, dtype=np.intp), lines


def frozen(district: District) -> District:
    """A copy of what changes; the rest is shared."""
    layout_of(district)
    kinds_of(district)
    view = copy.copy(district)
    for name, _, _ in LIVE_COLUMNS:
        setattr(view, name, getattr(district, name).copy())
    view.derived = {k: v for k, v in district.derived.items() if k not in OF_AN_INSTANT}
    view.fault_code, view.tariffs = dict(district.fault_code), dict(district.tariffs)
    return view


async def free_of(
    view: District, table: ClaimTable, lines: dict[int, Line], now_s: float, pauses: Pauses
) -> None:
    """Takes the claims of these lines out of a frozen picture."""
    for row, line in lines.items():
        await pauses.take()
        claims, others = table.of_evse(view.evse_ids[row]), []
        if len(claims) != len(line.claim_ids):
            mine = frozenset(line.claim_ids)
            others = [c for c in claims if c.claim_id not in mine and c.from_s < now_s + FAR_S]
        view.claim_count[row] = len(others)
        view.claimed_to_s[row] = max((claim.to_s for claim in others), default=-np.inf)
