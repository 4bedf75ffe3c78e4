"""What `telemetry.db` knows of a person: found, counted, and taken out.

Sessions lose whose they were and stay as readings of the pile; requests go. The claims' own file is
in `claims_people.py`.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from coordinator.core.pile import User
from coordinator.usecases.person import Person, blanked

AT_ONCE = 500  # rows that are looked through in one transaction
_body = msgspec.msgpack.Decoder(tuple[bytes, ...])
_encode = msgspec.msgpack.Encoder().encode
_users = msgspec.json.Decoder(User)


def find(db: Any, user_id: str) -> Person:
    """The person behind a driver's name: the cars of the operator's record, and those that never
    came with another driver."""
    others: set[str] = set()
    own: set[str] = set()
    for (content,) in db.execute('SELECT body FROM "user"'):
        user = _users.decode(content)
        (own if user.user_id == user_id else others).update(user.vehicle_ids)
    for table in ("session", "request"):
        own.update(
            _column(db, f"SELECT DISTINCT vehicle_id FROM {table} WHERE user_id = ?", user_id)
        )
    if not own and not _rows_of_driver(db, user_id):
        own.add(user_id)  # the name may be that of a car
    for table in ("session", "request"):
        for vehicle_id in tuple(own):
            rows = db.execute(
                f"SELECT 1 FROM {table} WHERE vehicle_id = ? AND user_id NOT IN ('', ?) LIMIT 1",
                [vehicle_id, user_id],
            )
            if rows.fetchone() is not None:
                others.add(vehicle_id)
    person = Person(user_id, frozenset(own - others - {""}))
    where, values = theirs(person)
    hashes = db.execute(f"SELECT DISTINCT id_token_hash FROM session WHERE {where}", values)
    return Person(user_id, person.vehicle_ids, frozenset(h for (h,) in hashes if h))


def take_out(connection: sqlite3.Connection, person: Person) -> int:
    """Removes the person from sessions, requests and users; gives how many rows changed."""
    where, values = theirs(person)
    changed = connection.execute(
        "UPDATE session SET user_id = '', vehicle_id = '', id_token_hash = '',"
        f" recommendation_id = '' WHERE {where}",
        values,
    ).rowcount
    changed += connection.execute(f"DELETE FROM request WHERE {where}", values).rowcount
    changed += connection.execute('DELETE FROM "user" WHERE key = ?', [person.user_id]).rowcount
    return changed


def blank_answers(
    connection: sqlite3.Connection, person: Person, after: int
) -> tuple[int | None, int]:
    """Takes their names out of some of the others' answers: where to go on, and how many."""
    rows = connection.execute(
        "SELECT rowid, body FROM request WHERE rowid > ? ORDER BY rowid LIMIT ?", [after, AT_ONCE]
    ).fetchall()
    changed = 0
    for number, body in rows:
        if not body:
            continue
        parts = _body.decode(zlib.decompress(body))
        cleaned = _encode(tuple(_blanked(part, person) for part in parts))
        if cleaned != _encode(parts):
            changed += 1
            connection.execute(
                "UPDATE request SET body = ? WHERE rowid = ?", [zlib.compress(cleaned, 1), number]
            )
    return (rows[-1][0] if len(rows) == AT_ONCE else None), changed


def blank_tokens(
    connection: sqlite3.Connection, person: Person, after: int
) -> tuple[int | None, int]:
    """Takes hashes of their tokens out of some of the readings, the same number of bytes."""
    rows = connection.execute(
        "SELECT batch, payload FROM batch WHERE batch > ? ORDER BY batch LIMIT ?", [after, AT_ONCE]
    ).fetchall()
    changed = 0
    for number, payload in rows:
        cleaned = payload
        for token_hash in person.token_hashes:
            cleaned = cleaned.replace(token_hash.encode(), b"0" * len(token_hash.encode()))
        if cleaned != payload:
            changed += 1
            connection.execute("UPDATE batch SET payload = ? WHERE batch = ?", [cleaned, number])
    return (rows[-1][0] if len(rows) == AT_ONCE else None), changed


def forget_whose(connection: sqlite3.Connection, before_s: float) -> int:
    """Takes out of a few sessions older than that whose they were; gives how many."""
    return connection.execute(
        "UPDATE session SET user_id = '', vehicle_id = '', id_token_hash = '',"
        " recommendation_id = '' WHERE rowid IN (SELECT rowid FROM session WHERE started_at_s < ?"
        " AND ended_at_s IS NOT NULL AND (user_id <> '' OR vehicle_id <> ''"
        " OR id_token_hash <> '') LIMIT ?)",
        [before_s, AT_ONCE],
    ).rowcount


def _blanked(part: bytes, person: Person) -> bytes:
    """A part of a body without the names; feature rows, which hold none, are left as they are."""
    try:
        return blanked(part, person.names)
    except msgspec.DecodeError:
        return part


def _rows_of_driver(db: Any, user_id: str) -> bool:
    rows = db.execute('SELECT 1 FROM "user" WHERE key = ? LIMIT 1', [user_id]).fetchone()
    return rows is not None or any(
        db.execute(f"SELECT 1 FROM {table} WHERE user_id = ? LIMIT 1", [user_id]).fetchone()
        for table in ("session", "request")
    )


def theirs(person: Person) -> tuple[str, Sequence[Any]]:
    """The condition that a row is of this person."""
    cars = sorted(person.vehicle_ids)
    marks = ", ".join("?" * len(cars))
    return f"((user_id <> '' AND user_id = ?) OR vehicle_id IN ({marks}))", [person.user_id, *cars]


def _column(db: Any, query: str, *values: Any) -> list[str]:
    return [row[0] for row in db.execute(query, list(values)) if row[0]]
