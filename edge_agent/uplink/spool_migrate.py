"""Brings a spool database of an older agent to the present schema, with a copy of the old one.

Schema 1 had a row for each record, schema 2 has one for each commit.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from edge_agent.core.reading import Record
from edge_agent.uplink.blocks import BLOCK_RECORDS
from edge_agent.uplink.rows import checksum, from_bytes
from edge_agent.uplink.spool_blocks import Blocks
from edge_agent.uplink.spool_numbers import CORRUPT, SpoolNumbers
from edge_agent.uplink.spool_schema import SCHEMA, create_tables, version

log: Final = structlog.get_logger("edge_agent.spool")


def bring_up_to_date(conn: sqlite3.Connection, path: Path | None) -> None:
    """Makes or migrates the tables in one transaction; `path` is None for one in memory."""
    found = version(conn)
    if found == SCHEMA:
        return
    if found == 0:
        conn.execute("BEGIN IMMEDIATE")
        create_tables(conn)
        conn.execute("COMMIT")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    kept = _keep_copy(conn, path, found) if path is not None else ""
    conn.execute("BEGIN IMMEDIATE")
    try:
        create_tables(conn)
        _pack_rows(conn)
        conn.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            conn.execute("ROLLBACK")
        raise
    log.info("spool has a new schema", before=found, now=SCHEMA, copy_of_the_old=kept)


def _keep_copy(conn: sqlite3.Connection, path: Path, found: int) -> str:
    copy = path.with_name(f"{path.name}.schema-{found}")
    try:
        with contextlib.closing(sqlite3.connect(copy)) as target:
            conn.backup(target)
    except (sqlite3.Error, OSError) as error:
        # The change is one transaction: without room for a copy it is still all or nothing.
        log.warning("no copy of the old spool could be made", error=str(error))
        copy.unlink(missing_ok=True)
        return ""
    return copy.name


def _pack_rows(conn: sqlite3.Connection) -> None:
    numbers = SpoolNumbers(conn, str)
    blocks = Blocks(conn, numbers)
    # What the coordinator has not confirmed may move to a new spool: no block spans that border.
    borders = {row.position(row.unproven_from) for row in numbers.rows if row.unproven_from}
    rows = conn.execute("SELECT position, crc, body FROM record ORDER BY position")
    for start, records in _grouped(rows, borders):
        blocks.put_back(start, records, None)
    conn.execute("DROP TABLE record")
    for row in numbers.rows:
        numbers.account(row, 1, row.next_record_seq - 1, CORRUPT)


def _grouped(
    rows: Iterable[tuple[int, int, bytes]], borders: set[int]
) -> Iterator[tuple[int, list[Record]]]:
    start, records = 0, list[Record]()
    for position, crc, body in rows:
        record = _record_in(body, crc)
        follows = position == start + len(records) and position not in borders
        if records and (record is None or not follows or len(records) == BLOCK_RECORDS):
            yield start, records
            records = []
        if record is not None:
            start = start if records else position
            records.append(record)
    if records:
        yield start, records


def _record_in(body: bytes, crc: int) -> Record | None:
    if checksum(body) != crc:
        return None
    try:
        return from_bytes(body)
    except (msgspec.DecodeError, ValueError):
        return None
