"""Who may do more than read: the bearer of a good token, and nobody after many guesses.

Tokens are those of the page's own file, read again when it has changed, and those that the services
take (`coordinator/bearers.py`) if they allow an operator to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from starlette.requests import Request

from coordinator.bearers import Bearers
from coordinator.core.caller import Scope
from coordinator.denials import Unauthenticated
from coordinator.token_file import TokenFileWrong, holder_of, read_tokens

log = structlog.get_logger()

GUESSES = 10  # wrong tokens within
GUESSES_S = 60.0  # so long, link time; then everybody waits
_BEARER = re.compile(r"Bearer ([\x21-\x7e]{1,4096})", re.IGNORECASE)


class Refused(Exception):
    """The request needs a token that it does not have; `status` is that of HTTP."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.status, self.code, self.hint = status, code, hint


class Gate:
    """Checks tokens; an empty path and no bearers let nobody through."""

    def __init__(
        self, token_file: str, link_s: Callable[[], float], bearers: Bearers | None = None
    ) -> None:
        self._path = Path(token_file) if token_file else None
        self._bearers = bearers
        self._link_s = link_s
        self._tokens: Mapping[str, bytes] = {}
        self._read_at_ns = 0
        self._wrong: list[float] = []

    @property
    def opens(self) -> bool:
        """Whether there are tokens at all."""
        return self._path is not None or self._bearers is not None

    def admit(self, request: Request) -> str:
        """The name behind the request's token; raises `Refused`."""
        if not self.opens:
            hint = "name a token_file in the section [web] of the coordinator's configuration"
            raise Refused(403, "WEB-003", "this page is read-only", hint)
        now_s = self._link_s()
        self._wrong = [at for at in self._wrong if now_s - at < GUESSES_S]
        if len(self._wrong) >= GUESSES:
            raise Refused(429, "WEB-004", "too many wrong tokens", f"wait {GUESSES_S:.0f} s")
        bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if bearer is None:
            hint = "send the header Authorization: Bearer TOKEN"
            raise Refused(401, "WEB-001", "a token is needed", hint)
        name = self._holder(bearer[1])
        if not name:
            self._wrong.append(now_s)
            raise Refused(401, "WEB-002", "this token is not known", "look into the token file")
        return name

    def _holder(self, token: str) -> str:
        """Whose token this is; empty if it is nobody's, or may only read."""
        name = holder_of(token, self._known(self._path)) if self._path is not None else ""
        if name or self._bearers is None:
            return name
        try:
            caller = self._bearers.caller_of(token)
        except Unauthenticated as refusal:
            log.info("page asked without a valid token", why=refusal.why)
            return ""
        return caller.name if caller.scopes & Scope.WRITE else ""

    def _known(self, path: Path) -> Mapping[str, bytes]:
        """The tokens of the file as it is now; a file that went bad lets nobody through."""
        try:
            changed_at_ns = path.stat().st_mtime_ns
            if changed_at_ns != self._read_at_ns:
                self._tokens, self._read_at_ns = read_tokens(path), changed_at_ns
        except (OSError, TokenFileWrong) as error:
            log.error("token file unusable", why=str(error))
            self._tokens, self._read_at_ns = {}, 0
        return self._tokens
