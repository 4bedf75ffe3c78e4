"""The running agent answers commands of its own machine; the words are in `control_protocol.py`.

What a command prints belongs to `commands/`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from edge_agent.control_protocol import MAX_REQUEST_BYTES, address_of
from edge_agent.core.reading import Record
from edge_agent.core.telling import fields

log: Final = structlog.get_logger("edge_agent.control")
REMEMBERED_RECORDS: Final = 500
MAX_CALLERS: Final = 8
# Records that may wait for a follower that reads slowly; then the oldest are passed over.
MAX_BEHIND: Final = 1000
WRITE_S: Final = 10.0

Answer = dict[str, Any]
Ask = Callable[[Answer], Awaitable[Answer]]


class Recent:
    """The newest records, and those who follow them."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=REMEMBERED_RECORDS)
        self._followers: set[_Follower] = set()

    def add(self, records: Iterable[Record]) -> None:
        """Takes records as they are made; never waits."""
        for record in records:
            self._records.append(record)
            for follower in self._followers:
                follower.take(record)

    def newest(self, count: int, pile_id: str) -> list[Record]:
        """The newest records of a pile (empty: of all), oldest first."""
        found = [record for record in self._records if _concerns(record, pile_id)]
        return found[-count:] if count > 0 else []

    @contextlib.contextmanager
    def followed(self, pile_id: str) -> Any:
        """A follower that gets every record of a pile from now on."""
        follower = _Follower(pile_id)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)


class _Follower:
    def __init__(self, pile_id: str) -> None:
        self._pile_id = pile_id
        self._waiting: deque[Record] = deque(maxlen=MAX_BEHIND)
        self._news = asyncio.Event()
        self.missed = 0

    def take(self, record: Record) -> None:
        if _concerns(record, self._pile_id):
            self.missed += len(self._waiting) == MAX_BEHIND
            self._waiting.append(record)
            self._news.set()

    async def next(self) -> list[Record]:
        """What came since the last call; waits for the first."""
        await self._news.wait()
        self._news.clear()
        records = list(self._waiting)
        self._waiting.clear()
        return records


class ControlSocket:
    """Listens in the data folder; `asks` are the commands that have one answer."""

    def __init__(self, folder: Path, recent: Recent, asks: dict[str, Ask]) -> None:
        self._folder = folder
        self._recent = recent
        self._asks = asks
        self._callers = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Starts listening; an agent that cannot (a disk that is read only) goes on without."""
        try:
            with address_of(self._folder) as address:
                self._server = await asyncio.start_unix_server(
                    self._serve, sock=_bound(address), limit=MAX_REQUEST_BYTES
                )
        except OSError as error:
            log.warning("commands cannot reach this agent", error=str(error))

    def close(self) -> None:
        """Stops listening and removes the socket."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        with contextlib.suppress(OSError), address_of(self._folder) as address:
            Path(address).unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers += 1
        try:
            if self._callers > MAX_CALLERS:
                await _say(writer, [{"ok": False, "why": "too many commands at once"}])
                return
            async with asyncio.timeout(WRITE_S):
                line = await reader.readline()
            await self._answer(line, reader, writer)
        except (OSError, TimeoutError, ValueError):
            log.debug("a command hung up")
        finally:
            self._callers -= 1
            writer.close()

    async def _answer(
        self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = _request(line)
        command = request.get("command")
        if command == "tail":
            await self._tail(request, reader, writer)
            return
        ask = self._asks.get(command) if isinstance(command, str) else None
        if ask is None:
            known = ", ".join((*self._asks, "tail"))
            await _say(writer, [{"ok": False, "why": f"unknown command; known are {known}"}])
            return
        try:
            answer = await ask(request)
        except Exception as error:
            log.exception("command failed", command=command)
            answer = {"ok": False, "why": repr(error)}
        await _say(writer, [answer])

    async def _tail(
        self, request: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        count, pile_id = request.get("count", 20), request.get("pile", "")
        if not isinstance(count, int) or not isinstance(pile_id, str):
            await _say(writer, [{"ok": False, "why": "count is a number, pile a name"}])
            return
        with self._recent.followed(pile_id) as follower:
            await _say(writer, [_told(record) for record in self._recent.newest(count, pile_id)])
            if not request.get("follow"):
                return
            gone = asyncio.create_task(reader.read(1), name="edge_agent:control-hang-up")
            try:
                while not gone.done():
                    more = asyncio.create_task(follower.next(), name="edge_agent:control-tail")
                    await asyncio.wait({gone, more}, return_when=asyncio.FIRST_COMPLETED)
                    if not more.done():
                        more.cancel()
                        return
                    told = [_told(record) for record in more.result()]
                    missed, follower.missed = follower.missed, 0
                    await _say(writer, [{"ok": True, "missed": missed}, *told] if missed else told)
            finally:
                gone.cancel()


def _bound(address: str) -> socket.socket:
    """A socket that only the agent's own user may reach, from before it can be reached at all."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            Path(address).unlink()
        made.bind(address)
        Path(address).chmod(0o600)
    except OSError:
        made.close()
        raise
    return made


def _request(line: bytes) -> Answer:
    try:
        request = json.loads(line)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _told(record: Record) -> Answer:
    return {"ok": True, **fields(record)}


def _concerns(record: Record, pile_id: str) -> bool:
    return not pile_id or record.evse_id.rpartition("*")[0] == pile_id


async def _say(writer: asyncio.StreamWriter, answers: Sequence[Answer]) -> None:
    for answer in answers:
        writer.write(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    async with asyncio.timeout(WRITE_S):
        await writer.drain()
