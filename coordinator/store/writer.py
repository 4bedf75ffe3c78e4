"""One thread that owns one SQLite file and commits the work of many callers in groups.

What is written belongs to the stores; here is only how: one fsync for everything that waits, and
an answer only after it.

A caller on the event loop submits a unit of work and awaits it. The thread takes all units that
wait, runs them in one transaction, commits (WAL, synchronous=FULL) and settles all their futures by
one call into the loop. While a commit waits for the disk the next group gathers, so groups grow
with load by themselves and a lone unit is never delayed.

Units are rows for a `RowStatement` (cheapest: rows of one statement in one group travel in one
multi-row INSERT, because every SQLite step hands the interpreter lock to the busy event loop) or
functions of the connection. If a unit fails, the group is rolled back and run again with a
savepoint around each, so that only the faulty unit fails; functions may therefore run twice and
must have no effect outside the database.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, cast

from coordinator.errors import Overloaded, StoreClosed
from coordinator.store.database import MigrationSet
from coordinator.store.journal_end import JournalEnd
from coordinator.store.own_connection import MakeRoom, OwnConnection, is_of_the_disk, named
from coordinator.store.rows import Row, RowStatement

T = TypeVar("T")
Connection = sqlite3.Connection


class _Unit:
    """Work that waits: a function, or a row of a statement; and who waits for it."""

    __slots__ = ("function", "future", "row", "statement")

    def __init__(
        self,
        future: asyncio.Future[Any],
        function: Callable[[Connection], Any] | None,
        statement: RowStatement | None,
        row: Row,
    ) -> None:
        self.future = future
        self.function = function
        self.statement = statement
        self.row = row


Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]
_ALONE = RowStatement("", 0)  # marks a function that runs outside of any transaction


class Writer:
    """The only writing connection to one SQLite file; use it from one event loop."""

    def __init__(
        self,
        path: Path,
        migrations: MigrationSet,
        *,
        guarded: Sequence[str] = (),
        make_room: MakeRoom | None = None,
        end: JournalEnd | None = None,
        limit: int = 20_000,
    ) -> None:
        """Opens the file; nobody who had it open before inserts into the guarded tables again.

        `end` is of the journal in it from which rows of failed commits are taken out.
        """
        self.path = path
        self._limit = limit
        self._own = OwnConnection(path, migrations, guarded, make_room)
        self._end = end or JournalEnd()
        self._queue: SimpleQueue[_Unit | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Units submitted and not yet settled."""
        return self._waiting

    @property
    def database(self) -> Any:
        """The `sqlite_utils.Database`, for use before the first submission only."""
        return self._own.database

    async def submit(self, function: Callable[[Connection], T]) -> T:
        """What the function returns, once its writes are durable; it runs on the thread.

        Raises what the function raises; `StoreUnavailable` if the disk refuses (nothing stored);
        `Overloaded` beyond the limit; `StoreClosed` after `close`.
        """
        return cast("T", await self._enqueue(function, None, ()))

    async def alone(self, function: Callable[[Connection], T]) -> T:
        """What the function returns; it runs by itself, outside of any transaction."""
        return cast("T", await self._enqueue(function, _ALONE, ()))

    async def put(self, statement: RowStatement, row: Row) -> None:
        """Returns once the row is durable; raises as `submit` does."""
        await self._enqueue(None, statement, row)

    def post(self, statement: RowStatement, row: Row) -> asyncio.Future[None]:
        """A future that is done once the row is durable, for callers that go on meanwhile."""
        return self._enqueue(None, statement, row)

    def _enqueue(
        self,
        function: Callable[[Connection], Any] | None,
        statement: RowStatement | None,
        row: Row,
    ) -> asyncio.Future[Any]:
        if self._closed:
            raise StoreClosed(self.path.name)
        if self._waiting >= self._limit:
            raise Overloaded(f"store {self.path.name}", self._waiting, self._limit)
        if self._loop is None:
            self._start()
        assert self._loop is not None
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting += 1
        self._queue.put(_Unit(future, function, statement, row))
        return future

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, name=f"writer:{self.path.stem}", daemon=True
        )
        self._thread.start()

    async def close(self) -> None:
        """Returns when everything submitted is durable and the file is closed."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
        self._own.close()

    # From here on: the thread.

    def _run(self) -> None:
        going = True
        while going:
            units = [self._queue.get()]
            # Only this thread takes, so what qsize() saw can be had without waiting.
            units += [self._queue.get() for _ in range(self._queue.qsize())]
            going = None not in units
            group = [unit for unit in units if unit is not None]
            if group:
                outcomes = [one for part in _parts(group) for one in self._commit(part)]
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(self._settle, outcomes)
                except RuntimeError:  # the loop is gone: the work is durable, nobody waits
                    return

    def _commit(self, group: list[_Unit]) -> list[Outcome]:
        try:
            connection, end = self._own.ready(), self._end
            end.ready(connection)
            first, results = group[0], [None] * len(group)
            if first.statement is _ALONE and first.function is not None:
                return [(first.future, first.function(connection), None)]
            statement = _only_statement(group)
            if statement is not None and not end.unsure:
                # One statement is a transaction of its own: one wait for the lock instead of three.
                end.wrote(statement, statement.run(connection, [unit.row for unit in group]))
            else:
                connection.execute("BEGIN IMMEDIATE")
                end.cut(connection, self._own.epoch)
                results = _run_together(connection, group, end)
                connection.execute("COMMIT")
            end.committed()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must hear it
            self._end.failed()
            if self._own.roll_back(error):
                return self._commit(group)
            if len(group) == 1 or is_of_the_disk(error):
                told = named(self.path.name, error)
                return [(unit.future, None, told) for unit in group]
            return self._commit_apart(group)
        return [(unit.future, result, None) for unit, result in zip(group, results, strict=True)]

    def _commit_apart(self, group: list[_Unit]) -> list[Outcome]:
        """The group again, a savepoint around each unit, so that one failure stays alone."""
        outcomes: list[Outcome] = []
        try:
            connection, end = self._own.ready(), self._end
            end.ready(connection)
            connection.execute("BEGIN IMMEDIATE")
            end.cut(connection, self._own.epoch)
            for unit in group:
                connection.execute("SAVEPOINT unit")
                try:
                    result = _run_together(connection, [unit], end)[0]
                except Exception as error:  # noqa: BLE001 - handed to the caller of this unit
                    connection.execute("ROLLBACK TO unit")
                    outcomes.append((unit.future, None, named(self.path.name, error)))
                else:
                    outcomes.append((unit.future, result, None))
                connection.execute("RELEASE unit")
            end.changed()  # some of it was taken back
            connection.execute("COMMIT")
            end.committed()
        except BaseException as error:  # noqa: BLE001 - nothing of the group is durable
            self._end.failed()
            self._own.roll_back(error)
            told = named(self.path.name, error)
            return [(unit.future, None, told) for unit in group]
        return outcomes

    # Back on the event loop.

    def _settle(self, outcomes: list[Outcome]) -> None:
        self._waiting -= len(outcomes)
        for future, result, error in outcomes:
            if future.done():  # the caller was cancelled; the work is durable all the same
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _parts(group: list[_Unit]) -> list[list[_Unit]]:
    """The group, cut where a unit runs by itself."""
    parts: list[list[_Unit]] = []
    for unit in group:
        if unit.statement is _ALONE or not parts or parts[-1][0].statement is _ALONE:
            parts.append([])
        parts[-1].append(unit)
    return parts


def _only_statement(group: list[_Unit]) -> RowStatement | None:
    """The statement that takes the whole group at once; None if there is none."""
    statement = group[0].statement
    if statement is None or not statement.at_once(len(group)):
        return None
    return statement if all(unit.statement is statement for unit in group) else None


def _run_together(connection: Connection, group: list[_Unit], end: JournalEnd) -> list[Any]:
    """Results of the units in order; neighbouring rows of one statement go together."""
    results: list[Any] = []
    rows: list[Row] = []
    statement: RowStatement | None = None
    functions = False
    for unit in group:
        if statement is not None and unit.statement is not statement:
            end.wrote(statement, statement.run(connection, rows))
            rows = []
        statement = unit.statement
        if statement is None:
            assert unit.function is not None
            functions = True
            results.append(unit.function(connection))
        else:
            rows.append(unit.row)
            results.append(None)
    if statement is not None:
        end.wrote(statement, statement.run(connection, rows))
    if functions:
        end.changed()
    return results
