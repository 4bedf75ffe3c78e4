"""The driver's page: the user platform of the patent for people without a car client.

Source: US 12,393,974 B2, step 310. Calls are those of `ChargingService` in JSON; nothing about
piles is decided here. What a tab is told while it is open is in `drive_stream.py`.
"""

from __future__ import annotations

from typing import Any

import structlog
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.errors import FieldFault, FieldInvalid
from coordinator.usecases.promises import Promise
from coordinator.web.answers import answer, body_of, failure
from coordinator.web.assets import Assets, told
from coordinator.web.drive_stream import DriveStreams
from coordinator.web.drivers import HEADER, caller, let_in, own_promise, watcher
from coordinator.web.feed import NEVER_S, SEND_S
from coordinator.web.sources import Sources

log = structlog.get_logger()

# Calls by the last part of their address.
CALLS = {
    "recommend": "Recommend",
    "confirm": "Confirm",
    "progress": "UpdateProgress",
    "release": "Release",
    "outcome": "ReportOutcome",
}
PUSHED = frozenset({"soc_pct", "latitude_deg", "longitude_deg"})
LANGUAGES = ("en", "zh")


class Drive:
    """The page, its calls and its streams."""

    def __init__(self, sources: Sources, streams: DriveStreams, assets: Assets) -> None:
        self._unproved = sources.unproved_cars
        self._charging = sources.charging
        self._guidance = sources.guidance
        self._identified = sources.identified
        self._streams = streams
        self._assets = assets

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [
            Route("/drive", self.page),
            Route("/api/drive/stream", self.stream),
            Route("/api/drive/push", self.push, methods=["POST"]),
            Route("/api/drive/{call}", self.call, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The page; what it shows it asks for itself."""
        let_in(self._unproved)
        return told(self._assets.page("drive"), request)

    async def call(self, request: Request) -> Response:
        """One call of the contract, for the car of this page only."""
        let_in(self._unproved)
        name = CALLS.get(request.path_params["call"])
        if name is None:
            return failure(404, "WEB-404", f"there is no call {request.path_params['call'][:40]!r}")
        vehicle_id = caller(request)
        body = await body_of(request, self._charging.fields(name))
        promise: Promise | None = None
        if name == "Recommend":
            if body.setdefault("vehicle_id", vehicle_id) != vehicle_id:
                raise FieldInvalid(FieldFault("vehicle_id", f"is made of the header {HEADER}"))
            if self._identified and body.get("user_id"):
                # A driver may come first, so who says that he is one has to prove it.
                raise FieldInvalid(FieldFault("user_id", "is taken from a signed token only"))
        else:
            recommendation_id = body.get("recommendation_id")
            if not isinstance(recommendation_id, str):
                raise FieldInvalid(FieldFault("recommendation_id", "is missing"))
            promise = await own_promise(self._guidance, recommendation_id, vehicle_id)
        try:
            reply = await self._charging.call(name, body)
        except TimeoutError:
            log.warning("driver's call unanswered", call=name)
            hint = "send it again; the same request_id makes no second claim"
            return failure(504, "WEB-504", "no answer in time", hint)
        if promise is not None:
            promise.tell()  # what has no revision of its own, e.g. an arrival, is told too
        return answer(reply)

    async def push(self, request: Request) -> Response:
        """Hands what the car itself measured to its open tabs; gives how many there are."""
        let_in(self._unproved)
        vehicle_id = caller(request)
        body = await body_of(request, PUSHED)
        faults = [*_number_faults(body, "soc_pct", 0.0, 100.0)]
        if "latitude_deg" in body or "longitude_deg" in body:
            faults += _number_faults(body, "latitude_deg", -90.0, 90.0)
            faults += _number_faults(body, "longitude_deg", -180.0, 180.0)
        if faults:
            raise FieldInvalid(*faults)
        return answer({"tabs": self._streams.push(vehicle_id, body)})

    async def stream(self, request: Request) -> Response:
        """Stations and the own promise, as server-sent events."""
        let_in(self._unproved)
        vehicle_id = watcher(request)
        query = request.query_params
        known = request.headers.get("last-event-id") or query.get("after", "")
        last_id = int(known) if known.isascii() and known.isdigit() and len(known) < 20 else -1
        language = query.get("language", "")
        if language not in ("", *LANGUAGES):
            raise FieldInvalid(FieldFault("language", f"must be one of {', '.join(LANGUAGES)}"))
        frames = self._streams.frames(
            vehicle_id, query.get("tab", "")[:64], last_id, query.get("recommendation_id", ""),
            language,
        )  # fmt: skip
        return EventSourceResponse(frames, ping=NEVER_S, send_timeout=SEND_S)


def _number_faults(body: dict[str, Any], field: str, least: float, most: float) -> list[FieldFault]:
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        return [FieldFault(field, f"must be a number within {least:g} to {most:g}")]
    return []
