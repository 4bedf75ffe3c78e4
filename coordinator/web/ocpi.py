"""OCPI 2.2.1 Locations and Tariffs to be pulled, page by page, as its sender interface gives them.

Only this: no versions, no credentials, no push. Other exports are in `exports.py`.
Source: OCPI 2.2.1, transport and format (pagination, response format), status codes.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.core.pile import Tariff
from coordinator.errors import FieldFault, FieldInvalid
from coordinator.importers import ocpi_out
from coordinator.importers.aggregate import Live, given_up
from coordinator.importers.outgoing import Picture
from coordinator.web.answers import Once, encode, tag_of, tagged, whole_number
from coordinator.web.exports import KEPT_S, ROOT
from coordinator.web.sources import Sources

OBJECTS = 200  # on a page, at most
FARTHEST = 10**9
SUCCESS, INVALID, UNKNOWN_LOCATION, UNKNOWN = 1000, 2001, 2003, 2000
Item = dict[str, Any]


class Ocpi:
    """The lists; each is made once for all who turn its pages at the same time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._once = Once(sources.clock.link_s, KEPT_S)
        self._known: tuple[int, Mapping[str, Tariff]] = (-1, {})
        self._changed_at_s = sources.clock.now_s()

    def routes(self) -> list[Route]:
        """Where these are found."""
        locations, tariffs = f"{ROOT}/ocpi/locations", f"{ROOT}/ocpi/tariffs"
        return [
            Route(f"{ROOT}/ocpi", self.locations),
            Route(locations, self.locations),
            Route(locations + "/{location}", self.location),
            Route(locations + "/{location}/{evse}", self.location),
            Route(locations + "/{location}/{evse}/{connector}", self.location),
            Route(tariffs, self.tariffs),
        ]

    async def locations(self, request: Request) -> Response:
        """A page of Locations."""
        return self._page(request, await self._made("locations", _locations))

    async def tariffs(self, request: Request) -> Response:
        """A page of Tariffs."""
        return self._page(request, await self._made("tariffs", _tariffs))

    async def location(self, request: Request) -> Response:
        """One Location, EVSE or Connector."""
        asked = request.path_params
        found: Item | None = _by(await self._made("locations", _locations), "id", asked["location"])
        if found is not None and "evse" in asked:
            found = _by(found["evses"], "uid", asked["evse"])
        if found is not None and "connector" in asked:
            found = _by(found["connectors"], "id", asked["connector"])
        if found is None:
            return self._refused(404, UNKNOWN_LOCATION, "no such location, EVSE or connector")
        return self._told(request, found)

    async def _made(self, name: str, make: Callable[..., list[Item]]) -> list[Item]:
        """The whole list, written off the event loop."""

        async def write() -> list[Item]:
            now = self._sources.outgoing.picture()
            live, changed_at_s = self._with_silence(now), self._changed(now)
            party = self._sources.outgoing.party
            return await asyncio.to_thread(make, now, live, changed_at_s, party)

        return await self._once.get(name, write)

    def _changed(self, now: Picture) -> float:
        """Since when stations and tariffs are what they are, or a moment later.

        What is not heard of was last updated then, so that whoever asks by `date_from` misses no
        new station.
        """
        known = self._sources.inventory.version, now.tariffs
        if known != self._known:
            self._known, self._changed_at_s = known, now.now_s
        return self._changed_at_s

    def _with_silence(self, now: Picture) -> Live:
        """What is believed, with the instants at which EVSEs that fell silent were given up."""
        view, clock, district = self._sources.view, self._sources.clock, self._sources.district
        late_s = (clock.link_s() - district.heard_at_s - view.stale_after_s) * clock.speed
        return given_up(now.live, district.evse_ids, late_s, now.now_s)

    def _page(self, request: Request, items: list[Item]) -> Response:
        """The objects from `offset` on, of those updated within the dates asked for."""
        try:
            offset = whole_number(request, "offset", 0, FARTHEST, 0)
            limit = min(OBJECTS, whole_number(request, "limit", 1, FARTHEST, OBJECTS))
            since = _instant(request, "date_from", math.floor)
            until = _instant(request, "date_to", math.ceil)
        except FieldInvalid as error:
            return self._refused(400, INVALID, str(error))
        # As OCPI writes instants, they are in order as text.
        items = [i for i in items if (since or "") <= i["last_updated"] < (until or "~")]
        headers = {"x-total-count": str(len(items)), "x-limit": str(OBJECTS)}
        if offset + limit < len(items):
            dates = {k: v for k, v in request.query_params.items() if k.startswith("date_")}
            query = urlencode({"offset": offset + limit, "limit": limit, **dates})
            headers["link"] = f'<{request.url.replace(query=query)}>; rel="next"'
        return self._told(request, items[offset : offset + limit], **headers)

    def _told(self, request: Request, data: Any, **headers: str) -> Response:
        """The data in the form of every answer; the same data has the same tag."""
        tag = tag_of(encode([data, headers.get("x-total-count", ""), headers.get("link", "")]))
        content = encode(self._framed(SUCCESS, "Success", data))
        return tagged(request, content, tag, "application/json", **headers)

    def _refused(self, status: int, code: int, message: str) -> Response:
        headers = {"cache-control": "no-store"}
        content = encode(self._framed(code, message, None))
        return Response(content, status, headers, media_type="application/json")

    def _framed(self, code: int, message: str, data: Any) -> Item:
        framed = {"data": data} if data is not None else {}
        at = ocpi_out.stamp(self._sources.clock.now_s())
        return {**framed, "status_code": code, "status_message": message, "timestamp": at}


def _locations(now: Picture, live: Live, changed_at_s: float, party: ocpi_out.Party) -> list[Item]:
    """Every Location; one is as new as the newest of what it tells, and of all stations' facts."""
    changed = ocpi_out.stamp(changed_at_s)
    items = ocpi_out.locations(now.stations, live, changed_at_s, party)
    return [{**i, "last_updated": max(i["last_updated"], changed)} for i in items]


def _tariffs(now: Picture, live: Live, changed_at_s: float, party: ocpi_out.Party) -> list[Item]:
    return ocpi_out.tariffs(now.tariffs.values(), changed_at_s, party)


def _by(items: list[Item], field: str, wanted: str) -> Item | None:
    return next((item for item in items if item[field] == wanted), None)


def _instant(request: Request, name: str, whole: Callable[[float], int]) -> str | None:
    """A DateTime of the query, UTC unless it says otherwise, in whole seconds as OCPI has them."""
    text = request.query_params.get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return ocpi_out.stamp(max(0, whole(at.timestamp())))
    except (ValueError, OverflowError, OSError) as error:
        fault = FieldFault(name, f"is {text[:40]!r}, not an instant like 2026-01-31T12:00:00Z")
        raise FieldInvalid(fault) from error
