"""How much may wait for the operator's system, and what is given up when that room ends.

Functions on an open database run on the store's thread; the database is `relay_store.py`'s.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final

from edge_agent.core.ocpp_relay import Kind

ROOM_BYTES: Final = 256 * 2**20
# Notices are few and small; a pile that floods them shall not cost a session, nor a session them.
NOTICE_SHARE: Final = 16
_FULL: Final = 2**32
_GOLDEN: Final = 2_654_435_769  # 2^32 divided by the golden ratio, made odd


class Room:
    """What waits, in messages and bytes by identity and kind, kept beside the database."""

    def __init__(self, conn: sqlite3.Connection, room_bytes: int) -> None:
        self._room_bytes = room_bytes
        self.messages: Counter[tuple[str, Kind]] = Counter()
        self.size_bytes: Counter[tuple[str, Kind]] = Counter()
        self._levels: Counter[str] = Counter()
        for identity, kind, count, size in conn.execute(
            "SELECT identity, kind, count(*), sum(length(CAST(payload AS BLOB))) FROM message"
            " WHERE payload IS NOT NULL GROUP BY identity, kind"
        ):
            self.messages[identity, Kind(kind)] = count
            self.size_bytes[identity, Kind(kind)] = size

    def count(self, identity: str) -> int:
        """How many messages of a pile wait."""
        return sum(self.messages[identity, kind] for kind in Kind)

    def add(self, identity: str, kind: Kind, size: int, messages: int = 1) -> None:
        """Takes that a message joined; with negative numbers, that some left."""
        self.messages[identity, kind] += messages
        if not self.messages[identity, Kind.SAMPLE]:
            self._levels[identity] = 0
        self.size_bytes[identity, kind] += size

    def make(
        self, conn: sqlite3.Connection, kind: Kind, size: int
    ) -> tuple[bool, Counter[tuple[str, Kind]]]:
        """Whether a message of that size fits now, and what was given up for it.

        Beginnings and ends of transactions are never given up, nor is anything else for notices.
        """
        lost: Counter[tuple[str, Kind]] = Counter()
        if kind is Kind.NOTICE:
            room = self._room_bytes // NOTICE_SHARE
            while self._held(kind) + size > room and self._drop_notice(conn, lost):
                pass
            return self._held(kind) + size <= room, lost
        room = self._room_bytes - self._room_bytes // NOTICE_SHARE
        while self._of_transactions() + size > room and self._thin(conn, lost):
            pass
        return self._of_transactions() + size <= room, lost

    def _held(self, kind: Kind) -> int:
        return sum(size for (_, of), size in self.size_bytes.items() if of is kind)

    def _of_transactions(self) -> int:
        return self._held(Kind.TRANSACTION) + self._held(Kind.SAMPLE)

    def _drop_notice(self, conn: sqlite3.Connection, lost: Counter[tuple[str, Kind]]) -> bool:
        query = "SELECT min(seq) FROM message WHERE payload IS NOT NULL AND kind=?"
        seq = conn.execute(query, (int(Kind.NOTICE),)).fetchone()[0]
        if seq is not None:
            self._delete(conn, "seq=?", (seq,), lost)
        return seq is not None

    def _thin(self, conn: sqlite3.Connection, lost: Counter[tuple[str, Kind]]) -> bool:
        """Gives up samples of the pile that has most of them; False where none waits.

        A level keeps one of 2^level samples, chosen by number and evenly over the whole outage, so
        that no hour of it goes dark; it rises where it has nothing more to give.
        """
        waiting = {who: n for (who, of), n in self.messages.items() if of is Kind.SAMPLE and n}
        if not waiting:
            return False
        identity = max(waiting, key=lambda who: self.size_bytes[who, Kind.SAMPLE])
        goal = max(1, waiting[identity] // 4)
        before = lost[identity, Kind.SAMPLE]
        level = self._levels[identity] or 1
        while lost[identity, Kind.SAMPLE] - before < goal:
            # Multiples of the golden ratio lie evenly, also for one of two interleaved sessions.
            chosen = "identity=? AND kind=? AND payload IS NOT NULL"
            chosen += f" AND ((seq % {_FULL >> 1} * {_GOLDEN}) & {_FULL - 1}) >= ?"
            values = (identity, int(Kind.SAMPLE), _FULL >> level)
            self._delete(conn, chosen, values, lost)
            self._levels[identity] = level
            level += 1
        return True

    def _delete(
        self,
        conn: sqlite3.Connection,
        where: str,
        values: tuple[str | int, ...],
        lost: Counter[tuple[str, Kind]],
    ) -> None:
        gone = conn.execute(
            f"DELETE FROM message WHERE {where}"
            " RETURNING identity, kind, length(CAST(payload AS BLOB))",
            values,
        ).fetchall()
        for identity, kind, size in gone:
            self.add(identity, Kind(kind), -size, -1)
            lost[identity, Kind(kind)] += 1
