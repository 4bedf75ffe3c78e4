"""The pages and clients that take their time: silent, slow headers, slow and long bodies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coordinator.web import patience
from coordinator.web.answers import failure
from coordinator.web.gate import Refused
from coordinator.web.guard import Guard
from coordinator.web.server import WebServer


async def _echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return failure(error.status, error.code, str(error), error.hint)


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port of a page that says how long a body was."""
    routes = [Route("/", _echo, methods=["GET", "POST"])]
    app = Starlette(routes=routes, exception_handlers={Refused: _refused})
    server = WebServer(Guard(app, ("127.0.0.1",)), grace_s=1.0)
    port = int(server.start("127.0.0.1:0").rstrip("/").rpartition(":")[2])
    task = asyncio.create_task(server.serve(), name="test:web")
    try:
        yield port
    finally:
        await server.stop()
        await task


async def talk(port: int, *pieces: bytes, pause_s: float = 0.05) -> bytes:
    """Everything that is answered to these pieces until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(pause_s)  # how slow this client is
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                return await reader.read()
        return b""
    finally:
        writer.close()


HEAD = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    "pieces",
    [(b"",), (b"GET / HTT",), (b"G", b"E", b"T", b" ", b"/"), (b"GET / HTTP/1.1\r\nhost: 127.",)],
    ids=["silent", "half", "dripping", "half_header"],
)
async def test_C4_connection_whose_request_does_not_come_is_closed(
    pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, half a request and one byte now and then: closed without an answer."""
    monkeypatch.setattr(patience, "HEADER_S", 0.3)
    async with served() as port:
        assert await talk(port, *pieces) == b""


async def test_second_request_on_a_connection_is_waited_for_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a whole request half of another does not hold the connection."""
    monkeypatch.setattr(patience, "HEADER_S", 0.3)
    whole = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    async with served() as port:
        said = await talk(port, whole, b"GET / HT")

    assert said.count(b"200 OK") == 1


async def test_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is announced and does not come is 408, and says so."""
    monkeypatch.setattr(patience, "BODY_S", 0.3)
    async with served() as port:
        said = await talk(port, HEAD + b"content-length: 100\r\n\r\n{", b"1", b"2")

    assert b" 408 " in said
    assert b"WEB-007" in said


@pytest.mark.parametrize("length", ["content-length: 70000", "transfer-encoding: chunked"])
async def test_body_that_is_too_long_is_refused(length: str) -> None:
    """Also where the length was not announced."""
    body = b"x" * 70_000
    if "chunked" in length:
        body = b"11170\r\n" + body + b"\r\n0\r\n\r\n"
    async with served() as port:
        said = await talk(port, HEAD + length.encode() + b"\r\n\r\n" + body)

    assert b" 413 " in said
    assert b"WEB-008" in said


async def test_body_in_time_is_taken() -> None:
    """Slow is not too slow."""
    async with served() as port:
        said = await talk(port, HEAD + b"content-length: 4\r\n\r\n12", b"34")

    assert b" 200 " in said
    assert said.endswith(b"4")
