"""How good the data are: agents with their lag and buffers, and how old what is known is."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.pile import EvseStatus
from coordinator.web.answers import Shared
from coordinator.web.sources import Sources

KEPT_S = 3.0  # counting what is stored costs the disk
# Ages in seconds, link time, up to which EVSEs are counted together.
AGES_S = (5.0, 15.0, 60.0, 300.0, 3600.0, math.inf)
# Counts since the start that say something of data.
COUNTED = (
    "records_stored", "records_refused", "ingest_groups", "requests", "empty_answers",
    "degraded_recommendations", "unheld_recommendations",
)  # fmt: skip


class Quality:
    """The page of data quality."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._shared = Shared(sources.clock.link_s, KEPT_S)

    def routes(self) -> list[Route]:
        """Where this is found."""
        return [Route("/api/quality", self.shown)]

    async def shown(self, request: Request) -> Response:
        """Made once for all who look at the same time."""
        return await self._shared.get("quality", self._all)

    async def _all(self) -> dict[str, Any]:
        sources = self._sources
        statuses = sources.view.statuses()
        agents = sorted(sources.inventory.agents() | sources.links.open.keys())
        told = [await self._agent(agent_id, statuses) for agent_id in agents]
        values = sources.counters.values()
        return {
            "as_of_s": sources.clock.now_s(),
            "stale_after_s": sources.view.stale_after_s,
            "agents": told,
            "without_agent": self._without_agent(),
            "ages": self._ages(),
            "statuses": {
                status.name: int(np.count_nonzero(statuses == status))
                for status in EvseStatus
                if status
            },
            "counts": {name: values.get(name, 0.0) for name in COUNTED},
        }

    async def _agent(self, agent_id: str, statuses: Any) -> dict[str, Any]:
        sources = self._sources
        spools = await sources.store.count_spools(agent_id)
        await asyncio.sleep(0)
        piles = sources.inventory.piles_of(agent_id)
        district = sources.district
        numbers = [district.pile_row[p] for p in piles if p in district.pile_row]
        mine = np.isin(district.pile, numbers)
        unknown = int(np.count_nonzero(statuses[mine] == EvseStatus.UNKNOWN))
        link = sources.links.open.get(agent_id)
        told: dict[str, Any] = {
            "agent": agent_id,
            "connected": link is not None and not link.closing,
            "piles": len(piles),
            "evses": int(mine.sum()),
            "unknown": unknown,
            "records": sum(spool.record_count for spool in spools),
            "gaps": sum(spool.gap_count for spool in spools),
            "rejected": sum(spool.rejected_count for spool in spools),
            "spools": len(spools),
        }
        if link is not None:
            told |= {
                "version": link.software_version,
                "lag_s": max(0.0, sources.clock.link_s() - link.last_heard_link_s),
                "buffer": link.spool_depth,
                "skew_s": link.clock_skew_s,
                "waiting_batches": link.waiting_batches,
                "peer": link.peer,
            }
        return told

    def _without_agent(self) -> int:
        """Piles that nobody speaks for."""
        inventory, district = self._sources.inventory, self._sources.district
        return sum(not inventory.owner_of(pile.pile_id) for pile in district.piles)

    def _ages(self) -> list[dict[str, Any]]:
        """How many EVSEs were heard of within which time."""
        ages_s = self._sources.clock.link_s() - self._sources.district.heard_at_s
        counts, below = [], -math.inf
        for limit_s in AGES_S:
            count = int(np.count_nonzero((ages_s > below) & (ages_s <= limit_s)))
            counts.append({"up_to_s": limit_s if math.isfinite(limit_s) else None, "evses": count})
            below = limit_s
        return counts
