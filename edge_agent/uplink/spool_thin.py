"""Which history is given up when the room for it ends: coarser and coarser, oldest first.

Of a stretch of time every pile keeps its samples or none does, so that gaps are few and long.
Faults, changes of a status, sessions and transactions are never given up.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from edge_agent.core.ranges import Runs, normalise, size, subtract
from edge_agent.core.reading import Record
from edge_agent.core.reporting import expendable
from edge_agent.uplink.spool_blocks import Block, Blocks
from edge_agent.uplink.spool_numbers import SpoolNumbers

# Samples of two seconds are kept of every 8, then of every 32, then of every 128, then none.
WINDOW_MS: Final = 2_000
LEVELS: Final = (4, 16, 64, 0)
_CHUNK: Final = 200


@dataclass(frozen=True, slots=True)
class _Candidate:
    block: Block
    spare: int
    from_at_ms: int
    to_at_ms: int


class Thinner:
    """Thins the blocks of one database; where it stands is kept in the table `thinning`."""

    def __init__(self, conn: sqlite3.Connection, numbers: SpoolNumbers, blocks: Blocks) -> None:
        self._conn = conn
        self._numbers = numbers
        self._blocks = blocks

    def thin(self, count: int, reason: str) -> int:
        """Gives up at least `count` records where there are such; gives back how many."""
        level, cursor = self._state()
        gone = 0
        for _ in range(2 * len(LEVELS)):
            while gone < count:
                candidates = self._candidates(cursor)
                for candidate in candidates:
                    gone += self._thin_block(candidate, LEVELS[level], reason)
                if len(candidates) < _CHUNK:
                    break
                cursor = candidates[-1].block.position
            else:
                break
            level, cursor = level + 1, -1
            if level == len(LEVELS):
                level = 0
                break
        self._conn.execute("INSERT OR REPLACE INTO thinning VALUES (1, ?, ?)", (level, cursor))
        return gone

    def _state(self) -> tuple[int, int]:
        row = self._conn.execute("SELECT level, position FROM thinning").fetchone()
        oldest = self._conn.execute("SELECT min(position) FROM block").fetchone()[0]
        if row is None or oldest is None or oldest > row[1] >= 0:
            # What was thinned before has been sent since.
            return 0, -1
        return int(row[0]), int(row[1])

    def _candidates(self, cursor: int) -> list[_Candidate]:
        return [
            _Candidate(Block(position, span, crc, body), spare, since, until)
            for position, span, crc, body, spare, since, until in self._conn.execute(
                "SELECT position, span, crc, body, spare, from_at_ms, to_at_ms FROM block"
                " WHERE position > ? AND spare > 0 ORDER BY position LIMIT ?",
                (cursor, _CHUNK),
            )
        ]

    def _thin_block(self, candidate: _Candidate, level: int, reason: str) -> int:
        block = candidate.block
        row = self._numbers.of_position(block.position)
        first = block.position - row.position(0)
        if candidate.spare == block.span + 1:
            if not _goes(candidate.from_at_ms, level):
                return 0
            lost: Runs = ((first, first + block.span),)
            records, made = list[Record](), None
        else:
            found = block.content()
            if found is None:
                self._blocks.give_up(block.position)
                return 0
            records, made = found
            lost = normalise(
                (first + i, first + i)
                for i, record in enumerate(records)
                if expendable(record) and _goes(record.observed_at_ms, level)
            )
        if not lost:
            return 0
        self._conn.execute("DELETE FROM block WHERE position=?", (block.position,))
        for start, end in subtract(((first, first + block.span),), lost):
            kept = records[start - first : end - first + 1]
            self._blocks.put_back(row.position(start), kept, made)
        unsettled = subtract(lost, row.settled)
        for run in unsettled:
            self._numbers.add_gap(row, *run, reason, candidate.from_at_ms, candidate.to_at_ms)
        return size(unsettled)


def _goes(at_ms: int, level: int) -> bool:
    return level == 0 or (at_ms // WINDOW_MS) % level != 0
