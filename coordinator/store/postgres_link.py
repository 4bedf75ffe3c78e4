"""The way to the database: steps go in the order of their decisions, in groups, each made once.

While a group waits for the disks the next one gathers, so groups grow with load. A connection that
is lost leaves the outcome open: the group is sent again, and what was stored already says so. A
step under way is never cancelled, because PostgreSQL answers a cancelled wait for a standby as if
the standby had confirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog

from coordinator.errors import Overloaded, StoreClosed, StoreUnavailable
from coordinator.store.postgres_door import DURABLE, driver
from coordinator.store.postgres_schema import STORE

log = structlog.get_logger()

PATIENCE_S: Final = 2.0  # that a caller waits for its step; afterwards it is told no
GROUP: Final = 64
TRIES: Final = 3  # of a group that met a deadlock, a time-out or a lock
CONNECT_S: Final = 5.0
_AWAY_S: Final = 0.5
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.05, 0.5
_SEND: Final = "SELECT take_steps(%s::jsonb, %b::bytea[])::text"

Body = tuple[str, str, str, bytes, bytes, bytes]  # an answer: three names, three contents
Token = tuple[str, bytes, str]


@dataclass(eq=False, slots=True)
class Unit:
    """A step on its way: what it says, and what became of it."""

    step: dict[str, Any]
    answers: Sequence[Body]
    tokens: Sequence[Token]
    future: asyncio.Future[dict[str, Any]]
    sent: bool = False
    given_up: bool = False  # its caller was told that nothing has happened
    open: bool = False  # it may be stored: its answer was lost


@dataclass(slots=True)
class Link:
    """One connection for steps and one for everything else; use it from one event loop."""

    conninfo: str
    patience_s: float = PATIENCE_S
    limit: int = 20_000
    stuck: str = ""  # why the group under way has no answer
    _queue: deque[Unit] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _task: asyncio.Task[None] | None = None
    _looking: asyncio.Task[None] | None = None
    _writing: Any = None
    _reading: Any = None
    _since_s: float | None = None
    _away_until_s: float = 0.0  # until then questions are not even asked
    _closing: bool = False

    def post(self, step: dict[str, Any], answers: Sequence[Body], tokens: Sequence[Token]) -> Unit:
        """A step that is sent after all that were posted before.

        Raises `StoreUnavailable` at once while an earlier one has waited too long for its answer.
        """
        loop = asyncio.get_running_loop()
        if self._closing:
            raise StoreClosed(STORE)
        if len(self._queue) >= self.limit:
            raise Overloaded(f"store {STORE}", len(self._queue), self.limit)
        if self._waited_s() > self.patience_s:
            raise self._unavailable()
        unit = Unit(step, answers, tokens, loop.create_future())
        self._queue.append(unit)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store:postgres")
        return unit

    async def outcome(self, unit: Unit) -> dict[str, Any]:
        """What became of a step; raises `StoreUnavailable` when patience ends before."""
        try:
            return await asyncio.wait_for(asyncio.shield(unit.future), self.patience_s)
        except TimeoutError:
            unit.given_up = True
            raise self._unavailable() from None

    async def ask(self, query: str, values: Sequence[Any] = (), again: bool = True) -> list[Any]:
        """The rows of a query, or none; a lost connection is tried once more if `again`."""
        psycopg, loop = driver(), asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            raise self._unavailable()
        for last in (not again, True):
            mine = None  # who only waits for its turn closes nobody's connection
            try:
                async with asyncio.timeout(self.patience_s), self._turn:
                    if self._reading is None or self._reading.closed:
                        self._reading = await self._connected()
                    mine = self._reading
                    cursor = await mine.execute(query, values)
                    return await cursor.fetchall() if cursor.description else []
            except (TimeoutError, psycopg.Error) as error:
                away = isinstance(error, (TimeoutError, psycopg.OperationalError))
                if mine is not None and mine is self._reading:
                    await self._drop_reading()
                if last or not away:
                    why = str(error).strip() or f"no answer within {self.patience_s:g} s"
                    waited = mine is None and isinstance(error, TimeoutError)
                    self._away_until_s = loop.time() + _AWAY_S if away and not waited else 0.0
                    raise StoreUnavailable(STORE, why) from error
        raise AssertionError

    async def close(self) -> None:
        """Returns when what was posted is stored, or patience has ended; then nothing is sent."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self.patience_s)
            for task in filter(None, (self._task, self._looking)):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for connection in (self._writing, self._reading):
            if connection is not None:
                await connection.close()

    async def _run(self) -> None:
        while self._queue or not self._closing:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
                group = [unit for unit in group if self._wanted(unit)]
                if group:
                    await self._through(group)

    def _wanted(self, unit: Unit) -> bool:
        """Whether a step goes on its way: one that was given up before has never happened."""
        if unit.sent or not unit.given_up:
            return True
        unit.future.set_result({"outcome": "never"})
        return False

    async def _through(self, group: Sequence[Unit]) -> None:
        loop = asyncio.get_running_loop()
        self._since_s = loop.time()
        looking = loop.call_later(self.patience_s / 2.0, self._begin_looking)
        try:
            outcomes = await self._sent(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear it
            if len(group) > 1 and not isinstance(error, StoreUnavailable):
                for unit in group:  # one of them is at fault, the others are not
                    await self._through([unit])
                return
            outcomes = [{"outcome": "error", "why": str(error).strip()}] * len(group)
        finally:
            looking.cancel()
        if self.stuck:
            log.info("PostgreSQL answers again", waited_s=round(self._waited_s(), 3))
        self._since_s, self.stuck = None, ""
        for unit, outcome in zip(group, outcomes, strict=True):
            if not unit.future.done():
                unit.future.set_result(outcome)

    async def _sent(self, group: Sequence[Unit]) -> list[dict[str, Any]]:
        """What became of each; tried until the database answers."""
        psycopg, pause_s, tries = driver(), _LEAST_PAUSE_S, 0
        for_now = (
            psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure,
            psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled,
        )  # fmt: skip
        away = (
            psycopg.OperationalError, psycopg.InterfaceError,
            psycopg.errors.ReadOnlySqlTransaction,
        )  # fmt: skip
        while True:
            try:
                if self._writing is None or self._writing.closed:
                    self._writing = await self._connected()
                cursor = await self._writing.execute(_SEND, _packed(group))
                row = await cursor.fetchone()
                return msgspec.json.decode(row[0], type=list[dict[str, Any]])
            except for_now as error:
                tries += 1
                if any(unit.open for unit in group):  # only an answer says what became of them
                    self.stuck = str(error).strip()
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2.0, _MOST_PAUSE_S)
                elif tries >= TRIES:
                    raise StoreUnavailable(STORE, str(error).strip()) from error
            except away as error:  # the server went away, or is a standby now
                why = " ".join(str(error).split()) or "the connection was lost"
                if not self.stuck:
                    log.warning("PostgreSQL is away; will try until it is back", why=why)
                self.stuck = why
                for unit in group:
                    unit.open = unit.sent
                await self._drop_writing()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2.0, _MOST_PAUSE_S)

    async def _connected(self) -> Any:
        psycopg = driver()
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)
                try:
                    await connection.execute(DURABLE)
                except BaseException:
                    await connection.close()
                    raise
        except TimeoutError as error:
            raise psycopg.OperationalError(f"no connection within {CONNECT_S:g} s") from error
        return connection

    async def _drop_writing(self) -> None:
        if self._writing is not None:
            await self._writing.close()
        self._writing = None

    async def _drop_reading(self) -> None:
        if self._reading is not None:
            await self._reading.close()
        self._reading = None

    def _waited_s(self) -> float:
        """For how long the group under way has had no answer."""
        return 0.0 if self._since_s is None else asyncio.get_running_loop().time() - self._since_s

    def _unavailable(self) -> StoreUnavailable:
        return StoreUnavailable(STORE, self.stuck or f"no answer within {self.patience_s:g} s")

    def _begin_looking(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_why(), name="store:postgres-why")

    async def _look_why(self) -> None:
        """Learns whether the group under way waits for a standby; by a connection of its own."""
        psycopg, query = driver(), "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
        while self._since_s is not None and not self.stuck:
            if (writing := self._writing) is None:
                return  # it is the connection that is missing
            with contextlib.suppress(psycopg.Error):
                async with await self._connected() as connection:
                    cursor = await connection.execute(query, (writing.info.backend_pid,))
                    row = await cursor.fetchone()
                if row and row[0] == "SyncRep" and self._since_s is not None:
                    self.stuck = (
                        "no synchronous standby confirms; nothing is granted until one does"
                    )
                    log.warning("PostgreSQL keeps a commit back", why=self.stuck)
            await asyncio.sleep(_AWAY_S)


def _packed(group: Sequence[Unit]) -> tuple[str, list[bytes]]:
    """The steps as JSON, and the contents that they name by number."""
    bodies: list[bytes] = []

    def number(content: bytes) -> int:
        bodies.append(content)
        return len(bodies)

    steps = []
    for unit in group:
        unit.sent = True
        answers = [(*told[:3], *map(number, told[3:])) for told in unit.answers]
        tokens = [(name, number(sealed), mark) for name, sealed, mark in unit.tokens]
        never = {"never": True} if unit.given_up else {}
        steps.append({**unit.step, "answers": answers, "tokens": tokens, **never})
    return msgspec.json.encode(steps).decode(), bodies
