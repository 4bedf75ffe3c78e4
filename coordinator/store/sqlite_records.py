"""Sessions, requests and surroundings in `telemetry.db`: rows that keep growing, and grow old.

The rest of the telemetry store is in `sqlite.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from coordinator.core.sessions import ChargeSession
from coordinator.core.surroundings import ContextValue
from coordinator.store import context, requests, sessions
from coordinator.store.writer import Writer
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

    async def put_context(self, values: Sequence[ContextValue], now_s: float) -> None:
        """Adds or replaces values of the surroundings; those that stand no more go."""
        await self._writer.submit(lambda connection: context.write(connection, values, now_s))
