"""The ledger on disk: a journal of steps in claims.db, replayed into the index at start.

A step and the answer that tells of it are one row, so a grant costs one INSERT and is told after
its group's fsync. Replaying in order gives the same live claims; a later grant ends what it
excludes, because its decision already counted the earlier claim as ended.

    step     seq, kind (0 step, 1 all live claims then), instant, claims as JSON arrays in the
             order of `CLAIM_FIELDS`, and for answers: recommendation_id, request_id, vehicle_id,
             answer, request, inputs
    outcome  what drivers told of a recommendation, when, in the order of `Outcome`
    fence    the newest fence of each EVSE
    token    what is kept of drivers' tokens: see `claims_tokens.py`
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from coordinator.core.areas.claim_index import QUEUE_PLACES
from coordinator.core.areas.ledger import Moment, Step
from coordinator.errors import CoordinatorError
from coordinator.store import claims_people, traces
from coordinator.store.claims import MemoryClaims
from coordinator.store.claims_rows import (
    ANSWER_COLUMNS,
    APPEND,
    APPEND_FENCE,
    APPEND_OUTCOME,
    OUTCOME_COLUMNS,
    claims_json,
    migrations,
    stored_answer,
    stored_steps,
)
from coordinator.store.claims_tokens import PUT, Row, Tokens, clean, stored
from coordinator.store.claims_tokens import forget as forget_tokens
from coordinator.store.journal_end import JournalEnd
from coordinator.store.own_connection import MakeRoom
from coordinator.store.token_seal import TokenSeal
from coordinator.store.writer import Writer
from coordinator.usecases.ledger import KeptAnswer, Outcome
from coordinator.usecases.person import Person
from coordinator.usecases.requests import RequestArchive, unpacked

GUARDED = ("step", "fence")
REMOVED_AT_ONCE = 500
RECENT_REQUESTS = 20_000  # steps whose request ids are known again after a restart


REMEMBERED = 1_000  # answers kept in memory beside the file


class SqliteClaims(MemoryClaims):
    """`ledger.ClaimStore` whose grants survive the process; one process owns the directory."""

    remembered = REMEMBERED

    def __init__(
        self,
        path: Path,
        moment: Moment,
        queue_places: int = QUEUE_PLACES,
        archive: RequestArchive | None = None,
        make_room: MakeRoom | None = None,
    ) -> None:
        """Opens or makes the file and restores live claims.

        What is no longer in the journal is looked up in the archive.
        Offers get a whole new lease, since link time does not outlive a machine. Raises
        `StoreUnavailable` and `StoreTooNew`.
        """
        super().__init__(queue_places)
        self._late_tasks: set[asyncio.Task[None]] = set()
        self._archive = archive
        end = JournalEnd("step", APPEND)
        self._writer = Writer(path, migrations, guarded=GUARDED, make_room=make_room, end=end)
        connection: sqlite3.Connection = self._writer.database.conn
        clean(connection)
        self.index.restore(stored_steps(connection, moment))
        newest = connection.execute("SELECT ifnull(max(seq), 0) FROM step").fetchone()[0]
        rows = connection.execute(
            "SELECT request_id, recommendation_id FROM step"
            " WHERE seq > ? AND recommendation_id <> ''",
            (newest - RECENT_REQUESTS,),
        )
        self._by_request.update(rows.fetchall())
        self._fences.update(connection.execute("SELECT evse_id, fence FROM fence").fetchall())
        self._tokens = Tokens(TokenSeal(path.parent), stored(connection, self.table), self.table)

    async def answer(self, recommendation_id: str) -> KeptAnswer | None:
        """The newest stored answer of a recommendation, from memory or the file."""
        known = await super().answer(recommendation_id)
        if known is not None and known.inputs:
            return known
        kept = await self._writer.submit(
            lambda connection: stored_answer(connection, recommendation_id)
        )
        kept = None if kept is None else self._tokens.with_token(kept)
        if kept is None and self._archive is not None:
            row = await self._archive.request_of(recommendation_id)
            kept = unpacked(row) if row is not None and row.body else None
        if known is None or kept is None:
            return kept or known
        # Memory has the newest answer, the file what led to it.
        return replace(known, inputs=kept.inputs)

    def mark(self, id_token_hash: str) -> str:
        """What is kept in place of a token whose hash an agent tells."""
        return self._tokens.mark(id_token_hash)

    def know(self, recommendations: Mapping[str, str]) -> None:
        """Says which recommendations answered these requests; the journal knows better."""
        self._by_request = {**recommendations, **self._by_request}

    async def keep_request(self, answer: KeptAnswer, moment: Moment) -> None:
        """Stores a request that nothing was promised for; returns before it is durable."""
        names = answer.recommendation_id, answer.request_id, answer.vehicle_id
        row = (0, moment.now_s, b"[]", *names)
        waiting = self._writer.post(APPEND, (*row, answer.answer, answer.request, answer.inputs))
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def old_answers(self, before_s: float, limit: int) -> list[tuple[int, float, KeptAnswer]]:
        """Answers stored before then whose claims a snapshot has taken over, oldest first."""

        def run(connection: sqlite3.Connection) -> list[tuple[int, float, KeptAnswer]]:
            rows = connection.execute(
                f"SELECT seq, at_s, {ANSWER_COLUMNS} FROM step WHERE at_s < ? AND"
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
        await self._writer.put(APPEND_OUTCOME, row)

    async def outcomes(self, recommendation_id: str) -> Sequence[Outcome]:
        """What was told of a recommendation, in order."""

        def run(connection: sqlite3.Connection) -> Sequence[Outcome]:
            rows = connection.execute(
                f"SELECT {OUTCOME_COLUMNS} FROM outcome WHERE recommendation_id = ?"
                " ORDER BY outcome",
                (recommendation_id,),
            )
            return tuple(Outcome(*row) for row in rows)

        return await self._writer.submit(run)

    async def compact(self, moment: Moment, keep_s: float) -> int:
        """Removes steps that a snapshot of the live claims replaces; gives how many.

        Steps with answers stay for `keep_s` of domain time, for Explain, and so do outcomes, which
        mean nothing without their requests.
        """
        live = claims_json(self.table.live())

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

        def forget(connection: sqlite3.Connection) -> int:
            # The oldest come first by their numbers; the rest of the table is not looked at.
            return connection.execute(
                "DELETE FROM outcome WHERE at_s < ? AND outcome IN"
                " (SELECT outcome FROM outcome ORDER BY outcome LIMIT ?)",
                (moment.now_s - keep_s, REMOVED_AT_ONCE),
            ).rowcount

        seq = await self._writer.submit(snapshot)
        removed = 0
        for old in (remove, forget, forget_tokens):
            while count := await self._writer.submit(old):
                removed += count
        return removed

    async def told(self, person: Person) -> list[KeptAnswer]:
        """The answers to this person that the journal has."""
        return await self._writer.submit(lambda c: claims_people.told(c, person))

    async def erase(self, person: Person, recommendations: Sequence[str], moment: Moment) -> int:
        """Takes a person out of memory and of the journal."""
        await super().erase(person, recommendations, moment)
        live = claims_json(self.table.live())
        changed = await self._writer.submit(
            lambda c: claims_people.take_out(c, person, recommendations, moment.now_s, live)
        )
        gone = set(recommendations)
        self._by_request = {q: r for q, r in self._by_request.items() if r not in gone}
        return changed

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Removes for good what is deleted; gives the files in which a name is left."""
        return await traces.wiped(self._writer, names)

    async def keep_fence(self, evse_id: str, fence: int) -> int:
        """Keeps a fence on disk, so that no process after this one draws a lower one."""
        await super().keep_fence(evse_id, fence)
        await self._writer.put(APPEND_FENCE, (evse_id, fence))
        return fence

    async def close(self) -> None:
        """Returns when everything told is durable and the file is closed."""
        await self._writer.close()

    async def _keep(self, step: Step, moment: Moment, answers: Sequence[KeptAnswer]) -> None:
        rows, tokens = _rows(step, moment, answers), self._tokens.beside(step, answers)
        kept: asyncio.Future[Any] | None = None
        try:
            try:
                # One pass of the loop, so that steps decided in this one are committed together;
                # passes are first in, first out, so the journal keeps the order of the decisions.
                await asyncio.sleep(0)
            finally:
                # Decided is written, also where the caller has given up: others may build on it.
                waits = [self._writer.post(APPEND, row) for row in rows]
                waits += [self._writer.post(PUT, row) for row in tokens]
                # All are waited for, so that no failure is left that nobody has heard of.
                kept = waits[0] if len(waits) == 1 else asyncio.gather(*waits)
            await asyncio.shield(kept)
        except asyncio.CancelledError:
            if kept is not None:
                kept.add_done_callback(lambda done: self._unheard(step, answers, tokens, done))
            raise
        self._tokens.written(tokens)

    def _unheard(
        self,
        step: Step,
        answers: Sequence[KeptAnswer],
        tokens: Sequence[Row],
        done: asyncio.Future[Any],
    ) -> None:
        """The outcome of a step whose caller has gone: memory stays what the file says."""
        if done.cancelled() or done.exception() is not None:
            self.index.undo(step)
            self._tell(step)
            return
        self._tokens.written(tokens)
        for answer in answers:
            self._remember(answer)
        for heard in self.late:
            self._follow_up(heard(step, answers))

    def _follow_up(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_quietly(work), name="store:late")
        self._late_tasks.add(task)
        task.add_done_callback(self._late_tasks.discard)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(CoordinatorError):  # what cannot be stored now lapses by itself
        await work


def _rows(step: Step, moment: Moment, answers: Sequence[KeptAnswer]) -> list[tuple[Any, ...]]:
    """The rows of a step; the first one carries its claims."""
    claims = claims_json(step.after)
    if not answers:
        return [(0, moment.now_s, claims, None, None, None, None, None, None)]
    rows = []
    for answer in answers:
        names = answer.recommendation_id, answer.request_id, answer.vehicle_id
        told = answer.answer, answer.request, answer.inputs
        rows.append((0, moment.now_s, claims, *names, *told))
        claims = b"[]"
    return rows
