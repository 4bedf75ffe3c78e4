"""Finds candidates for a city, which sorts those of all districts; holds nothing.

Source: US 12,393,974 B2, claims 4-5.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.clock import Clock
from coordinator.core.district import District
from coordinator.core.recommend.districts import Share, share_of
from coordinator.core.recommend.pipeline import look, rank
from coordinator.core.vehicle import ChargingRequest
from coordinator.usecases import figures, wording
from coordinator.usecases.answer import Judged
from coordinator.usecases.figures import Lines
from coordinator.usecases.models_now import ModelsNow
from coordinator.usecases.world import World


@dataclass(frozen=True, slots=True)
class Found:
    """What a district answers: its candidates in its own order, and what it knows of each."""

    judged: tuple[Judged, ...]
    share: Share
    wanted: list[int]  # candidates of the share that were asked for, nearest station first


class Finder:
    """The use case behind FindCandidates."""

    def __init__(
        self, district_id: str, district: District, world: World, models: ModelsNow, clock: Clock
    ) -> None:
        self._district_id = district_id
        self._district = district
        self._world = world
        self._models = models
        self._clock = clock

    def find(self, request: ChargingRequest, limit: int) -> Found:
        """Up to `limit` candidates: those first in the district's order, then others in reach."""
        now_s, context = self._clock.now_s(), self._world.around(request)
        district = self._district
        models = self._models.now
        looked = look(district, [request], [context], now_s, models)
        share = share_of(self._district_id, district, *looked)
        ranked = rank(district, request, context, models, now_s)
        if ranked.batch is None:
            return Found((), share, list(range(len(share.evse_ids)))[:limit])
        figures.prepare(district, [ranked])
        lines = Lines(district, ranked)
        order: list[int] = ranked.order.tolist()[:limit]
        said = wording.said(district, context, ranked, lines, order[0])
        judged = wording.judged(district, request, context, lines, order, said, now_s)
        place = {one.evse_id: number for number, one in enumerate(judged)}
        numbers = range(len(share.evse_ids))
        best = sorted(numbers, key=lambda n: (place.get(share.evse_ids[n], limit), n))
        return Found(judged, share, sorted(best[:limit]))
