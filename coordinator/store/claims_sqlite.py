"""The ledger on disk: a journal of steps in claims.db, replayed into the index at start.

A step and the answer that tells of it are one row, so a grant costs one INSERT and is told after
its group's fsync. Replaying in order gives the same live claims; a later grant ends what it
excludes, because its decision already counted the earlier claim as ended.

    step   seq, kind (0 step, 1 all live claims then), instant, claims as JSON arrays in the order
           of `CLAIM_FIELDS`, and for answers: recommendation_id, request_id, vehicle_id, answer,
           request, inputs
    outcome  what drivers told of a recommendation, when, in the order of `Outcome`
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlite_utils import Migrations

from coordinator.core.areas.claim_index import QUEUE_PLACES
from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.store.claims import MemoryClaims
from coordinator.store.writer import RowStatement, Writer
from coordinator.usecases.ledger import KeptAnswer, Outcome
from coordinator.usecases.requests import RequestArchive, unpacked

CLAIM_FIELDS = tuple(field.name for field in fields(Claim))
REMOVED_AT_ONCE = 500
RECENT_REQUESTS = 20_000  # steps whose request ids are known again after a restart

migrations = Migrations("claims")


def _steps(db: Any) -> None:
    """The journal."""
    db["step"].create(
        {
            "seq": int,
            "kind": int,
            "at_s": float,
            "claims": bytes,
            "recommendation_id": str,
            "request_id": str,
            "vehicle_id": str,
            "answer": bytes,
            "request": bytes,
            "inputs": bytes,
        },
        pk="seq",
    )
    db.execute(
        "CREATE INDEX step_recommendation ON step (recommendation_id)"
        " WHERE recommendation_id IS NOT NULL"
    )
    db.execute("CREATE INDEX step_snapshot ON step (seq) WHERE kind = 1")


def _outcomes(db: Any) -> None:
    """What drivers told of how it ended."""
    db["outcome"].create(
        {
            "outcome": int,
            "recommendation_id": str,
            "at_s": float,
            "kind": int,
            "evse_id": str,
            "wait_s": float,
            "price": float,
            "currency": str,
            "comment": str,
        },
        pk="outcome",
    )
    db["outcome"].create_index(["recommendation_id"])


migrations(name="0001_steps")(_steps)
migrations(name="0002_outcomes")(_outcomes)

_APPEND = RowStatement(
    "INSERT INTO step (kind, at_s, claims, recommendation_id, request_id, vehicle_id,"
    " answer, request, inputs)",
    9,
)
_OUTCOME_COLUMNS = "kind, evse_id, wait_s, price, currency, comment"
_APPEND_OUTCOME = RowStatement(
    f"INSERT INTO outcome (recommendation_id, at_s, {_OUTCOME_COLUMNS})", 8
)
_ANSWER_COLUMNS = "recommendation_id, request_id, vehicle_id, answer, request, inputs"


class SqliteClaims(MemoryClaims):
    """`ledger.ClaimStore` whose grants survive the process; one process owns the directory."""

    def __init__(
        self,
        path: Path,
        moment: Moment,
        queue_places: int = QUEUE_PLACES,
        archive: RequestArchive | None = None,
    ) -> None:
        """Opens or makes the file and restores live claims.

        What is no longer in the journal is looked up in the archive.
        Offers get a whole new lease, since link time does not outlive a machine. Raises
        `StoreUnavailable` and `StoreTooNew`.
        """
        super().__init__(queue_places)
        self._archive = archive
        self._writer = Writer(path, migrations)
        connection: sqlite3.Connection = self._writer.database.conn
        self.index.restore(_stored_claims(connection, moment))
        newest = connection.execute("SELECT ifnull(max(seq), 0) FROM step").fetchone()[0]
        rows = connection.execute(
            "SELECT request_id, recommendation_id FROM step"
            " WHERE seq > ? AND recommendation_id <> ''",
            (newest - RECENT_REQUESTS,),
        )
        self._by_request.update(rows.fetchall())

    async def answer(self, recommendation_id: str) -> KeptAnswer | None:
        """The newest stored answer of a recommendation, from memory or the file."""
        known = await super().answer(recommendation_id)
        if known is not None:
            return known
        kept = await self._writer.submit(lambda connection: _stored(connection, recommendation_id))
        if kept is None and self._archive is not None:
            row = await self._archive.request_of(recommendation_id)
            return unpacked(row) if row is not None and row.body else None
        return kept

    def know(self, recommendations: Mapping[str, str]) -> None:
        """Says which recommendations answered these requests; the journal knows better."""
        self._by_request = {**recommendations, **self._by_request}

    async def keep_request(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores a request that nothing was promised for; returns before it is durable."""
        names = answer.recommendation_id, answer.request_id, answer.vehicle_id
        row = (0, moment.now_s, b"[]", *names)
        waiting = self._writer.post(_APPEND, (*row, answer.answer, answer.request, answer.inputs))
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def old_answers(self, before_s: float, limit: int) -> list[tuple[int, float, KeptAnswer]]:
        """Answers stored before then whose claims a snapshot has taken over, oldest first."""

        def run(connection: sqlite3.Connection) -> list[tuple[int, float, KeptAnswer]]:
            rows = connection.execute(
                f"SELECT seq, at_s, {_ANSWER_COLUMNS} FROM step WHERE at_s < ? AND"
                " recommendation_id IS NOT NULL AND"
                " seq < (SELECT max(seq) FROM step WHERE kind = 1) ORDER BY seq LIMIT ?",
                (before_s, limit),
            )
            return [(seq, at_s, KeptAnswer(*answer)) for seq, at_s, *answer in rows]

        return await self._writer.submit(run)

    async def drop_answers(self, numbers: Sequence[int]) -> None:
        """Removes answers that are kept elsewhere now."""
        rows = [(number,) for number in numbers]
        await self._writer.submit(lambda c: c.executemany("DELETE FROM step WHERE seq = ?", rows))

    async def keep_outcome(self, recommendation_id: str, outcome: Outcome, moment: Moment) -> None:
        """Stores what a driver told of a recommendation; it outlives the process."""
        row = (recommendation_id, moment.now_s, *astuple(outcome))
        await self._writer.put(_APPEND_OUTCOME, row)

    async def outcomes(self, recommendation_id: str) -> Sequence[Outcome]:
        """What was told of a recommendation, in order."""

        def run(connection: sqlite3.Connection) -> Sequence[Outcome]:
            rows = connection.execute(
                f"SELECT {_OUTCOME_COLUMNS} FROM outcome WHERE recommendation_id = ?"
                " ORDER BY outcome",
                (recommendation_id,),
            )
            return tuple(Outcome(*row) for row in rows)

        return await self._writer.submit(run)

    async def compact(self, moment: Moment, keep_s: float) -> int:
        """Removes steps that a snapshot of the live claims replaces; gives how many.

        Steps with answers stay for `keep_s` of domain time, for Explain.
        """
        live = _claims_json(self.table.live())

        def snapshot(connection: sqlite3.Connection) -> int:
            row = (moment.now_s, live)
            cursor = connection.execute(
                "INSERT INTO step (kind, at_s, claims) VALUES (1, ?, ?)", row
            )
            return int(cursor.lastrowid or 0)

        def remove(connection: sqlite3.Connection) -> int:
            # A few at a time, so that an answer never waits long behind them.
            return connection.execute(
                "DELETE FROM step WHERE seq IN (SELECT seq FROM step WHERE seq < ?"
                " AND (recommendation_id IS NULL OR at_s < ?) LIMIT ?)",
                (seq, moment.now_s - keep_s, REMOVED_AT_ONCE),
            ).rowcount

        seq = await self._writer.submit(snapshot)
        removed = 0
        while count := await self._writer.submit(remove):
            removed += count
        return removed

    async def close(self) -> None:
        """Returns when everything told is durable and the file is closed."""
        await self._writer.close()

    async def _keep(self, step: Step, moment: Moment, answers: Sequence[KeptAnswer]) -> None:
        claims = _claims_json(step.after)
        # One pass of the loop, so that steps decided in this one are committed together; passes
        # are first in, first out, so the journal keeps the order of the decisions.
        await asyncio.sleep(0)
        if not answers:
            row = (0, moment.now_s, claims, None, None, None, None, None, None)
            await self._writer.put(_APPEND, row)
            return
        waits = []
        for answer in answers:
            row_of_answer = (
                0,
                moment.now_s,
                claims,
                answer.recommendation_id,
                answer.request_id,
                answer.vehicle_id,
                answer.answer,
                answer.request,
                answer.inputs,
            )
            waits.append(self._writer.post(_APPEND, row_of_answer))
            claims = b"[]"  # the first row carries the step
        for wait in waits:
            await wait


def _claims_json(claims: Iterable[Claim]) -> bytes:
    return msgspec.json.encode(
        [
            (
                claim.claim_id,
                claim.evse_id,
                claim.vehicle_id,
                claim.from_s,
                claim.to_s,
                claim.level,
                claim.state,
                claim.lease_until_s,
                claim.revision,
                claim.recommendation_id,
                claim.moving,
            )
            for claim in claims
        ]
    )


_Stored = tuple[str, str, str, float, float, int, int, float, int, str, bool]
_decoder = msgspec.json.Decoder(list[_Stored])


def _stored_claims(connection: sqlite3.Connection, moment: Moment) -> Iterable[Claim]:
    """Claims of all steps since the last snapshot, in order."""
    rows = connection.execute(
        "SELECT claims FROM step WHERE seq >="
        " (SELECT coalesce(max(seq), 0) FROM step WHERE kind = 1) ORDER BY seq"
    )
    for (claims,) in rows:
        for stored in _decoder.decode(claims):
            state = ClaimState(stored[6])
            lease_s = moment.link_s + OFFER_S if state is ClaimState.OFFERED else stored[7]
            yield Claim(*stored[:5], WarningLevel(stored[5]), state, lease_s, *stored[8:])


def _stored(connection: sqlite3.Connection, recommendation_id: str) -> KeptAnswer | None:
    row = connection.execute(
        f"SELECT {_ANSWER_COLUMNS} FROM step WHERE recommendation_id = ? ORDER BY seq DESC LIMIT 1",
        (recommendation_id,),
    ).fetchone()
    if row is None:
        return None
    answer = KeptAnswer(*row)
    if answer.inputs:
        return answer
    # A new stage or lease was not ranked anew: what led to the answer is with an earlier step.
    ranked = connection.execute(
        "SELECT inputs FROM step WHERE recommendation_id = ? AND inputs <> x''"
        " ORDER BY seq DESC LIMIT 1",
        (recommendation_id,),
    ).fetchone()
    return answer if ranked is None else replace(answer, inputs=ranked[0])
