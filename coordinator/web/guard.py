"""What stands before every page: who may be asked by which name, and what a browser may do with it.

A page of another site can make a browser ask us: by another host name that leads here, or from its
own. Both are refused. Who may do more than read is decided in `gate.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.web.answers import failure
from coordinator.web.patience import bounded

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(self), camera=(), microphone=()",
}
READING = frozenset({"GET", "HEAD"})
_SAME_SITE = frozenset({"same-origin", "none"})


class Guard:
    """ASGI around the site."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses, or serves with the headers of every answer."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            text = f"asked as {host[:100]!r}, which is none of our names"
            answer = failure(421, "WEB-005", text, "use the address that the coordinator told")
            await answer(scope, receive, guarded)
        elif scope["method"] not in READING and not _same_origin(headers, host):
            text = "asked by a page of another site"
            answer = failure(403, "WEB-006", text, "only our own pages may change anything")
            await answer(scope, receive, guarded)
        else:
            begun_s = asyncio.get_running_loop().time()
            await self._app(scope, bounded(receive, begun_s), guarded)


def _name(host: str) -> str:
    """The name of "name:port"; of "[::1]:80" the address without brackets."""
    return (_parts(f"//{host}").hostname or "") if host.count("/") == 0 else ""


def _parts(url: str) -> SplitResult:
    """The parts of a URL; none of a text that is not one, e.g. with half a bracket."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _same_origin(headers: Headers, host: str) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site not in _SAME_SITE:
        return False
    return origin is None or _parts(origin).netloc == host
