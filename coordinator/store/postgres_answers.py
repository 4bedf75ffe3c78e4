"""What is kept in PostgreSQL beside the claims: answers, outcomes, fences, tokens.

The claims themselves are in `postgres.py`, people in `postgres_people.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Final

from coordinator.core.areas.ledger import Moment
from coordinator.errors import StoreUnavailable
from coordinator.store.claims_rows import ANSWER_COLUMNS, OUTCOME_COLUMNS
from coordinator.store.claims_tokens import Tokens
from coordinator.store.postgres_door import conninfo_of, opened
from coordinator.store.postgres_link import Link
from coordinator.store.postgres_people import PostgresPeople
from coordinator.store.token_seal import TokenSeal
from coordinator.usecases.ledger import KeptAnswer, Outcome
from coordinator.usecases.requests import RequestArchive, unpacked

RECENT_REQUESTS: Final = 20_000  # answers whose request ids are known again after a restart
REMOVED_AT_ONCE: Final = 500
ENDED_KEPT: Final = "1 hour"  # ended claims and done steps, for who asks again

_NAMES: Final = ("old", "new", "queued", "evses", "cars", "ids", "locks")

_REMOVE: Final = "DELETE FROM {0} WHERE ctid IN (SELECT ctid FROM {0} WHERE {1} LIMIT %s)"
# Its promise has ended, here or by another coordinator.
_OVER: Final = (
    "NOT EXISTS (SELECT FROM claim WHERE claim.recommendation_id = token.recommendation_id"
    " AND claim.state <= 3)"
)
_KEEP_FENCE: Final = (
    "INSERT INTO fence (evse_id, district, fence) VALUES (%s, %s, %s) ON CONFLICT (evse_id)"
    " DO UPDATE SET fence = greatest(fence.fence + 1, excluded.fence) RETURNING fence"
)


class PostgresAnswers(PostgresPeople):
    """The part of the ledger that no claim depends on."""

    def __init__(
        self,
        dsn: str,
        district: str,
        folder: Path,
        queue_places: int,
        archive: RequestArchive | None,
        schema: str,
        patience_s: float,
    ) -> None:
        super().__init__(queue_places)
        self._district = district
        self._archive = archive
        self._schema = schema
        self._link = Link(conninfo_of(dsn, schema), patience_s)
        self._seal = TokenSeal(folder)
        self._tokens = Tokens(self._seal, (), self.table)

    def _first(self) -> Any:
        """The connection on which all is read at start; blocks."""
        return opened(self._link.conninfo, self._schema)

    def _begin(self, connection: Any) -> None:
        """Reads what there is beside the claims, which are known by now."""
        ours = (self._district,)
        rows = connection.execute(
            "SELECT request_id, recommendation_id FROM answer WHERE district = %s"
            " AND seq > (SELECT coalesce(max(seq), 0) FROM answer) - %s ORDER BY seq",
            (self._district, RECENT_REQUESTS),
        )
        self._by_request.update(rows.fetchall())
        rows = connection.execute("SELECT evse_id, fence FROM fence WHERE district = %s", ours)
        self._fences.update(rows.fetchall())
        live = {claim.recommendation_id for claim in self.table.live()}
        rows = connection.execute(
            "SELECT recommendation_id, sealed, mark FROM token WHERE district = %s", ours
        )
        kept = [(name, bytes(sealed), mark) for name, sealed, mark in rows if name in live]
        self._tokens = Tokens(self._seal, kept, self.table)

    async def answer(self, recommendation_id: str) -> KeptAnswer | None:
        """The newest stored answer of a recommendation, from memory or the database."""
        known = await super().answer(recommendation_id)
        if known is not None:
            return known if known.inputs else await self._ranked(known)
        rows = await self._link.ask(
            f"SELECT {ANSWER_COLUMNS} FROM answer WHERE recommendation_id = %s"
            " ORDER BY seq DESC LIMIT 1",
            (recommendation_id,),
        )
        if rows:
            return self._tokens.with_token(await self._ranked(KeptAnswer(*rows[0])))
        if self._archive is not None:
            row = await self._archive.request_of(recommendation_id)
            return unpacked(row) if row is not None and row.body else None
        return None

    async def _ranked(self, answer: KeptAnswer) -> KeptAnswer:
        """The answer with what it was ranked by, which may stand with an earlier one."""
        if answer.inputs:
            return answer
        rows = await self._link.ask(
            "SELECT inputs FROM answer WHERE recommendation_id = %s AND inputs <> ''"
            " ORDER BY seq DESC LIMIT 1",
            (answer.recommendation_id,),
        )
        return replace(answer, inputs=rows[0][0]) if rows else answer

    async def answer_to(self, request_id: str) -> KeptAnswer | None:
        """The newest stored answer to a request, also one that another coordinator gave.

        None while the database is away: then a car is answered anew, and nothing is held.
        """
        known = await super().answer_to(request_id)
        if known is not None:
            return known
        query = "SELECT recommendation_id FROM answer WHERE request_id = %s"
        try:
            rows = await self._link.ask(f"{query} ORDER BY seq DESC LIMIT 1", (request_id,))
        except StoreUnavailable:
            return None
        return await self.answer(rows[0][0]) if rows else None

    def mark(self, id_token_hash: str) -> str:
        """What is kept in place of a token whose hash an agent tells."""
        return self._tokens.mark(id_token_hash)

    def know(self, recommendations: Mapping[str, str]) -> None:
        """Says which recommendations answered these requests; the database knows better."""
        self._by_request = {**recommendations, **self._by_request}

    async def keep_request(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores a request that nothing was promised for; returns before it is durable."""
        told = (
            answer.recommendation_id, answer.request_id, answer.vehicle_id, answer.answer,
            answer.request, answer.inputs,
        )  # fmt: skip
        self._link.post(self._aside(moment), [told], ())

    def _aside(self, moment: Moment) -> dict[str, Any]:
        """A step that changes no claim."""
        nobody: dict[str, Any] = dict.fromkeys(_NAMES, ())
        names = {"id": str(uuid.uuid4()), "district": self._district}
        return {**nobody, **names, "places": 0, "at_s": moment.now_s}

    async def old_answers(self, before_s: float, limit: int) -> list[tuple[int, float, KeptAnswer]]:
        """Answers stored before then, oldest first."""
        rows = await self._link.ask(
            f"SELECT seq, at_s, {ANSWER_COLUMNS} FROM answer WHERE district = %s AND at_s < %s"
            " ORDER BY seq LIMIT %s",
            (self._district, before_s, limit),
        )
        return [(seq, at_s, KeptAnswer(*answer)) for seq, at_s, *answer in rows]

    async def drop_answers(self, numbers: Sequence[int]) -> None:
        """Removes answers that are kept elsewhere now."""
        await self._link.ask("DELETE FROM answer WHERE seq = ANY (%s)", (list(numbers),))

    async def keep_outcome(self, recommendation_id: str, outcome: Outcome, moment: Moment) -> None:
        """Stores what a driver told of a recommendation; it outlives the process."""
        await self._link.ask(
            f"INSERT INTO outcome (district, recommendation_id, at_s, {OUTCOME_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (self._district, recommendation_id, moment.now_s, *astuple(outcome)),
            again=False,
        )

    async def outcomes(self, recommendation_id: str) -> Sequence[Outcome]:
        """What was told of a recommendation, in order."""
        rows = await self._link.ask(
            f"SELECT {OUTCOME_COLUMNS} FROM outcome WHERE recommendation_id = %s ORDER BY seq",
            (recommendation_id,),
        )
        return tuple(Outcome(*row) for row in rows)

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        """Draws the fence in the database: above all that any coordinator has drawn."""
        rows = await self._link.ask(_KEEP_FENCE, (evse_id, self._district, fence))
        drawn = int(rows[0][0])
        await super().keep_fence(evse_id, drawn)
        return drawn

    async def compact(self, moment: Moment, keep_s: float) -> int:
        """Removes what nobody asks for any more, a few rows at a time."""
        ours, ended = (
            ("district = %s", self._district),
            f"clock_timestamp() - interval '{ENDED_KEPT}'",
        )
        old = moment.now_s - keep_s
        removed = 0
        for table, where, values in (
            ("answer", f"{ours[0]} AND at_s < %s", (ours[1], old)),
            ("outcome", f"{ours[0]} AND at_s < %s", (ours[1], old)),
            ("token", f"{ours[0]} AND (mark = '' OR {_OVER})", (ours[1],)),
            ("claim", f"state > 3 AND {ours[0]} AND written_at < {ended}", (ours[1],)),
            ("done_step", f"done_at < {ended}", ()),
        ):
            query = f"WITH gone AS ({_REMOVE.format(table, where)} RETURNING 1)"
            query += " SELECT count(*) FROM gone"
            while True:
                rows = await self._link.ask(query, (*values, REMOVED_AT_ONCE))
                removed += rows[0][0]
                if rows[0][0] < REMOVED_AT_ONCE:
                    break
        return removed

    async def close(self) -> None:
        """Returns when everything told is durable and the database is left."""
        await self._link.close()
