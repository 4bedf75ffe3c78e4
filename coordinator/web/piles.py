"""Piles: a page of the table, and one pile with its facts, its evidence and its likes.

Frames of a pile are asked for in `frames.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.pile import BayState, EvseStatus, StatusSource
from coordinator.core.vehicle import WarningLevel
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.usecases.events import Event
from coordinator.web.answers import answer, whole_number
from coordinator.web.sources import Sources

PAGE, PAGE_LIMIT = 100, 500
NEIGHBOURS = 16
EVENTS = 40


class Piles:
    """The table of piles and the page of one."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [
            Route("/api/piles", self.table),
            Route("/api/piles/{pile_id}", self.one),
        ]

    async def table(self, request: Request) -> Response:
        """EVSEs that fit, in the order of the district, from `after` on."""
        sources = self._sources
        wanted = _statuses(request)
        text = request.query_params.get("q", "").casefold()
        station_id = request.query_params.get("station", "")
        limit = whole_number(request, "limit", 1, PAGE_LIMIT, PAGE)
        after = whole_number(request, "after", 0, 10**9, 0)
        statuses = sources.view.statuses()
        rows = np.flatnonzero(np.isin(statuses, wanted)) if wanted else np.arange(statuses.size)
        if station_id:
            station = sources.district.station_row.get(station_id, -1)
            rows = rows[sources.district.station[rows] == station]
        found = [row for row in rows.tolist() if not text or text in self._text(row)]
        return answer(
            {
                "as_of_s": sources.clock.now_s(),
                "total": len(found),
                "next": after + limit if after + limit < len(found) else None,
                "piles": [self._row(row) for row in found[after : after + limit]],
            }
        )

    async def one(self, request: Request) -> Response:
        """Everything about one pile."""
        sources, pile_id = self._sources, request.path_params["pile_id"]
        district = sources.district
        number = district.pile_row.get(pile_id)
        if number is None:
            raise NotFound("pile", pile_id)
        rows = np.flatnonzero(district.pile == number).tolist()
        pile, station = district.piles[number], district.stations[district.station[rows[0]]]
        spans = await sources.store.list_facts(pile_id)
        present = [span for span in spans if span.valid_to_s is None]
        return answer(
            {
                "as_of_s": sources.clock.now_s(),
                "pile": pile_id,
                "label": pile.label or pile_id,
                "station": station.station_id,
                "station_name": station.name or station.station_id,
                "agent": sources.inventory.owner_of(pile_id),
                "address": pile.address,
                "connected": sources.inventory.owner_of(pile_id) in sources.links.open,
                "facts": [
                    {"field": s.field, "value": s.value, "source": s.source,
                     "since_s": s.valid_from_s}
                    for s in present
                ],
                "earlier": len(spans) - len(present),
                "evses": [self._evse(row) for row in rows],
                "map": self._likes(rows),
                "events": [_told(e) for e in self._events({district.evse_ids[r] for r in rows})],
            }
        )  # fmt: skip

    def _text(self, row: int) -> str:
        district = self._sources.district
        pile = district.piles[district.pile[row]]
        station = district.stations[district.station[row]]
        words = (district.evse_ids[row], pile.label, pile.maker, pile.model, station.name)
        return " ".join(words).casefold()

    def _row(self, row: int) -> dict[str, Any]:
        """One line of the table."""
        sources = self._sources
        live, district = sources.view.one(row), sources.district
        return {
            "evse": live.evse_id,
            "pile": live.pile.pile_id,
            "label": live.pile.label or live.pile.pile_id,
            "station": live.station.station_id,
            "station_name": live.station.name or live.station.station_id,
            "status": live.status.name,
            "reason": live.reason,
            "code": live.fault_code,
            "since_s": _finite(float(district.changed_at_s[row])),
            "observed_at_s": _finite(live.observed_at_s),
            "age_s": _finite(live.age_s),
            "source": StatusSource(live.source).name,
            "bay": BayState(live.bay).name,
            "power_kw": _finite(live.power_kw),
            "failure_rate": live.failure_rate,
            "exposure_days": live.exposure_days,
            "faults": int(district.fault_count[row]),
            "held": int(district.claim_count[row]),
        }

    def _evse(self, row: int) -> dict[str, Any]:
        """One EVSE with what its failure rate rests on, and who is promised it."""
        district, table = self._sources.district, self._sources.claims.table
        evse = next(
            e for e in district.piles[district.pile[row]].evses
            if e.evse_id == district.evse_ids[row]
        )  # fmt: skip
        return {
            **self._row(row),
            "prior_rate": float(district.prior_rate[row]),
            "sessions": int(district.session_count[row]),
            "served_today": int(district.served_today[row]),
            "charging_s": float(district.charging_s[row]),
            "last_success_at_s": _finite(float(district.last_success_at_s[row])),
            "max_power_kw": max((c.max_power_kw for c in evse.connectors), default=None),
            "claims": [
                {
                    "car": claim.vehicle_id,
                    "recommendation": claim.recommendation_id,
                    "state": claim.state.name.lower(),
                    "level": WarningLevel(claim.level).name.lower(),
                    "from_s": claim.from_s,
                    "to_s": claim.to_s,
                }
                for claim in table.on_evse(evse.evse_id)
            ],
        }

    def _likes(self, rows: list[int]) -> dict[str, Any]:
        """The first EVSE's neighbours in the knowledge map, the most similar first."""
        keeper, district = self._sources.knowledge, self._sources.district
        made, evse_id = keeper.made, district.evse_ids[rows[0]]
        # The map may be of the district before its newest piles: rows there are other rows.
        at = made.evse_ids.index(evse_id) if made and evse_id in made.evse_ids else None
        told: dict[str, Any] = {
            "ready": at is not None,
            "threshold": keeper.settings.threshold,
            "measure": keeper.settings.measure.value,
            "updated_at_s": keeper.last.at_s if keeper.last else None,
            "neighbours": [],
            "total": 0,
        }
        if made is None or at is None:
            return told
        found, strength, away = made.knowledge.neighbours(at, 1)
        told["total"] = int(found.size)
        for place in np.argsort(-strength, kind="stable")[:NEIGHBOURS].tolist():
            row = district.row.get(made.evse_ids[int(found[place])])
            if row is not None:
                likeness = {"similarity": float(strength[place]), "order": int(away[place])}
                told["neighbours"].append({**self._row(row), **likeness})
        return told

    def _events(self, evse_ids: set[str]) -> list[Event]:
        """What happened at these EVSEs lately, the newest first."""
        events, after_id, ring = [], 0, self._sources.events
        while found := ring.after(after_id):
            after_id = found[-1].event_id
            events += [event for event in found if event.evse_id in evse_ids]
        return events[: -EVENTS - 1 : -1]


def _told(event: Event) -> dict[str, Any]:
    return {
        "id": str(event.event_id), "kind": event.kind, "at_s": event.happened_at_s,
        "text": event.text, "evse": event.evse_id, "car": event.vehicle_id,
        "facts": dict(event.facts),
    }  # fmt: skip


def _statuses(request: Request) -> list[int]:
    """The statuses of the query; raises `FieldInvalid` for one that is none."""
    words = [word for word in request.query_params.get("status", "").split(",") if word]
    wrong = [word for word in words if word not in EvseStatus.__members__]
    if wrong:
        known = ", ".join(EvseStatus.__members__)
        raise FieldInvalid(FieldFault("status", f"{wrong[0][:40]!r} is none of {known}"))
    return [int(EvseStatus[word]) for word in words]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
