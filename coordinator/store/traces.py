"""Whether anything of given names is left in a database file, and how it is removed for good.

What SQLite deletes stays in the file until something else is written there; its log keeps copies.
"""

from __future__ import annotations

import asyncio
import mmap
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

import structlog

from coordinator.store.database import copies_of
from coordinator.store.salvage import damaged_of
from coordinator.store.writer import Writer

log = structlog.get_logger()


def left_in(path: Path, names: Iterable[str]) -> list[str]:
    """Files of this database in which one of the names stands, byte for byte."""
    wanted = [name.encode() for name in names if name]
    found = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            with (
                file.open("rb") as opened,
                mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                if any(content.find(name) >= 0 for name in wanted):
                    found.append(file.name)
        except (FileNotFoundError, ValueError):  # ValueError: it is empty
            continue
    return found


def drop_old(path: Path) -> list[str]:
    """Takes away copies of a database from before changes, and what was put aside as damaged.

    Their packed rows cannot be searched for a name, and nobody deletes rows there.
    """
    gone = [*copies_of(path), *damaged_of(path)]
    for file in gone:
        file.unlink()
    return [file.name for file in gone]


async def wiped(writer: Writer, names: Collection[str]) -> list[str]:
    """The files in which a name is left after the log was emptied and, if need be, the file was
    written anew; that takes a while, in which nothing else is written."""
    await writer.alone(_empty_log)
    if gone := await asyncio.to_thread(drop_old, writer.path):
        log.warning("old files are gone, in which a person cannot be erased", files=gone)
    left = await asyncio.to_thread(left_in, writer.path, names)
    if left:
        await writer.alone(_write_anew)
        left = await asyncio.to_thread(left_in, writer.path, names)
    return left


def _empty_log(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _write_anew(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    _empty_log(connection)
