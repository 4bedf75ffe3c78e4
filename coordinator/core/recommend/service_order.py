"""Who is served first, and what a VIP is given first (paper 2.2.1, 2.2.3).

Levels are judged in `warning.py`, the order of candidates for everybody else in `order.py`; what is
held for whom is the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.recommend.asked import Asked
from coordinator.core.recommend.columns import Columns, Ranked
from coordinator.core.vehicle import SelectBy

Index = NDArray[np.intp]

VIP = "VIP"
# Level one looks for the most convenient piles: those that take at most so much longer to get to,
# wait included, than the quickest. The best power is no reason to cross the town.
CONVENIENT_S = 600.0
POWER_STEPS = 5.0  # parts of the best power that count as different
WORKING_STEP = 0.05
DRIVE_STEP_S = 60.0


def serving_order(ranked: Sequence[Ranked]) -> list[int]:
    """Numbers of requests of one pass in the order in which they get their places.

    The higher level first, within a level less time left first. Before a VIP come those who can
    reach nothing but what it could take. Source: paper 2.2.3 (the less residual electricity, the
    higher the priority). Departs: the paper puts a VIP before everybody.
    """
    alone = _only_places(ranked)
    vips = {int(row) for answer in ranked if answer.level_reason == VIP for row in answer.rows}

    def key(number: int) -> tuple[int, int, float]:
        answer = ranked[number]
        needed = number in alone and alone[number] in vips
        return (0 if needed else 1, int(answer.level), answer.time_left_min)

    return sorted(range(len(ranked)), key=key)


def leave_only_places(ranked: Sequence[Ranked]) -> None:
    """Moves what is another car's only pile to the end of each VIP's list.

    Source: paper 2.2.1. Departs: a VIP never takes the only pile that another car can reach.
    """
    alone = set(_only_places(ranked).values())
    if not alone:
        return
    for answer in ranked:
        if answer.level_reason == VIP and len(answer.order) > 1:
            taken = np.isin(answer.rows, list(alone))
            if taken.any():
                answer.order = np.concatenate([answer.order[~taken], answer.order[taken]])


def _only_places(ranked: Sequence[Ranked]) -> dict[int, int]:
    """EVSE rows by the number of the request that can get nothing else; VIPs have no such right."""
    return {
        number: int(answer.rows[0])
        for number, answer in enumerate(ranked)
        if answer.level_reason != VIP and answer.batch is not None and len(answer.order) == 1
    }


def vips_first(
    asked: Asked, ranked: Sequence[Ranked], facilities: Callable[[Columns], Index]
) -> None:
    """Orders the candidates of VIPs by the quality of the pile; others stay as they are.

    `facilities` says how many the station of each candidate has. Source: paper 2.2.1.
    """
    usual = asked.rules.select_by
    for request, answer in zip(asked.requests, ranked, strict=True):
        if answer.level_reason != VIP or (request.select_by or usual) is not SelectBy.COST:
            continue
        if answer.columns is not None:
            answer.order = vip_order(answer.columns, facilities(answer.columns))
            answer.wanted = int(answer.order[0])
            answer.conflict = bool(answer.columns.wait.held[answer.wanted])


def facilities_of(district: District, columns: Columns) -> Index:
    """How many facilities the station of each candidate has. Source: paper 2.2.1 (convenient)."""
    stations = district.station[columns.candidates.evse].tolist()
    return np.array([len(district.stations[row].facilities) for row in stations], dtype=np.intp)


def vip_order(columns: Columns, facilities: Index) -> Index:
    """Candidates by usable power, P(working), drive time, facilities; then by the one cost.

    Only those that are convenient, which is what level one asks; the rest follow by cost. Power and
    the others count in steps, so that a kilowatt does not outweigh the drive. Source: paper 2.2.1
    (high-quality and convenient piles first), 2.3.2.1.
    """
    total = columns.cost.total
    ready_s = columns.drive.drive_s + columns.wait.expected_s
    convenient = ready_s <= ready_s.min() + CONVENIENT_S
    best_kw = columns.power_kw[convenient].max()
    power = np.ceil(columns.power_kw / max(float(best_kw), 1e-9) * POWER_STEPS)
    working = np.round(columns.p_working / WORKING_STEP)
    drive = np.round(columns.drive.drive_s / DRIVE_STEP_S)
    by_quality = np.lexsort((total, -facilities, drive, -working, -power))
    by_cost = total.argsort(kind="stable")
    return np.concatenate([by_quality[convenient[by_quality]], by_cost[~convenient[by_cost]]])
