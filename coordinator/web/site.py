"""The site: which address leads where. Each page's data are a file of their own beside this one.

To add a page: its routes in a file of its own, one line in `site`, its files below `static/`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import structlog
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coordinator.errors import CoordinatorError
from coordinator.web.answers import answer, failed, failure
from coordinator.web.assets import Assets, told
from coordinator.web.drive import Drive
from coordinator.web.drive_stream import DriveStreams
from coordinator.web.evaluation import Evaluation
from coordinator.web.exports import Exports
from coordinator.web.feed import NEVER_S, SEND_S, Feed
from coordinator.web.frames import Frames
from coordinator.web.gate import Gate, Refused
from coordinator.web.guard import Guard
from coordinator.web.ledger import Ledger
from coordinator.web.live import Live
from coordinator.web.models import Models
from coordinator.web.ocpi import Ocpi
from coordinator.web.piles import Piles
from coordinator.web.quality import Quality
from coordinator.web.roads import Roads
from coordinator.web.sources import Sources

log = structlog.get_logger()

NAMES = ("localhost", "127.0.0.1", "::1")

Handler = Callable[[Request], Awaitable[Response]]

# It writes every frame at DEBUG, and looks whether it would each time.
logging.getLogger("sse_starlette").setLevel(logging.WARNING)


class Front:
    """The page itself, its stream, and who is asking."""

    def __init__(self, sources: Sources, feed: Feed, gate: Gate, assets: Assets) -> None:
        self._sources = sources
        self._feed = feed
        self._gate = gate
        self._live = Live(sources)
        self._assets = assets

    def routes(self) -> list[Route]:
        """Where these are found."""
        return [
            Route("/", self.page),
            Route("/static/{path:path}", self._assets.serve),
            Route("/api/snapshot", self.snapshot),
            Route("/api/stream", self.stream),
            Route("/api/session", self.session, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The operator's page; what it shows it asks for itself."""
        return told(self._assets.page("operator"), request)

    async def snapshot(self, request: Request) -> Response:
        """The whole live picture, for whoever needs it once."""
        self._live.look()
        return answer(self._live.whole())

    async def stream(self, request: Request) -> Response:
        """The live picture and its changes, as server-sent events."""
        known = request.headers.get("last-event-id") or request.query_params.get("after", "")
        last_id = int(known) if known.isascii() and known.isdigit() and len(known) < 20 else -1
        seat = self._feed.join(request.query_params.get("tab", "")[:64], last_id)
        return EventSourceResponse(self._feed.frames(seat), ping=NEVER_S, send_timeout=SEND_S)

    async def session(self, request: Request) -> Response:
        """Whose token was shown; and nothing else."""
        return answer({"name": self._gate.admit(request)})


def site(sources: Sources, feed: Feed, drivers: Feed, gate: Gate, host: str) -> ASGIApp:
    """All pages behind their guard; `host` is the name that the server listens at.

    `feed` is that of the operator's page, `drivers` that of the driver's.
    """
    assets = Assets()
    routes = [
        *Front(sources, feed, gate, assets).routes(),
        *Drive(sources, DriveStreams(sources, drivers), assets).routes(),
        *Piles(sources).routes(),
        *Frames(sources, gate).routes(),
        *Ledger(sources).routes(),
        *Models(sources, gate).routes(),
        *Evaluation(sources).routes(),
        *Quality(sources).routes(),
        *Roads(sources).routes(),
        *Ocpi(sources).routes(),
        *Exports(sources, gate).routes(),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            CoordinatorError: _failed,
            Refused: _refused,
            HTTPException: _no_such,
            Exception: _broken,
        },
    )
    return Guard(app, (*NAMES, host))


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, CoordinatorError)
    return failed(error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return failure(error.status, error.code, str(error), error.hint)


async def _no_such(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, "WEB-404", f"{request.method} {request.url.path}: "
                   f"{error.detail}")  # fmt: skip


async def _broken(request: Request, error: Exception) -> Response:
    log.error("page failed", path=request.url.path, error=repr(error))
    return failure(500, "COORD-000", "this could not be shown", "look into the coordinator's log")
