"""Which numbers of which spool exist, are settled or are lost: the bookkeeping of the database.

Every method runs inside a transaction of the caller. A number is settled (the coordinator has it),
or inside a row of `block`, or inside a row of `gap`, or not given out yet. A block stays whole
until all of its numbers are settled.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from edge_agent.core.ranges import Runs, highest, leading, normalise, size, subtract
from edge_agent.uplink.spool_schema import SHIFT, IdSource, Mark

# A block never holds more records.
_LONGEST: Final = 256
SEQ_MASK: Final = (1 << SHIFT) - 1
# Reasons of gaps.
CORRUPT: Final = "CORRUPT"
DISK_FULL: Final = "DISK_FULL"
THINNED: Final = "THINNED"
LOST: Final = "STORE_LOST"
ROLLED_BACK: Final = "ROLLED_BACK"
ACKED_THEN_MISSING: Final = "ACKED_THEN_MISSING"


@dataclass(slots=True)
class SpoolRow:
    """One spool: numbers below `next_record_seq` are given out, those in `settled` are stored.

    `unproven_from` is the next number at the time the file was opened, until a coordinator has
    confirmed that it knows none beyond; None once it has.
    """

    spool_no: int
    spool_id: str
    next_record_seq: int
    settled: Runs
    unproven_from: int | None

    def position(self, record_seq: int) -> int:
        """Where the number stands in the order of everything spooled."""
        return self.spool_no << SHIFT | record_seq


class SpoolNumbers:
    """The spools in a database, oldest first; the last one takes new records."""

    def __init__(self, conn: sqlite3.Connection, new_id: IdSource) -> None:
        self._conn = conn
        self._new_id = new_id
        self.rows: list[SpoolRow] = []
        self.load()

    def load(self) -> None:
        """Reads the spools again, e.g. after a transaction was rolled back."""
        self.rows = [
            SpoolRow(no, spool_id, following, tuple(map(tuple, json.loads(settled))), unproven)
            for no, spool_id, following, settled, unproven in self._conn.execute(
                "SELECT spool_no, spool_id, next_record_seq, settled, unproven_from FROM spool"
                " ORDER BY spool_no"
            )
        ]

    @property
    def current(self) -> SpoolRow:
        """The spool that new records join."""
        return self.rows[-1]

    def of_position(self, position: int) -> SpoolRow:
        """The spool that a position belongs to."""
        return next(row for row in self.rows if row.spool_no == position >> SHIFT)

    def by_id(self, spool_id: str) -> SpoolRow | None:
        """The spool with this identifier; None where it is not in the database (any more)."""
        return next((row for row in self.rows if row.spool_id == spool_id), None)

    def depth(self) -> int:
        """Numbers given out and not settled yet, gaps included."""
        return sum(row.next_record_seq - 1 - size(row.settled) for row in self.rows)

    def square_with_mark(self, mark: Mark | None) -> None:
        """Opens the first spool, or a new one where the mark knows of numbers that are not here."""
        known = self.by_id(mark.spool_id) if mark is not None else None
        if mark is not None and known is None:
            # The database was emptied or replaced: all the mark knows of is lost.
            row = self._add(mark.spool_id, mark.reserved_through + 1)
            self.add_gap(row, mark.settled_through + 1, mark.reserved_through, LOST)
            row.settled = normalise([(1, mark.settled_through)])
            self.save(row)
            self._add(self._new_id(), 1)
        elif mark is not None and self.current.next_record_seq < mark.next_record_seq:
            # A database without its WAL, or an old copy: it forgot numbers that were given out.
            self.roll_over(self.current, self.current.next_record_seq, mark.reserved_through)
        if not self.rows:
            self._add(self._new_id(), 1)
        if self.current.unproven_from is None:
            self.current.unproven_from = self.current.next_record_seq
            self.save(self.current)

    def reconcile(self, stored: Runs) -> None:
        """Squares the present spool with what the coordinator says it has.

        Numbers from the future mean that this database was rolled back: what was numbered since
        it was opened moves to a new spool. What was settled once but is missing there is a gap.
        """
        row = self.current
        if highest(stored) >= row.next_record_seq:
            base = row.unproven_from or row.next_record_seq
            self.roll_over(row, base, highest(stored))
        missing = subtract(row.settled, stored)
        row.settled = subtract(row.settled, missing)
        for first, last in missing:
            # What still lies here, because its neighbours were not settled, is sent once more.
            self.account(row, first, last, ACKED_THEN_MISSING)
        self.settle(row, subtract(stored, row.settled))
        if self.current.unproven_from is not None:
            self.current.unproven_from = None
            self.save(self.current)

    def roll_over(self, row: SpoolRow, base: int, top: int) -> None:
        """Ends `row` before `base` and moves what it had from there on to a new spool.

        Numbers `base` to `top` were given to other records in a life that is lost: a gap.
        """
        fresh = self._add(self._new_id(), 1)
        shift = fresh.position(1) - row.position(base)
        span = (row.position(base), row.position(SEQ_MASK))
        for table in ("block", "gap"):
            self._conn.execute(
                f"UPDATE {table} SET position = position + ? WHERE position BETWEEN ? AND ?",
                (shift, *span),
            )
        self._conn.execute(
            "UPDATE gap SET last_seq = last_seq - ? WHERE position >= ?",
            (base - 1, fresh.position(0)),
        )
        fresh.next_record_seq = max(1, row.next_record_seq - base + 1)
        row.next_record_seq = top + 1
        row.unproven_from = None
        self.add_gap(row, base, top, ROLLED_BACK)
        self.save(row)
        self.save(fresh)

    def settle(self, row: SpoolRow, fresh: Runs) -> None:
        """Forgets records and gaps of `row` that the coordinator has stored."""
        row.settled = normalise([*row.settled, *fresh])
        for first, last in fresh:
            since, until = next(run for run in row.settled if run[0] <= first <= run[1])
            # A block goes when all of its numbers are settled.
            self._conn.execute(
                "DELETE FROM block WHERE position BETWEEN ? AND ? AND position + span <= ?",
                (
                    row.position(max(since, first - _LONGEST)),
                    row.position(last),
                    row.position(until),
                ),
            )
            self._settle_gaps(row, first, last)
        given_out = row.next_record_seq - 1
        if row is not self.current and leading(row.settled) >= given_out:
            self._conn.execute("DELETE FROM spool WHERE spool_no=?", (row.spool_no,))
            self.rows.remove(row)
        else:
            self.save(row)

    def add_gap(
        self,
        row: SpoolRow,
        first: int,
        last: int,
        reason: str,
        from_at_ms: int = 0,
        to_at_ms: int = 0,
    ) -> None:
        """Notes that numbers are lost for good; deleting their records is the caller's part.

        Neighbours with the same reason become one.
        """
        if first > last:
            return
        for position, gap_last, since, until in self._conn.execute(
            "SELECT position, last_seq, from_at_ms, to_at_ms FROM gap WHERE reason=?1 AND"
            " (position=?3 OR position=(SELECT max(position) FROM gap WHERE position < ?2))",
            (reason, row.position(first), row.position(last + 1)),
        ).fetchall():
            begun = position - row.position(0)
            if begun < 1 or begun > last + 1 or gap_last < first - 1:
                continue
            self._conn.execute("DELETE FROM gap WHERE position=?", (position,))
            first, last = min(first, begun), max(last, gap_last)
            from_at_ms = min(from_at_ms or since, since or from_at_ms)
            to_at_ms = max(to_at_ms, until)
        self._conn.execute(
            "INSERT OR REPLACE INTO gap(position, last_seq, reason, from_at_ms, to_at_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            (row.position(first), last, reason, from_at_ms, to_at_ms),
        )

    def account(self, row: SpoolRow, first: int, last: int, reason: str) -> int:
        """Makes a gap of every number of a range that is nowhere; gives back how many."""
        base, span = row.position(0), (row.position(first), row.position(last))
        blocks = self._conn.execute(
            "SELECT position, position + span FROM block WHERE position BETWEEN ? AND ?",
            (max(base, span[0] - _LONGEST), span[1]),
        )
        here = [(start - base, end - base) for start, end in blocks]
        gaps = self._conn.execute(
            "SELECT position, last_seq FROM gap WHERE position BETWEEN ? AND ?",
            (base, span[1]),
        )
        here += [(start - base, end) for start, end in gaps]
        nowhere = subtract(((first, last),), normalise([*here, *row.settled]))
        for run in nowhere:
            self.add_gap(row, *run, reason)
        return size(nowhere)

    def adopt(self, other: sqlite3.Connection) -> None:
        """Copies the spools of another database behind those here; the last takes new records."""
        for number, *told in other.execute(
            "SELECT spool_no, spool_id, next_record_seq, settled, unproven_from FROM spool"
            " ORDER BY spool_no"
        ).fetchall():
            fresh = self._conn.execute("SELECT max(spool_no) + 1 FROM spool").fetchone()[0]
            self._conn.execute("INSERT INTO spool VALUES (?, ?, ?, ?, ?)", (fresh, *told))
            shift = (fresh - number) << SHIFT
            for table in ("block", "gap"):
                for position, *rest in other.execute(
                    f"SELECT * FROM {table} WHERE position BETWEEN ? AND ?",
                    (number << SHIFT, number << SHIFT | SEQ_MASK),
                ):
                    marks = ",".join("?" * len(rest))
                    self._conn.execute(
                        f"INSERT INTO {table} VALUES (?, {marks})", (position + shift, *rest)
                    )

    def save(self, row: SpoolRow) -> None:
        """Writes one spool's row."""
        self._conn.execute(
            "INSERT OR REPLACE INTO spool(spool_no, spool_id, next_record_seq, settled,"
            " unproven_from) VALUES (?, ?, ?, ?, ?)",
            (
                row.spool_no,
                row.spool_id,
                row.next_record_seq,
                json.dumps(row.settled),
                row.unproven_from,
            ),
        )

    def _add(self, spool_id: str, next_record_seq: int) -> SpoolRow:
        number = self.rows[-1].spool_no + 1 if self.rows else 1
        row = SpoolRow(number, spool_id, next_record_seq, (), None)
        self.rows.append(row)
        self.save(row)
        return row

    def _settle_gaps(self, row: SpoolRow, first: int, last: int) -> None:
        """Removes what the run covers from the gaps, keeping the parts that stick out."""
        inside = self._conn.execute(
            "SELECT position, last_seq, reason, from_at_ms, to_at_ms FROM gap"
            " WHERE position BETWEEN ? AND ? AND last_seq >= ?",
            (row.position(0), row.position(last), first),
        ).fetchall()
        for position, gap_last, reason, since, until in inside:
            self._conn.execute("DELETE FROM gap WHERE position=?", (position,))
            for left, right in subtract(((position & SEQ_MASK, gap_last),), ((first, last),)):
                self.add_gap(row, left, right, reason, since, until)
