"""The HTTP doors: the coordinator's pages, and the figures of both rooms, as raw bytes over TCP.

A request that is not whole may be waited for; then we say that nothing more comes, and the
connection has to end.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from bench.fuzz import values
from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.rooms import TOKEN
from bench.fuzz.text import mutated_json, mutated_text
from bench.fuzz.wire import noise

DRIVER = "0123456789abcdef"
FIRST_BYTES_S = 0.5
ANSWER_S = 20.0
PAGES = (
    "/", "/static/operator.js", "/api/snapshot", "/api/stream", "/api/piles", "/api/piles/A-01",
    "/api/recommendations", f"/api/recommendations/{values.LIVE[0]}", "/api/models",
    "/api/models/active/plots/ranker.svg", "/api/evaluation", "/api/quality", "/drive",
    f"/api/drive/stream?driver={DRIVER}", "/v1/export", "/v1/export/geojson",
    "/v1/export/ocpi/locations", "/v1/export/ocpi/tariffs", "/metrics",
)  # fmt: skip
POSTS: dict[str, dict[str, Any]] = {
    "/api/session": {},
    "/api/models": {"action": "shadow", "bundle": "nowhere"},
    "/api/piles/A-01/frames": {"duration_s": 0.1},
    "/api/drive/push": {"soc_pct": 30, "latitude_deg": 22.54, "longitude_deg": 114.05},
    "/api/drive/recommend": {
        "request_id": "web-1", "soc_pct": 30, "language": "en", "target_soc_pct": 80,
        "position": {"latitude_deg": 22.55, "longitude_deg": 114.05, "datum": "DATUM_WGS84"},
        "vehicle": {"battery_kwh": 60, "connectors": ["CONNECTOR_STANDARD_GBT_DC"]},
        "arrive_by": "2026-11-26T12:00:00Z",
    },
    "/api/drive/confirm": {"recommendation_id": values.LIVE[0]},
    "/api/drive/progress": {
        "recommendation_id": values.LIVE[0], "known_revision": 1,
        "progress": {"position": {"latitude_deg": 22.55, "longitude_deg": 114.05}, "soc_pct": 29},
    },
    "/api/drive/release": {"recommendation_id": values.LIVE[0], "reason": ""},
}  # fmt: skip


class HttpDoor:
    """One server; `address` may change when its room starts again."""

    lanes = 8

    def __init__(self, name: str, address: Callable[[], str]) -> None:
        self.name = name
        self._address = address

    async def open(self) -> None:
        """Each input has a connection of its own."""

    async def close(self) -> None:
        """Nothing is held."""

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many requests."""
        for kind in kinds(rng, count):
            if kind == "random":
                yield Input(self.name, "noise", kind, (noise(rng),))
                continue
            path, raw = _request(rng, kind)
            yield Input(
                self.name, path, kind, (mutated_text(rng, raw) if kind == "mutated" else raw,)
            )

    async def send(self, item: Input) -> Outcome:
        """What became of a request."""
        host, _, port = self._address().removeprefix("http://").rstrip("/").rpartition(":")
        raw = item.frames[0].replace(b"HOST", f"{host}:{port}".encode())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await _asked(host, int(port), raw)
        except TimeoutError:
            return Outcome("no answer", "hang")
        except ConnectionResetError:
            return Outcome("reset")
        except OSError as error:
            return Outcome("not let in", "uncaught", repr(error))


async def page_answers(address: str) -> str:
    """Empty if the page of figures is told, else what came instead."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_S):
            outcome = await _asked(host, int(port), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    except (TimeoutError, OSError) as error:
        return f"the page of figures: {error!r}"
    return "" if outcome.word == "200" else f"the page of figures: {outcome.word}"


async def _asked(host: str, port: int, raw: bytes) -> Outcome:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(raw)
        await writer.drain()
        try:
            async with asyncio.timeout(FIRST_BYTES_S):
                head = await reader.readline()
        except TimeoutError:
            if writer.can_write_eof():
                writer.write_eof()
            head = await reader.readline()
        words = head.split()
        if len(words) < 2 or not words[0].startswith(b"HTTP/"):
            return Outcome("closed" if not head else "no HTTP")
        status = words[1].decode("latin-1")
        bad = status in ("500", "502", "504")
        note = (await reader.read(2_000)).decode("latin-1") if bad else ""
        return Outcome(status, "uncaught" if bad else "", note)
    finally:
        writer.close()


def _request(rng: random.Random, kind: Kind) -> tuple[str, bytes]:
    hostile = kind == "hostile"
    body = b""
    if rng.random() < 0.25:
        method, path = "POST", rng.choice(list(POSTS))
        body = mutated_json(rng, POSTS[path]) if hostile else json.dumps(POSTS[path]).encode()
    else:
        method, path = "GET", rng.choice(PAGES)
    target = _hostile_path(rng, path) if hostile and rng.random() < 0.6 else path
    headers = {"Host": "HOST", "Accept": "*/*", "Authorization": f"Bearer {TOKEN}",
               "X-Pilewise-Driver": DRIVER}  # fmt: skip
    if body:
        headers |= {"Content-Length": str(len(body)), "Content-Type": "application/json"}
    if hostile:
        name = rng.choice((*headers, "Origin", "Last-Event-ID", "Range", "If-None-Match",
                           "Accept-Language", "Cookie", "X-Forwarded-For", "Sec-Fetch-Site",
                           "Transfer-Encoding", "Connection", "Upgrade"))  # fmt: skip
        headers[name] = rng.choice((*values.STRINGS, "[", "http://[::1", "bytes=9-1", "chunked"))
        method = rng.choice((method, method, method, "PUT", "OPTIONS", "HEAD", "BREW", "\x00"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {told}" for name, told in headers.items())]
    return path, "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body


def _hostile_path(rng: random.Random, path: str) -> str:
    """Parts and questions of an address that nobody should ask."""
    parts = path.split("/")
    if rng.random() < 0.6:
        parts[-1] = quote(values.hostile_text(rng)[:300], safe="%/?#")
    names = ("after", "tab", "limit", "page", "from", "to", "level", "format", "offset", "kind",
             "date_from", "date_to", "station_id", "hours", "since")  # fmt: skip
    questions = [
        f"{rng.choice(names)}={quote(values.hostile_text(rng)[:300])}"
        for _ in range(rng.choice((0, 1, 3)))
    ]
    return "/".join(parts) + ("?" + "&".join(questions) if questions else "")
