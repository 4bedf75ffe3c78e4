"""What `claims.db` knows of a person: their answers, outcomes and tokens; found and taken out.

Claims of the past in the journal are replaced by a snapshot of the live ones first, so that their
cars stand nowhere in it any more. The other file is in `people.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from coordinator.store.claims_rows import ANSWER_COLUMNS
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.person import Person, blanked, is_theirs

_NO_CLAIMS = b"[]"


def told(connection: sqlite3.Connection, person: Person) -> list[KeptAnswer]:
    """The answers to this person that the journal has, newest revisions last."""
    rows = connection.execute(
        f"SELECT {ANSWER_COLUMNS} FROM step WHERE request IS NOT NULL ORDER BY seq"
    )
    kept = (KeptAnswer(*row) for row in rows)
    return [answer for answer in kept if is_theirs(person, answer.vehicle_id, answer.request)]


def take_out(
    connection: sqlite3.Connection,
    person: Person,
    recommendations: Iterable[str],
    now_s: float,
    live: bytes,
) -> int:
    """Removes the person; `recommendations` are those of theirs that stand elsewhere.

    `live` are all live claims of now as they stand in a row. Gives how many rows changed.
    """
    cursor = connection.execute(
        "INSERT INTO step (kind, at_s, claims) VALUES (1, ?, ?)", (now_s, live)
    )
    snapshot, changed, gone = int(cursor.lastrowid or 0), 0, set(recommendations)
    rows = connection.execute(
        "SELECT seq, recommendation_id, vehicle_id, answer, request FROM step"
        " WHERE seq < ? AND request IS NOT NULL",
        (snapshot,),
    ).fetchall()
    for seq, recommendation_id, vehicle_id, answer, request in rows:
        if is_theirs(person, vehicle_id, request):
            gone.add(recommendation_id)
            connection.execute("DELETE FROM step WHERE seq = ?", (seq,))
            changed += 1
        elif (cleaned := blanked(answer, person.names)) != answer:
            connection.execute("UPDATE step SET answer = ? WHERE seq = ?", (cleaned, seq))
            changed += 1
    connection.execute("DELETE FROM step WHERE seq < ? AND request IS NULL", (snapshot,))
    connection.execute("UPDATE step SET claims = ? WHERE seq < ?", (_NO_CLAIMS, snapshot))
    for recommendation_id in gone - {""}:
        for table in ("outcome", "token"):
            query = f"DELETE FROM {table} WHERE recommendation_id = ?"
            changed += connection.execute(query, (recommendation_id,)).rowcount
    return changed
