"""The ledger in PostgreSQL: several coordinators share it, and the database decides.

A step is decided here first, on what this process knows, and sent with the steps that wrote the
claims it builds on. The database takes it whole, or answers with the claims as they are; then it is
decided anew. So a place is never given twice, whatever this process did not know, and a refusal
costs no round trip. Leases end by the database's clock: they travel as seconds that are left.

Tables and functions are in `postgres_schema.py`, the way there is in `postgres_link.py`; answers,
outcomes, people and clearing up are in `postgres_answers.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from coordinator.core.areas.claim_index import QUEUE_PLACES
from coordinator.core.areas.ledger import UNKNOWN_CLAIM, Moment, Refused, Step
from coordinator.errors import StoreUnavailable
from coordinator.store.claims import Decide
from coordinator.store.postgres_door import SCHEMA
from coordinator.store.postgres_late import PostgresLate
from coordinator.store.postgres_link import PATIENCE_S, Unit
from coordinator.store.postgres_rows import Sent, around, claim_of, message, written
from coordinator.store.postgres_schema import LIVE, NEWER, STORE
from coordinator.usecases.ledger import Answering, KeptAnswer
from coordinator.usecases.requests import RequestArchive

LEAST_PAUSE_S: Final = 0.1  # between two looks at what others have changed
MOST_PAUSE_S: Final = 0.8
DECISIONS: Final = 4  # of one step, while others change the same places


class _Conflict(Exception):
    """A step does not fit what is stored; `rows` are the claims as they are."""

    def __init__(self, rows: list[list[Any]]) -> None:
        super().__init__("the step does not fit")
        self.rows = rows


class PostgresClaims(PostgresLate):
    """`ledger.ClaimStore` over a database that other coordinators use too."""

    def __init__(
        self,
        dsn: str,
        district: str,
        folder: Path,
        moment: Moment,
        queue_places: int = QUEUE_PLACES,
        archive: RequestArchive | None = None,
        schema: str = SCHEMA,
        plays_time: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Opens the database, brings its tables up to date and learns the live claims; blocks.

        The key of drivers' tokens is in `folder`. Leases end by the database's clock; only if it
        `plays_time`, by the moments of the calls. A call waits `patience_s` for its step. Raises
        `StoreUnavailable`, `StoreTooNew` and those of `postgres_refusals.py`.
        """
        super().__init__(dsn, district, folder, queue_places, archive, schema, patience_s)
        self._places = queue_places
        self._plays_time = plays_time
        self._stamps: dict[str, str] = {}  # live claims to the step that wrote them
        self._pending: set[str] = set()  # steps whose outcome is not known yet
        self._reading: list[set[str]] = []  # per look at the others, what was stored meanwhile
        values = (*self._played(moment), district)
        with contextlib.closing(self._first()) as connection:
            row = connection.execute(LIVE, values).fetchone()
            self._newest, rows = row[0], msgspec.json.decode(row[1])
            self._learn(rows, moment)
            self._begin(connection)

    async def shift(self, by_s: float, moment: Moment) -> Step | Refused:
        """Everything under way is so much later; whether it had lapsed is not asked."""
        return await self._settle(lambda: self.index.shift(by_s, moment), moment, None, False)

    async def follow(self, moment: Callable[[], Moment]) -> None:
        """Learns what others change until cancelled; slower while nobody does."""
        pause_s = LEAST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            with contextlib.suppress(StoreUnavailable):
                others = await self.catch_up(moment())
                pause_s = LEAST_PAUSE_S if others else min(pause_s * 2.0, MOST_PAUSE_S)

    async def catch_up(self, moment: Moment) -> bool:
        """Learns what other coordinators have changed since the last call; whether they have."""
        values = (*self._played(moment), self._district, self._newest)
        meanwhile: set[str] = set()
        self._reading.append(meanwhile)
        try:
            (newest, told), *_ = await self._link.ask(NEWER, values)
        finally:
            self._reading.remove(meanwhile)
        rows = msgspec.json.decode(told)
        # What was stored from here meanwhile may be newer than what was read: it is read again.
        known = [row for row in rows if row[0] not in meanwhile]
        if len(known) == len(rows):
            self._newest = newest
        touched = self._learn(known, moment)
        self._tell_of(touched)
        return bool(touched)

    async def _settle(
        self, decide: Decide, moment: Moment, answering: Answering | None, lapsing: bool = True
    ) -> Step | Refused:
        caught_up = False
        for _ in range(DECISIONS):
            decided = decide()
            if isinstance(decided, Refused):
                if decided.reason != UNKNOWN_CLAIM or caught_up:
                    return decided
                await self.catch_up(moment)  # another coordinator may have granted it
                caught_up = True
                continue
            self._tell(decided)
            answers = answering(decided) if answering is not None else ()
            try:
                if decided.after or answers:
                    await self._send(decided, moment, answers, lapsing)
            except _Conflict as conflict:
                self._give_way(decided, moment, conflict.rows)
                continue
            except Exception:
                self.index.undo(decided)
                self._tell(decided)
                raise
            for answer in answers:
                self._remember(answer)
            return decided
        raise StoreUnavailable(STORE, "others change the same places all the time")

    async def _keep(self, step: Step, moment: Moment, answers: Sequence[KeptAnswer]) -> None:
        await self._send(step, moment, answers, True)

    async def _send(
        self, step: Step, moment: Moment, answers: Sequence[KeptAnswer], lapsing: bool
    ) -> None:
        """Returns when the step is stored; raises `_Conflict` if it does not fit."""
        says = written(step, self.table)
        now_s, link_s = self._played(moment)
        sent = Sent(
            str(uuid.uuid4()), step, says, moment, self._tokens.beside(step, answers),
            {name: self._stamps.get(name) for name in says.after}, answers,
        )  # fmt: skip
        told = {
            **message(says, self._stamps, moment, lapsing),
            "id": sent.step_id,
            "district": self._district,
            "places": self._places,
            "locks": [*says.evses, *(f"{self._district} {car}" for car in says.cars)],
            "now_s": now_s,
            "link_s": link_s,
        }
        bodies = [
            (a.recommendation_id, a.request_id, a.vehicle_id, a.answer, a.request, a.inputs)
            for a in answers
        ]
        unit = self._link.post(told, bodies, sent.tokens)
        self._pending.add(sent.step_id)
        self._stamps.update(dict.fromkeys(says.after, sent.step_id))
        await self._outcome(unit, sent)

    async def _outcome(self, unit: Unit, sent: Sent) -> None:
        try:
            outcome = await self._link.outcome(unit)
        except asyncio.CancelledError:
            # Decided is stored, also where the caller has given up.
            unit.future.add_done_callback(lambda done: self._came(sent, done.result()))
            raise
        except StoreUnavailable:
            unit.future.add_done_callback(lambda done: self._came_late(sent, done.result()))
            self._unstamp(sent)
            raise
        if outcome["outcome"] == "conflict":
            self._unstamp(sent)
            raise _Conflict(outcome["rows"])
        if outcome["outcome"] != "done":
            self._unstamp(sent)
            raise StoreUnavailable(STORE, outcome.get("why", "the step was dropped"))
        self._stored(sent)

    def _came(self, sent: Sent, outcome: dict[str, Any]) -> None:
        """The outcome of a step for which nobody waits any more."""
        if outcome["outcome"] == "done":
            self._stored(sent)
            self._tell_late(sent, ())
            return
        self._unstamp(sent)
        self._give_way(sent.step, sent.moment, outcome.get("rows", ()))

    def _came_late(self, sent: Sent, outcome: dict[str, Any]) -> None:
        """The outcome of a step that its caller believes never happened."""
        if outcome["outcome"] != "done":
            return
        after = sent.says.after
        for name, claim in after.items():
            if self._stamps.get(name) == sent.earlier[name]:
                self.table.put(claim)
                self._stamps[name] = sent.step_id
        self._stored(sent)
        self._tell(sent.step)
        self._tell_late(sent, sent.untold)

    def _stored(self, sent: Sent) -> None:
        self._pending.discard(sent.step_id)
        for meanwhile in self._reading:
            meanwhile.update(sent.says.after)
        for name, claim in sent.says.after.items():
            if not claim.live and self._stamps.get(name) == sent.step_id:
                del self._stamps[name]
        self._tokens.written(sent.tokens)

    def _unstamp(self, sent: Sent) -> None:
        self._pending.discard(sent.step_id)
        for name, earlier in sent.earlier.items():
            if self._stamps.get(name) == sent.step_id:
                self._stamp(name, earlier)

    def _stamp(self, claim_id: str, step_id: str | None) -> None:
        if step_id is None:
            self._stamps.pop(claim_id, None)
        else:
            self._stamps[claim_id] = step_id

    def _give_way(self, step: Step, moment: Moment, rows: Iterable[list[Any]]) -> None:
        """Takes a step back and learns what there is in its place."""
        says = written(step, self.table)
        self.index.undo(step)
        rows = list(rows)
        stored = {row[0] for row in rows}
        gone = {claim.claim_id for claim in around(self.table, says.evses, says.cars)}
        for name in (gone | set(says.ids)) - stored:
            claim = self.table.get(name)
            if claim is not None and claim.live and self._stamps.get(name) not in self._pending:
                self.table.remove(claim)
                self._stamps.pop(name, None)
        touched = self._learn(rows, moment, always=True)
        self._tell_of(touched | set(says.evses))

    def _learn(self, rows: Iterable[list[Any]], moment: Moment, always: bool = False) -> set[str]:
        """Takes stored claims over, but for those that a step under way changes.

        Those that are known are passed over unless `always`: then their leases are learnt anew.
        Gives the EVSEs concerned.
        """
        touched: set[str] = set()
        for row in rows:
            claim, step_id = claim_of(row, moment)
            name, known = claim.claim_id, self.table.get(claim.claim_id)
            stamp = self._stamps.get(name)
            if stamp in self._pending or (stamp == step_id and not always):
                continue
            if known is not None and not known.live and not claim.live:
                continue
            if known is not None:
                touched.add(known.evse_id)
            self.table.put(claim)
            self._stamp(name, step_id if claim.live else None)
            touched.add(claim.evse_id)
        return touched

    def _tell_of(self, evse_ids: set[str]) -> None:
        if evse_ids:
            for watcher in self.watchers:
                watcher(evse_ids)

    def _played(self, moment: Moment) -> tuple[float | None, float | None]:
        """The two times that stand for the database's clock, where time is played."""
        return (moment.now_s, moment.link_s) if self._plays_time else (None, None)
