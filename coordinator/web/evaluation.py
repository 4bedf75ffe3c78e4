"""The page of evaluation: gathers sessions and promises of a window and has them judged."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.evaluation import Place, Told, Window, evaluate
from coordinator.web.answers import Shared, whole_number
from coordinator.web.sources import Sources

KEPT_S = 3.0
HOUR_S = 3600.0
LONGEST_H = 24 * 31
STRIPS = 200


class Evaluation:
    """Figures of the last hours."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._shared = Shared(sources.clock.link_s, KEPT_S)

    def routes(self) -> list[Route]:
        """Where this is found."""
        return [Route("/api/evaluation", self.shown)]

    async def shown(self, request: Request) -> Response:
        """The window of `hours` up to now; made once for all who look at the same time."""
        hours = whole_number(request, "hours", 1, LONGEST_H, 24)
        return await self._shared.get(f"evaluation-{hours}", lambda: self._all(hours))

    async def _all(self, hours: int) -> dict[str, Any]:
        sources = self._sources
        now_s, since_s = sources.clock.now_s(), sources.clock.now_s() - hours * HOUR_S
        sessions = await sources.happened.charging_since(since_s)
        told, level_of = self._promised(since_s)
        window = Window(since_s, now_s, sessions, told, dict(sources.district.row), self._places())
        figures = await asyncio.to_thread(evaluate, window, level_of)
        figures["use_total"] = len(figures["use"])
        figures["use"] = figures["use"][:STRIPS]
        counters = sources.counters.values()
        return {
            "as_of_s": now_s,
            "hours": hours,
            "currency": _currency(sessions),
            "on_the_way": sum(1 for _ in sources.promises.open()),
            "counts": {name: value for name, value in counters.items() if math.isfinite(value)},
            **figures,
        }

    def _promised(self, since_s: float) -> tuple[list[Told], Mapping[str, WarningLevel]]:
        """What cars were told since then, and the level of each recommendation known."""
        told, level_of = [], {}
        for promise in self._sources.promises.newest():
            answer = promise.answer
            level = WarningLevel(answer.level)
            level_of[promise.recommendation_id] = level
            if answer.judged and promise.promised_at_s >= since_s:
                figures = answer.choice.figures
                told.append(
                    Told(promise.promised_at_s, level, figures.distance_km, figures.expected_wait_s)
                )
        return told, level_of

    def _places(self) -> list[Place]:
        district = self._sources.district
        # The EVSEs of a station are neighbours.
        bounds = np.searchsorted(district.station, np.arange(len(district.stations) + 1)).tolist()
        return [
            Place(
                station.station_id,
                station.name or station.station_id,
                tuple(range(bounds[number], bounds[number + 1])),
            )
            for number, station in enumerate(district.stations)
        ]


def _currency(sessions: list[ChargeSession]) -> str:
    """The currency of the prices, if there is one only."""
    found = {session.currency for session in sessions if session.currency}
    return found.pop() if len(found) == 1 else ""
