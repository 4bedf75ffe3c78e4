"""Answers as JSON, and failures in the form that every page shows: code, sentence, hint."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from coordinator.errors import (
    AgentOffline,
    BundleRefused,
    CoordinatorError,
    DirectiveRefused,
    DirectiveUnanswered,
    FieldFault,
    FieldInvalid,
    NotFound,
    Overloaded,
    PromiseLost,
    ProtocolBroken,
    Retryable,
)

T = TypeVar("T")
encode = msgspec.json.Encoder().encode
BODY_LIMIT = 64 * 1024
# The first that fits.
_STATUS: tuple[tuple[type[CoordinatorError], int], ...] = (
    (NotFound, 404),
    (FieldInvalid, 400),
    (BundleRefused, 422),
    (DirectiveRefused, 409),
    (PromiseLost, 409),
    (ProtocolBroken, 409),
    (AgentOffline, 503),
    (DirectiveUnanswered, 504),
    (Overloaded, 503),
    (Retryable, 503),
)


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON; NaN and infinity become null. Never kept by a browser."""
    headers = {"cache-control": "no-store"}
    return Response(encode(value), status, headers, media_type="application/json")


def failure(status: int, code: str, message: str, hint: str = "", field: str = "") -> Response:
    """A failure as JSON."""
    told = {"code": code, "message": message, "hint": hint, "field": field}
    return answer({"error": told}, status)


def failed(error: CoordinatorError) -> Response:
    """An error of this room as HTTP says it."""
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 500)
    faults = error.faults if isinstance(error, FieldInvalid) else ()
    fields = {fault.field: fault.message for fault in faults}
    told = {"code": error.code, "message": str(error), "hint": error.hint,
            "field": next(iter(fields), ""), "fields": fields}  # fmt: skip
    return answer({"error": told}, status)


async def body_of(request: Request, names: frozenset[str]) -> dict[str, Any]:
    """The JSON object that was sent, with these keys only; raises `FieldInvalid`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    raw = b""
    try:
        async for piece in request.stream():
            raw += piece
            if len(raw) > BODY_LIMIT:
                raise FieldInvalid(FieldFault("body", f"is longer than {BODY_LIMIT} bytes"))
    except ClientDisconnect as error:
        raise FieldInvalid(FieldFault("body", f"broke off after {len(raw)} bytes")) from error
    if kind != "application/json":
        raise FieldInvalid(FieldFault("content-type", f"is {kind!r}, must be application/json"))
    try:
        value = msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FieldInvalid(FieldFault("body", f"is no JSON object: {error}")) from error
    faults = [FieldFault(key, f"is unknown, known are {sorted(names)}") for key in value if
              key not in names]  # fmt: skip
    if faults:
        raise FieldInvalid(*faults)
    return value


def whole_number(request: Request, name: str, least: int, most: int, default: int) -> int:
    """A number of the query; raises `FieldInvalid`."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:20]) <= most):
        raise FieldInvalid(FieldFault(name, f"is {text[:40]!r}, must be {least} to {most}"))
    return int(text)


class Once:
    """Values that cost something, made once for all who ask within `keep_s`, link time."""

    def __init__(self, link_s: Callable[[], float], keep_s: float) -> None:
        self._link_s, self._keep_s = link_s, keep_s
        self._made: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, key: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The value under this key; a failure is told to all who waited and not kept."""
        now_s = self._link_s()
        for old in [k for k, (at, _) in self._made.items() if now_s - at > self._keep_s]:
            del self._made[old]
        if key not in self._made:
            task = asyncio.create_task(make(), name=f"coordinator:web {key}")
            self._made[key] = now_s, task
        try:
            made: T = await asyncio.shield(self._made[key][1])
        except Exception:
            self._made.pop(key, None)
            raise
        return made


class Shared:
    """Answers as JSON that are made once for all who ask at the same time."""

    def __init__(self, link_s: Callable[[], float], keep_s: float) -> None:
        self._once = Once(link_s, keep_s)

    async def get(self, key: str, make: Callable[[], Awaitable[Any]]) -> Response:
        """The answer under this key; a failure is told to all who waited and not kept."""
        raw = await self._once.get(key, lambda: _encoded(make))
        headers = {"cache-control": "no-store"}
        return Response(raw, 200, headers, media_type="application/json")


def tag_of(content: bytes) -> str:
    """A weak ETag: equal for what says the same, whenever it was written."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


def tagged(request: Request, content: bytes, tag: str, kind: str, **headers: str) -> Response:
    """The content, or 304 without it where the asker has this very one; it asks each time."""
    given = {"etag": tag, "cache-control": "no-cache", **headers}
    known = [one.strip().removeprefix("W/") for one in
             request.headers.get("if-none-match", "").split(",")]  # fmt: skip
    if "*" in known or tag.removeprefix("W/") in known:
        return Response(status_code=304, headers=given)
    return Response(content, headers=given, media_type=kind)


async def _encoded(make: Callable[[], Awaitable[Any]]) -> bytes:
    return encode(await make())
