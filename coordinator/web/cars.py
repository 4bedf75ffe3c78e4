"""Cars with a promise as the map shows them: where each is, what it is held, and its area.

A car without a promise is not shown: where it is, is nobody's business here.
"""

from __future__ import annotations

from typing import Any

from coordinator.core.vehicle import WarningLevel
from coordinator.usecases.promises import Promise, Promises

Look = tuple[Any, ...]


class Cars:
    """What of the open promises has changed since the last look."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self._seen: dict[str, Look] = {}

    def all(self) -> list[dict[str, Any]]:
        """Every car with an open promise."""
        return [shown(promise) for promise in self._promises.open()]

    def changes(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Cars that look otherwise now, and recommendations that are over."""
        looks, changed = {}, []
        for promise in self._promises.open():
            name = promise.recommendation_id
            look = (promise.answer, promise.request, promise.confirmed, promise.arrived_link_s)
            looks[name] = look
            before = self._seen.get(name)
            if before is None or any(a is not b for a, b in zip(look, before, strict=True)):
                changed.append(shown(promise))
        gone = [name for name in self._seen if name not in looks]
        self._seen = looks
        return changed, gone


def shown(promise: Promise) -> dict[str, Any]:
    """A car for the map."""
    answer, request = promise.answer, promise.request
    car: dict[str, Any] = {
        "id": promise.recommendation_id,
        "car": request.vehicle_id,
        "lat": request.latitude_deg,
        "lon": request.longitude_deg,
        "soc_pct": round(request.soc_pct, 1),
        "level": WarningLevel(answer.level).name.lower(),
        "phase": phase_of(promise),
        "revision": answer.revision,
        "hold": answer.hold.kind.name.lower(),
        "until_s": answer.hold.until_s,
        "area": list(answer.area),
        "change": answer.change.code if answer.change is not None else "",
    }
    if answer.judged:
        choice = answer.choice
        car |= {
            "evse": choice.evse_id,
            "station": choice.station_id,
            "station_name": choice.place.name,
            "eta_s": round(choice.figures.eta_s),
            "wait_s": round(choice.figures.expected_wait_s),
            "made_at_s": answer.made_at_s,
        }
    return car


def phase_of(promise: Promise) -> str:
    """Where on its way a promise is, in one word."""
    if promise.closed:
        return "ended"
    if promise.ahead:
        return "ahead"
    if promise.answer.hold.claim_id == "":
        return "without_place"
    if promise.arrived_link_s > float("-inf"):
        return "arrived"
    return "driving" if promise.confirmed else "offered"
