"""Files for others under /v1/export: the very ones that `pilewise coordinator export` writes.

Reading changes nothing. What tells of cars and drivers needs a token. OCPI lists, which go page by
page, are in `ocpi.py`.
"""

from __future__ import annotations

import asyncio
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coordinator.errors import NotFound
from coordinator.importers.export import RECORDS
from coordinator.web.answers import Once, answer, tag_of, tagged, whole_number
from coordinator.web.gate import Gate
from coordinator.web.sources import Sources

ROOT = "/v1/export"
KEPT_S = 2.0
HOUR_S = 3600.0
LONGEST_H = 24 * 31
CSV = "text/csv; charset=utf-8; header=present"
# Name, form as the command calls it, what it is sent as; found under either.
FILES = (
    ("stations.geojson", "geojson", "application/geo+json"),
    ("stations.csv", "csv", CSV),
    ("connectors.json", "connectors", "application/json"),
    ("tariffs.csv", "tariffs", CSV),
    ("sessions.csv", "sessions", CSV),
    ("requests.csv", "requests", CSV),
)
# The only words of a file that change without anything having changed.
_AS_OF = re.compile(r'"as_of": "[^"]*"')
LISTS = ("ocpi/locations", "ocpi/tariffs")


class Exports:
    """Each file is written once for all who ask at the same time, off the event loop."""

    def __init__(self, sources: Sources, gate: Gate) -> None:
        self._sources, self._gate = sources, gate
        self._once = Once(sources.clock.link_s, KEPT_S)
        self._one_at_a_time = asyncio.Semaphore(1)

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [Route(ROOT, self.listed), Route(ROOT + "/{name}", self.file)]

    async def listed(self, request: Request) -> Response:
        """What there is."""
        files = [
            {"path": f"{ROOT}/{name}", "kind": kind.partition(";")[0], "token": form in RECORDS}
            for name, form, kind in FILES
        ]
        lists = [
            {"path": f"{ROOT}/{name}", "kind": "application/json", "token": False} for name in LISTS
        ]
        return answer({"exports": files + lists})

    async def file(self, request: Request) -> Response:
        """One file; 304 for who has what it says already."""
        wanted = request.path_params["name"]
        found = next((file for file in FILES if wanted in file[:2]), None)
        if found is None:
            raise NotFound("export", wanted)
        name, form, kind = found
        hours = 0
        if form in RECORDS:
            self._gate.admit(request)
            hours = whole_number(request, "hours", 1, LONGEST_H, 24)
        content, tag = await self._once.get(f"{form} {hours}", lambda: self._written(form, hours))
        told = {"content-disposition": f'attachment; filename="{name}"'}
        return tagged(request, content, tag, kind, **told)

    async def _written(self, form: str, hours: int) -> tuple[bytes, str]:
        """The file and its tag, which says nothing of when it was written."""
        async with self._one_at_a_time:
            now_s = self._sources.clock.now_s()
            since_s = now_s - hours * HOUR_S if hours else float("-inf")
            text = await self._sources.outgoing.file(form, since_s)
            return await asyncio.to_thread(_tagged, text)


def _tagged(text: str) -> tuple[bytes, str]:
    return text.encode(), tag_of(_AS_OF.sub("", text).encode())
