"""What PostgreSQL keeps of a person: found and taken out, a stretch of the table at a time.

The database looks for the names, so what is not theirs stays there; what it finds is read in a
thread. The files' part is in `claims_people.py` and `people.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

from coordinator.core.areas.ledger import Moment
from coordinator.errors import StoreUnavailable
from coordinator.store.claims import MemoryClaims
from coordinator.store.claims_rows import ANSWER_COLUMNS
from coordinator.store.postgres_door import driver
from coordinator.store.postgres_link import Link
from coordinator.store.postgres_schema import STORE
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.person import Person, blanked, is_theirs

STRETCH: Final = 1_000  # numbers of answers that one query goes through
_TABLES_OF_PEOPLE: Final = ("answer", "claim", "outcome", "token")
_PERHAPS_THEIRS: Final = "vehicle_id = ANY (%s) OR position(%s::bytea IN request) > 0"
_NAMES_THEM: Final = (
    "EXISTS (SELECT FROM unnest(%s::bytea[]) AS name WHERE position(name IN answer) > 0)"
)
_REWRITE: Final = (
    "UPDATE answer SET answer = cleaned.answer"
    " FROM unnest(%s::bigint[], %s::bytea[]) AS cleaned (seq, answer)"
    " WHERE answer.seq = cleaned.seq"
)


class PostgresPeople(MemoryClaims):
    """The part of the ledger that knows people."""

    _link: Link
    _district: str

    async def told(self, person: Person) -> list[KeptAnswer]:
        """The answers to this person that the database has, the newest last."""
        user = person.user_id.encode() or None
        kept: list[KeptAnswer] = []
        values = (list(person.vehicle_ids), user)
        async for rows in self._stretches(ANSWER_COLUMNS, _PERHAPS_THEIRS, values):
            kept += await asyncio.to_thread(_theirs, rows, person)
        return kept

    async def erase(self, person: Person, recommendations: Sequence[str], moment: Moment) -> int:
        """Takes a person out of memory and of the database."""
        theirs = await self.told(person)
        gone = {*recommendations, *(answer.recommendation_id for answer in theirs)} - {""}
        await super().erase(person, recommendations, moment)
        changed = len(
            await self._link.ask(
                "DELETE FROM answer WHERE district = %s AND recommendation_id = ANY (%s)"
                " RETURNING 1",
                (self._district, list(gone)),
            )
        )
        names = ([name.encode() for name in person.names if name],)
        async for rows in self._stretches("seq, answer", _NAMES_THEM, names):
            cleaned = await asyncio.to_thread(_cleaned, rows, person)
            if cleaned:
                await self._link.ask(_REWRITE, tuple(map(list, zip(*cleaned, strict=True))))
            changed += len(cleaned)
        for table in ("outcome", "token"):
            query = f"DELETE FROM {table} WHERE recommendation_id = ANY (%s) RETURNING 1"
            changed += len(await self._link.ask(query, (list(gone),)))
        await self._link.ask(
            "DELETE FROM claim WHERE state > 3 AND district = %s AND vehicle_id = ANY (%s)",
            (self._district, list(person.vehicle_ids)),
        )
        self._by_request = {q: r for q, r in self._by_request.items() if r not in gone}
        return changed

    async def _stretches(
        self, columns: str, where: str, values: Sequence[Any]
    ) -> AsyncIterator[list[Any]]:
        """Our answers of which this holds, in order, as they lie in each stretch of numbers."""
        ends = "SELECT coalesce(min(seq), 1) - 1, coalesce(max(seq), 0) FROM answer"
        ((at, last),) = await self._link.ask(ends)
        query = (
            f"SELECT {columns} FROM answer WHERE district = %s AND seq > %s AND seq <= %s"
            f" AND ({where}) ORDER BY seq"
        )
        while at < last:
            stretch = (self._district, at, at + STRETCH)
            if rows := await self._link.ask(query, (*stretch, *values)):
                yield rows
            at += STRETCH

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Writes the tables anew, so that nothing of what was deleted is left in their files.

        The server's journal and its backups are its operator's; docs/postgres.md says how long.
        """
        psycopg = driver()
        try:
            connection = await psycopg.AsyncConnection.connect(self._link.conninfo, autocommit=True)
            async with connection:
                await connection.execute("SET statement_timeout = '60s'")
                for table in _TABLES_OF_PEOPLE:
                    await connection.execute(f"VACUUM (FULL) {table}")
        except psycopg.Error as error:
            raise StoreUnavailable(STORE, str(error).strip()) from error
        return []


def _theirs(rows: Sequence[Any], person: Person) -> list[KeptAnswer]:
    kept = (KeptAnswer(*row) for row in rows)
    return [answer for answer in kept if is_theirs(person, answer.vehicle_id, answer.request)]


def _cleaned(rows: Sequence[Any], person: Person) -> list[tuple[int, bytes]]:
    """Numbers and new contents of the answers in which the person was named."""
    every = ((seq, answer, blanked(answer, person.names)) for seq, answer in rows)
    return [(seq, cleaned) for seq, answer, cleaned in every if cleaned != answer]
