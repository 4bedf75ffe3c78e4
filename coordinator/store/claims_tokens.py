"""Which drivers' tokens claims.db keeps: sealed while a pile may have to be asked, then a mark.

    no claim, or none any more   nothing
    on its way                   sealed: a reservation may have to be sent after a restart
    plugged in                   a mark: a token that is shown can be compared, and not read

How they are sealed is in `token_seal.py`. Nothing else in the file, nor in the archive of requests,
has a token.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import ClaimState, Step
from coordinator.core.vehicle import ChargingRequest
from coordinator.store.database import copies_of
from coordinator.store.rows import RowStatement
from coordinator.store.token_seal import TokenSeal
from coordinator.usecases.ledger import KeptAnswer

Row = tuple[str, bytes, str]  # recommendation_id, sealed token, mark; the last two may be empty

PUT = RowStatement(
    "INSERT INTO token (recommendation_id, sealed, mark)",
    3,
    "ON CONFLICT (recommendation_id) DO UPDATE SET sealed = excluded.sealed, mark = excluded.mark",
)
UNCLEAN = 9  # user_version of a file from which tokens were taken, and whose pages had them
_requests = msgspec.msgpack.Decoder(ChargingRequest)
_encode = msgspec.msgpack.Encoder().encode


def migrate(db: Any) -> None:
    """Tokens apart from requests; those that stand in older requests are taken out of them."""
    db["token"].create(
        {"recommendation_id": str, "sealed": bytes, "mark": str}, pk="recommendation_id"
    )
    connection: sqlite3.Connection = db.conn
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    found: dict[str, str] = {}
    rows = connection.execute(
        "SELECT seq, recommendation_id, request FROM step WHERE request IS NOT NULL"
    ).fetchall()
    for seq, recommendation_id, content in rows:
        request = _requests.decode(content)
        if request.id_token:
            found[recommendation_id] = request.id_token
            bare = _encode(replace(request, id_token=""))
            connection.execute("UPDATE step SET request = ? WHERE seq = ?", (bare, seq))
    if found:
        seal = TokenSeal(Path(file).parent)
        PUT.run(connection, [_row(seal, *one) for one in found.items()])
        connection.execute(f"PRAGMA user_version = {UNCLEAN}")


def clean(connection: sqlite3.Connection) -> None:
    """Writes the file anew if pages of it held tokens; cut short, it is done at the next start.

    Copies of the file from before hold them too, and go. Outside of any transaction.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] == UNCLEAN:
        for copy in copies_of(Path(connection.execute("PRAGMA database_list").fetchone()[2])):
            copy.unlink()
        connection.execute("VACUUM")
        connection.execute("PRAGMA user_version = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def stored(connection: sqlite3.Connection, table: ClaimTable) -> list[Row]:
    """What the file has of live claims; what it has of others goes."""
    live = {claim.recommendation_id for claim in table.live()}
    rows = connection.execute("SELECT recommendation_id, sealed, mark FROM token").fetchall()
    over = [(row[0],) for row in rows if row[0] not in live]
    connection.executemany("DELETE FROM token WHERE recommendation_id = ?", over)
    return [row for row in rows if row[0] in live]


def _row(seal: TokenSeal, recommendation_id: str, token: str) -> Row:
    told = hashlib.sha256(token.encode()).hexdigest()
    return recommendation_id, seal.seal(recommendation_id, token), seal.mark(told)


class Tokens:
    """Says what is to be written of tokens beside a step, and reads what was."""

    def __init__(self, seal: TokenSeal, rows: Iterable[Row], table: ClaimTable) -> None:
        self._seal = seal
        self._table = table
        self._kept: dict[str, Row] = {row[0]: row for row in rows}

    def mark(self, id_token_hash: str) -> str:
        """What stands for the hash of a token that an agent tells."""
        return self._seal.mark(id_token_hash)

    def beside(self, step: Step, answers: Sequence[KeptAnswer]) -> list[Row]:
        """The rows that a step changes; none for promises without a token."""
        changed = []
        for answer in answers:
            name = answer.recommendation_id
            if answer.id_token and name not in self._kept:
                changed.append(_row(self._seal, name, answer.id_token))
        if not self._kept:
            return changed
        for name in {claim.recommendation_id for claim in step.after} & self._kept.keys():
            _, sealed, mark = self._kept[name]
            states = {claim.state for claim in step.after if claim.recommendation_id == name}
            if ClaimState.OCCUPIED in states and sealed:
                changed.append((name, b"", mark))
            elif not any(claim.live for claim in self._of(step, name)):
                changed.append((name, b"", ""))
        return changed

    def _of(self, step: Step, name: str) -> Iterable[Any]:
        """The claims behind a promise now: those of its car, as the table has them."""
        cars = {claim.vehicle_id for claim in step.after if claim.recommendation_id == name}
        for car in cars:
            for claim in (*self._table.of_car(car), *self._table.windows_of_car(car)):
                if claim.recommendation_id == name:
                    yield claim

    def written(self, rows: Iterable[Row]) -> None:
        """These rows are durable."""
        for row in rows:
            if row[2]:
                self._kept[row[0]] = row
            else:
                self._kept.pop(row[0], None)

    def with_token(self, answer: KeptAnswer) -> KeptAnswer:
        """An answer as it was kept, with what is kept of its driver's token."""
        row = self._kept.get(answer.recommendation_id)
        if row is None:
            return answer
        token = self._seal.open(row[0], row[1]) if row[1] else ""
        return replace(answer, id_token=token, token_mark=row[2])


def forget(connection: sqlite3.Connection) -> int:
    """Removes the rows of promises that are over; gives how many."""
    return connection.execute("DELETE FROM token WHERE mark = ''").rowcount
