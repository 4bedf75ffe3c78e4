"""Sessions, requests and surroundings in `telemetry.db`: rows that keep growing, and grow old.

The rest of the telemetry store is in `sqlite.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from coordinator.core.sessions import ChargeSession
from coordinator.core.surroundings import ContextValue
from coordinator.store import context, people, requests, sessions, traces
from coordinator.store.writer import Writer
from coordinator.usecases.person import Person
from coordinator.usecases.requests import StoredRequest

T = TypeVar("T")


class SqliteRecords:
    """The part of `SqliteTelemetry` that keeps records."""

    _writer: Writer

    async def _read(self, query: Callable[[Any], T]) -> T:
        raise NotImplementedError

    async def put_sessions(self, sessions_: Sequence[ChargeSession]) -> None:
        """Adds or replaces sessions."""
        await self._writer.submit(lambda connection: sessions.write(connection, sessions_))

    async def list_sessions(
        self, since_s: float, *, user_id: str = "", vehicle_id: str = ""
    ) -> list[ChargeSession]:
        """Sessions begun since then, oldest first; of this user or car, or of all."""
        return await self._read(lambda db: sessions.read(db, since_s, user_id, vehicle_id))

    async def put_requests(self, requests_: Sequence[StoredRequest]) -> None:
        """Adds or replaces requests."""
        await self._writer.submit(lambda connection: requests.write(connection, requests_))

    async def request_of(self, recommendation_id: str) -> StoredRequest | None:
        """The request that was answered by this recommendation."""
        return await self._read(lambda db: requests.of(db, recommendation_id))

    async def list_requests(self, since_s: float, user_id: str = "") -> list[StoredRequest]:
        """Requests since then, oldest first; of this user, or of all."""
        return await self._read(lambda db: requests.read(db, since_s, user_id))

    async def forget_requests(self, before_s: float) -> int:
        """Removes requests older than that, a few at a time; gives how many."""
        removed = 0
        while count := await self._writer.submit(lambda c: requests.forget(c, before_s)):
            removed += count
        return removed

    async def find_person(self, user_id: str) -> Person:
        """The person behind a driver's name."""
        return await self._read(lambda db: people.find(db, user_id))

    async def requests_of(self, person: Person) -> list[StoredRequest]:
        """Their requests in the archive, oldest first."""
        return await self._read(lambda db: requests.where(db, *people.theirs(person)))

    async def erase(self, person: Person) -> int:
        """Takes a person out of all tables; gives how many rows changed."""
        changed = await self._writer.submit(lambda c: people.take_out(c, person))
        for blank in (people.blank_answers, people.blank_tokens):
            after: int | None = -1 if blank is people.blank_answers or person.token_hashes else None
            while after is not None:
                start = after
                after, count = await self._writer.submit(partial(blank, person=person, after=start))
                changed += count
        return changed

    async def forget_whose(self, before_s: float) -> int:
        """Takes out of sessions older than that whose they were; gives how many."""
        changed = 0
        while count := await self._writer.submit(lambda c: people.forget_whose(c, before_s)):
            changed += count
        return changed

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Removes for good what is deleted; gives the files in which a name is left."""
        return await traces.wiped(self._writer, names)

    async def put_context(self, values: Sequence[ContextValue], now_s: float) -> None:
        """Adds or replaces values of the surroundings; those that stand no more go."""
        await self._writer.submit(lambda connection: context.write(connection, values, now_s))
