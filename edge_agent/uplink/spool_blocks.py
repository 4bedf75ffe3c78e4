"""The blocks of a spool database: one row for what one commit wrote, a run of numbers each.

Which numbers are settled or lost is kept in `spool_numbers.py`; transactions are the caller's.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.core.boot_time import BootTime, corrected
from edge_agent.core.ranges import Runs, normalise, subtract
from edge_agent.core.reading import Record
from edge_agent.core.reporting import expendable
from edge_agent.uplink.blocks import BLOCK_RECORDS, pack, unpack, weight
from edge_agent.uplink.boot_clock import BootClock
from edge_agent.uplink.spool_numbers import CORRUPT, SEQ_MASK, SpoolNumbers, SpoolRow

_READ_AHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class StoredRun:
    """Consecutive records of one spool; record i has number `first_record_seq` + i."""

    spool_id: str
    first_record_seq: int
    position: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A row as it lies there: numbers `position` to `position + span`, checked by `crc`."""

    position: int
    span: int
    crc: int
    body: bytes

    def content(self) -> tuple[list[Record], BootTime | None] | None:
        """What it holds, and by which clocks it was stamped where these were not set.

        None where its bytes are not those that were written.
        """
        if checksum(self.span, self.body) != self.crc:
            return None
        try:
            records, made = unpack(self.body)
        except (ValueError, IndexError):
            return None
        return (records, made) if len(records) == self.span + 1 else None


def checksum(span: int, body: bytes) -> int:
    """CRC-32 of a block; a flipped byte inside a row passes SQLite's own integrity check."""
    return zlib.crc32(body, span)


class Blocks:
    """Reads and writes the table `block`; `numbers` says what of it is still wanted."""

    def __init__(self, conn: sqlite3.Connection, numbers: SpoolNumbers) -> None:
        self._conn = conn
        self._numbers = numbers
        self._clock = BootClock(conn)
        self._last: tuple[int, int, list[Record], BootTime | None] = (-1, 0, [], None)

    def insert(self, position: int, records: Sequence[Record]) -> None:
        """Writes consecutive records that were just made, the first of them at `position`."""
        if records:
            made = self._clock.made(min([record.observed_at_ms for record in records]))
            self.put_back(position, records, made)

    def put_back(self, position: int, records: Sequence[Record], made: BootTime | None) -> None:
        """The same for records made earlier, by clocks that stood like `made` if not set."""
        for at in range(0, len(records), BLOCK_RECORDS):
            part = records[at : at + BLOCK_RECORDS]
            body = pack(part, made)
            span = len(part) - 1
            instants = [record.observed_at_ms for record in part]
            self._conn.execute(
                "INSERT INTO block(position, span, spare, from_at_ms, to_at_ms, crc, body)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    position + at,
                    span,
                    sum(map(expendable, part)),
                    min(instants),
                    max(instants),
                    checksum(span, body),
                    body,
                ),
            )

    def read_run(
        self, from_position: int, before_position: int, limit: int, max_bytes: int
    ) -> StoredRun | int | None:
        """The first consecutive records wanted at or after a position; None where there are none.

        An int is the position of a damaged block that stands before them.
        """
        found: list[Record] = []
        start = used = 0
        for block in self._from(from_position, before_position):
            row = self._numbers.of_position(block.position)
            wanted = self._wanted(row, block, from_position, before_position)
            if not wanted or (found and row.position(wanted[0][0]) != start + len(found)):
                if found:
                    break
                continue
            records = self._unpacked(block)
            if records is None:
                if found:
                    break
                return block.position
            first, last = wanted[0]
            offset = row.position(first) - block.position
            start = start if found else row.position(first)
            for record in records[offset : offset + last - first + 1]:
                used += weight(record)
                if found and (len(found) == limit or used > max_bytes):
                    return self._run(start, found)
                found.append(record)
            if len(wanted) > 1:
                break
        return self._run(start, found) if found else None

    def give_up(self, position: int) -> None:
        """Deletes a damaged block; what it stood for becomes a gap."""
        row = self._numbers.of_position(position)
        following = self._conn.execute(
            "SELECT position FROM block WHERE position > ? ORDER BY position LIMIT 1", (position,)
        ).fetchone()
        self._conn.execute("DELETE FROM block WHERE position=?", (position,))
        last = row.next_record_seq - 1
        if following is not None:
            # Its own length is not to be believed.
            last = min(last, (following[0] - row.position(0)) - 1)
        self._numbers.account(row, position & SEQ_MASK, last, CORRUPT)

    def held(self, row: SpoolRow, first: int, last: int) -> Runs:
        """Numbers of a range whose records lie here."""
        spans = self._conn.execute(
            "SELECT position, span FROM block WHERE position BETWEEN ? AND ?",
            (row.position(max(0, first - BLOCK_RECORDS)), row.position(last)),
        )
        runs = normalise((p & SEQ_MASK, (p & SEQ_MASK) + span) for p, span in spans)
        return subtract(((first, last),), subtract(((first, last),), runs))

    def _from(self, start: int, before: int) -> Iterator[Block]:
        row = self._conn.execute(
            "SELECT position, span FROM block WHERE position <= ? ORDER BY position DESC LIMIT 1",
            (start,),
        ).fetchone()
        if row is not None and row[0] + row[1] >= start:
            start = row[0]
        while True:
            blocks = [
                Block(*found)
                for found in self._conn.execute(
                    "SELECT position, span, crc, body FROM block"
                    " WHERE position >= ? AND position < ? ORDER BY position LIMIT ?",
                    (start, before, _READ_AHEAD),
                )
            ]
            yield from blocks
            if len(blocks) < _READ_AHEAD:
                return
            start = blocks[-1].position + 1

    def _wanted(self, row: SpoolRow, block: Block, start: int, before: int) -> Runs:
        first = max(block.position, start)
        last = min(block.position + block.span, before - 1)
        return subtract(((first - row.position(0), last - row.position(0)),), row.settled)

    def _unpacked(self, block: Block) -> list[Record] | None:
        # A batch may end inside a block; the next one begins there.
        position, crc, records, made = self._last
        if (position, crc) != (block.position, block.crc):
            fresh = block.content()
            if fresh is None:
                return None
            records, made = fresh
            self._last = (block.position, block.crc, records, made)
        true = self._clock.true(made) if made is not None else None
        return corrected(records, made, true) if made is not None and true is not None else records

    def _run(self, start: int, records: list[Record]) -> StoredRun:
        spool_id = self._numbers.of_position(start).spool_id
        return StoredRun(spool_id, start & SEQ_MASK, start, tuple(records))
