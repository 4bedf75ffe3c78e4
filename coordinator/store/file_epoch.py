"""Who may write a SQLite file: the process that opened it last, told by an epoch in the file.

The lock of the directory keeps a second process out. This is for the day on which it did not (the
lock file was removed, or the files lie on a disk that does not lock): each writer opens the file in
an epoch of its own, and its connection refuses to insert once the file's epoch has moved on. The
check is part of the INSERT, so nothing can come between.
"""

from __future__ import annotations

import sqlite3
from typing import Any

LOST = "another coordinator has taken over"


def migrate(db: Any) -> None:
    """The epoch, one row."""
    db["owner"].create({"owner": int, "epoch": int}, pk="owner")
    db["owner"].insert({"owner": 1, "epoch": 0})


def next_epoch(connection: sqlite3.Connection) -> int:
    """An epoch above all before it; whoever wrote until now writes no more."""
    row = connection.execute("UPDATE owner SET epoch = epoch + 1 RETURNING epoch").fetchone()
    return int(row[0])


def guard(connection: sqlite3.Connection, table: str, epoch: int) -> None:
    """Has this connection refuse to insert into the table once the epoch is another one."""
    connection.execute(
        f'CREATE TEMP TRIGGER "owner_of_{table}" BEFORE INSERT ON main."{table}"'
        f" WHEN (SELECT epoch FROM main.owner) <> {epoch:d}"
        f" BEGIN SELECT RAISE(ABORT, '{LOST}'); END"
    )


def is_lost(error: BaseException) -> bool:
    """Whether this is the refusal of `guard`."""
    return isinstance(error, sqlite3.IntegrityError) and LOST in str(error)
