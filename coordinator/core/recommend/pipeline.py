"""From a charging request to an ordered list of EVSEs: the patent's steps in order. Read me first.

Pure: the district, the world and the models come in, columns go out. Who is promised what is
decided afterwards, by the ledger (`core/areas/ledger.py`), in the order found here. Requests that
arrive together are judged side by side; none influences another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from coordinator.core.district import District
from coordinator.core.pile import User
from coordinator.core.recommend import candidates, reminder, service_order, warning
from coordinator.core.recommend.asked import Asked, ask
from coordinator.core.recommend.columns import Columns, Ranked
from coordinator.core.recommend.context import NO_MODELS, Context, Models
from coordinator.core.recommend.found import Candidates
from coordinator.core.recommend.gather import Gathered, gather
from coordinator.core.recommend.reminder import Reminder
from coordinator.core.recommend.sorting import sort
from coordinator.core.vehicle import ChargingRequest, WarningLevel

__all__ = ["Columns", "Ranked", "level_of", "rank", "rank_each"]


def rank(
    district: District, request: ChargingRequest, context: Context, models: Models, now_s: float
) -> Ranked:
    """Candidates in the order in which the car should have them.

    Source: US 12,393,974 B2, steps 310-340, 410-420, 510-530, 610-630; paper 2.2, 2.3.
    """
    return rank_each(district, [request], [context], models, now_s)[0]


def level_of(
    district: District, request: ChargingRequest, context: Context, now_s: float
) -> tuple[WarningLevel, str, Reminder | None]:
    """The warning level of a car where it is now, the code of its reason, and what it is reminded
    of. Source: paper 2.2."""
    asked = ask([request], [context], now_s)
    found = candidates.find(district, asked)
    level = _levels(district, asked, found, _time_left_min(asked, found))[0]
    return *level, reminder.each(district, asked, found)[0]


def rank_each(
    district: District,
    requests: Sequence[ChargingRequest],
    contexts: Sequence[Context],
    models: Models,
    now_s: float,
) -> list[Ranked]:
    """The same for several requests; roads and rules are those of the first context.

    Source: US 12,393,974 B2, steps 310-340, 410-420, 510-530, 610-630; paper 2.2, 2.3. Departs:
    every candidate is judged by failure, not only the object pile.
    """
    asked, found, known = look(district, requests, contexts, now_s, models)
    # Paper 2.2: warning levels
    left_min = _time_left_min(asked, found)
    levels = _levels(district, asked, found, left_min)
    reminders = reminder.each(district, asked, found)
    # Paper 2.3.2, 510-530, 610-630: chain, sorting model, sub-recommendations, one cost
    ranked = sort(asked, levels, known, models, reminders)
    for answer, time_left_min in zip(ranked, left_min, strict=True):
        answer.time_left_min = time_left_min
    # Paper 2.2.1: high-quality and convenient piles first for a VIP
    service_order.vips_first(asked, ranked, partial(service_order.facilities_of, district))
    return ranked


def look(
    district: District,
    requests: Sequence[ChargingRequest],
    contexts: Sequence[Context],
    now_s: float,
    models: Models = NO_MODELS,
) -> tuple[Asked, Candidates, Gathered]:
    """What the requests ask, what this district finds for them, and what it knows of that.

    Source: US 12,393,974 B2, claim 5: this much the sub-platform of a district does.
    """
    # 310: requests with remaining power and position; how far does the power carry?
    asked = ask(requests, contexts, now_s)
    # 320: candidates within remaining power x safety factor, with a plug and a payment that fit
    found = candidates.find(district, asked)
    # 330-340, 420, 510: time, queue, price, failure on arrival; what is out of service leaves
    return asked, found, gather(district, asked, found, models.arrival)


def _time_left_min(asked: Asked, found: Candidates) -> list[float]:
    """Minutes of driving that each car has left beyond its nearest usable pile; inf without one.

    Source: paper 2.2.2 (time left on the remaining power).
    """
    if not found.valid.shape[1]:
        return [float("inf")] * len(asked)
    nearest_km = found.of_station(found.near.station_km)[:, :1]
    left_min = (asked.reach_km - nearest_km) / asked.speed_kmh * 60.0
    minutes: list[float] = np.where(found.valid[:, :1], left_min, np.inf).ravel().tolist()
    return minutes


def _levels(
    district: District, asked: Asked, found: Candidates, left_min: Sequence[float]
) -> list[tuple[WarningLevel, str]]:
    """The warning level of each car among what it can reach."""
    levels = []
    counts = zip(found.fitting_in_reach.tolist(), found.around_count.tolist(), strict=True)
    for number, (in_reach, around) in enumerate(counts):
        request, context = asked.requests[number], asked.contexts[number]
        user = district.users.get(request.user_id) if request.user_id else None
        if request.vip:
            user = User(request.user_id, vip=True)
        seen = warning.Situation(
            request.soc_pct, in_reach, around, left_min[number], context.cars_around, user
        )
        levels.append(warning.level(seen, asked.now_s, asked.rules))
    return levels
