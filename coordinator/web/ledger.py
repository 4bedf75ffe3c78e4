"""The ledger of recommendations: who was sent where and why, what changed, and how it ended."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.areas.cost import TERMS
from coordinator.core.recommend.explain import LANGUAGES
from coordinator.core.vehicle import WarningLevel
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.usecases import inputs
from coordinator.usecases.accounts import decision
from coordinator.usecases.answer import Answer, Decided, HoldKind, Judged, Noted
from coordinator.usecases.composing import answers
from coordinator.usecases.inputs import Inputs
from coordinator.usecases.promises import Promise
from coordinator.usecases.retelling import retell, same
from coordinator.web.answers import answer as told
from coordinator.web.answers import whole_number
from coordinator.web.cars import phase_of
from coordinator.web.sources import Sources

PAGE, PAGE_LIMIT = 100, 500
# Kinds of events in which two cars wanted one place.
CONFLICTS = frozenset({"CONFLICT", "QUEUED"})


class Ledger:
    """The list of recommendations, and one explained."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [
            Route("/api/recommendations", self.newest),
            Route("/api/recommendations/{recommendation_id}", self.one),
        ]

    async def newest(self, request: Request) -> Response:
        """Those of this process, the newest first; `q` finds a car or an EVSE."""
        limit = whole_number(request, "limit", 1, PAGE_LIMIT, PAGE)
        after = whole_number(request, "after", 0, 10**9, 0)
        text = request.query_params.get("q", "").casefold()
        only = request.query_params.get("only", "")
        conflicts = self._conflicts()
        found = [
            promise
            for promise in self._sources.promises.newest()
            if promise.answer.judged and _fits(promise, text, only, conflicts)
        ]
        return told(
            {
                "as_of_s": self._sources.clock.now_s(),
                "total": len(found),
                "next": after + limit if after + limit < len(found) else None,
                "recommendations": [
                    _entry(promise, conflicts) for promise in found[after : after + limit]
                ],
            }
        )

    async def one(self, request: Request) -> Response:
        """What an answer was made of, in the language asked for."""
        sources, name = self._sources, request.path_params["recommendation_id"]
        language = request.query_params.get("language", "")
        if language not in ("", *LANGUAGES):
            raise FieldInvalid(FieldFault("language", f"must be one of {', '.join(LANGUAGES)}"))
        kept = await sources.claims.answer(name)
        if kept is None:
            raise NotFound("recommendation", name)
        answer, stored = answers.decode(kept.answer), inputs.unpack(kept.inputs)
        promise = sources.promises.get(name)
        shown, as_told = answer, None
        if stored is not None and stored.said is not None and answer.judged:
            shown = retell(answer, stored.said, language)
            as_told = same(shown, answer) if shown.language == answer.language else None
        outcomes = await sources.claims.outcomes(name)
        return told(
            {
                "as_of_s": sources.clock.now_s(),
                "id": name,
                "car": answer.vehicle_id,
                "level": _level(answer.level),
                "level_reason": answer.level_reason,
                "made_at_s": answer.made_at_s,
                "revision": answer.revision,
                "phase": "ended" if promise is None else phase_of(promise),
                "closed": "" if promise is None else promise.closed,
                "degraded": list(answer.degraded),
                "relaxed": list(answer.relaxed),
                "same_as_told": as_told,
                "told_language": answer.language,
                "hold": _hold(answer),
                "choice": _judged(shown.judged[0]) if shown.judged else None,
                "alternatives": [_judged(judged) for judged in shown.judged[1:]],
                "why_not": [
                    {"name": one.station_name, "code": one.code, "text": one.text}
                    for one in shown.why_not
                ],
                "empty": {"reason": answer.empty_reason, "text": answer.empty_text},
                "context": [_noted(noted) for noted in answer.context],
                "defaulted": list(answer.defaulted),
                "account": _account(answer),
                "candidates": _candidates(stored),
                "area": self._area(answer, promise),
                "events": self._events_of(answer.vehicle_id),
                "outcomes": [asdict(outcome) for outcome in outcomes],
            }
        )

    def _area(self, answer: Answer, promise: Promise | None) -> dict[str, Any]:
        """The charging area with places on the map, and where the car is."""
        district = self._sources.district
        rows = [district.station_row[s] for s in answer.area if s in district.station_row]
        car = None
        if promise is not None:
            car = [promise.request.latitude_deg, promise.request.longitude_deg]
        return {
            "car": car,
            "held": answer.choice.station_id if answer.judged else "",
            "stations": [
                {
                    "id": district.stations[row].station_id,
                    "name": district.stations[row].name or district.stations[row].station_id,
                    "lat": district.stations[row].latitude_deg,
                    "lon": district.stations[row].longitude_deg,
                }
                for row in rows
            ],
        }

    def _conflicts(self) -> set[tuple[str, str]]:
        """Cars that met another at an EVSE which both wanted, with where they were sent then."""
        found, after_id = set(), 0
        while events := self._sources.events.after(after_id):
            after_id = events[-1].event_id
            found |= {
                (event.vehicle_id, event.facts.get("evse_id", ""))
                for event in events
                if event.kind in CONFLICTS
            }
        return found

    def _events_of(self, vehicle_id: str) -> list[dict[str, Any]]:
        found, after_id = [], 0
        while events := self._sources.events.after(after_id):
            after_id = events[-1].event_id
            found += [e for e in events if vehicle_id and e.vehicle_id == vehicle_id]
        return [
            {"id": str(e.event_id), "kind": e.kind, "at_s": e.happened_at_s, "text": e.text,
             "evse": e.evse_id, "car": e.vehicle_id, "facts": dict(e.facts)}
            for e in found[-40:]
        ]  # fmt: skip


def _hold(answer: Answer) -> dict[str, Any]:
    hold = answer.hold
    return {"kind": HoldKind(hold.kind).name, "reason": hold.reason, "until_s": hold.until_s}


def _fits(promise: Promise, text: str, only: str, conflicts: set[tuple[str, str]]) -> bool:
    choice = promise.answer.choice
    if text and text not in f"{promise.request.vehicle_id} {choice.evse_id}".casefold():
        return False
    if only == "open":
        return not promise.closed
    if only == "conflict":
        return _contested(promise, conflicts)
    return only != "changed" or promise.answer.revision > 1


def _contested(promise: Promise, conflicts: set[tuple[str, str]]) -> bool:
    """Whether another car had a part in where this one was sent."""
    answer = promise.answer
    sent = {one.to_evse_id for one in answer.decided} | {answer.choice.evse_id}
    others = any(one.other_vehicle_id for one in answer.decided)
    return others or any((answer.vehicle_id, evse_id) in conflicts for evse_id in sent)


def _entry(promise: Promise, conflicts: set[tuple[str, str]]) -> dict[str, Any]:
    answer = promise.answer
    choice, figures = answer.choice, answer.choice.figures
    return {
        "id": promise.recommendation_id,
        "car": answer.vehicle_id,
        "level": _level(answer.level),
        "promised_at_s": promise.promised_at_s,
        "made_at_s": answer.made_at_s,
        "evse": choice.evse_id,
        "name": choice.place.name,
        "station_name": choice.place.station_name,
        "eta_s": _finite(figures.eta_s),
        "wait_s": _finite(figures.expected_wait_s),
        "price": _finite(figures.price),
        "currency": choice.currency,
        "revision": answer.revision,
        "change": answer.change.code if answer.change is not None else "",
        "hold": HoldKind(answer.hold.kind).name,
        "phase": phase_of(promise),
        "closed": promise.closed,
        "conflict": _contested(promise, conflicts),
        "alternatives": len(answer.judged) - 1,
        "reasons": [{"code": r.code, "sign": r.sign, "text": r.text} for r in choice.reasons],
    }


def _judged(judged: Judged) -> dict[str, Any]:
    figures = judged.figures
    return {
        "evse": judged.evse_id,
        "station": judged.station_id,
        "name": judged.place.name,
        "station_name": judged.place.station_name,
        "confidence": judged.confidence,
        "summary": judged.summary,
        "situation": judged.situation_text,
        "difference": judged.difference_text,
        "reasons": [
            {"code": r.code, "sign": r.sign, "weight": r.weight, "text": r.text}
            for r in judged.reasons
        ],
        "price_lines": [{"name": name, "price": price} for name, price in judged.price_lines],
        "currency": judged.currency,
        "done_at_s": _finite(judged.done_at_s),
        "data_quality": judged.data_quality,
        "status_age_s": _finite(judged.status_age_s),
        **{
            name: _finite(float(getattr(figures, name)))
            for name in (
                "eta_s", "wait_s", "wait_p90_s", "charge_s", "distance_km", "price", "power_kw",
                "arrival_soc_pct", "failure_rate", "p_working", "p_free", "first_score",
                "second_score", "merged_score", "ranker_share", "cost_s", "ahead",
            )
        },
    }  # fmt: skip


def _account(answer: Answer) -> list[dict[str, Any]]:
    decided: tuple[Decided, ...] = answer.decided
    if not decided and answer.judged:
        decided = (decision(answer),)
    return [
        {
            "revision": one.revision,
            "at_s": one.decided_at_s,
            "level": _level(one.level),
            "level_reason": one.level_reason,
            "code": one.code,
            "from": one.from_evse_id,
            "to": one.to_evse_id,
            "hold": HoldKind(one.hold).name,
            "second": one.second_evse_id,
            "second_more_s": _finite(one.second_more_s),
            "other_car": one.other_vehicle_id,
        }
        for one in decided
    ]


def _candidates(stored: Inputs | None) -> list[dict[str, Any]]:
    """The best few as they were judged: terms of the one cost in seconds, in order."""
    if stored is None:
        return []
    return [
        {
            "evse": evse_id,
            "provenance": stored.provenance[number],
            "terms_s": dict(zip(TERMS, stored.terms_s[number].tolist(), strict=True)),
        }
        for number, evse_id in enumerate(stored.evse_ids)
    ]


def _noted(noted: Noted) -> dict[str, Any]:
    """A value of the surroundings with its source and age."""
    return {
        "name": noted.name, "value": _finite(noted.value), "source": noted.source,
        "age_s": _finite(noted.age_s),
    }  # fmt: skip


def _level(number: int) -> str:
    return WarningLevel(number).name.lower()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
