"""Rows that travel together in one INSERT; when they are committed is `writer.py`'s part."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Sequence[Any]

_AT_ONCE = 64  # rows; each number of them is a statement of its own in SQLite's cache of 128
_VARIABLES_LIMIT = 32_000  # SQLite takes 32,766 in one statement


@dataclass(frozen=True, slots=True)
class RowStatement:
    """An INSERT whose rows of one group are sent together.

    `head` ends before VALUES, e.g. "INSERT INTO claim (a, b)"; `tail` holds ON CONFLICT, if any.
    """

    head: str
    width: int
    tail: str = ""
    _texts: dict[int, str] = field(default_factory=dict, compare=False, repr=False)

    def text(self, count: int) -> str:
        """The statement for that many rows."""
        text = self._texts.get(count)
        if text is None:
            marks = "(" + ", ".join("?" * self.width) + ")"
            text = f"{self.head} VALUES {', '.join([marks] * count)} {self.tail}"
            self._texts[count] = text
        return text

    def at_once(self, count: int) -> bool:
        """Whether so many rows are executed by one statement."""
        return count <= min(_AT_ONCE, _VARIABLES_LIMIT // self.width)

    def run(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """The number of the last row; few are executed at once, many in powers of two.

        So few texts are cached.
        """
        start, last = 0, 0
        largest = max(1, min(256, _VARIABLES_LIMIT // self.width))
        while start < len(rows):
            left = len(rows) - start
            count = left if self.at_once(left) else min(largest, 1 << (left.bit_length() - 1))
            values = [value for row in rows[start : start + count] for value in row]
            last = connection.execute(self.text(count), values).lastrowid or 0
            start += count
        return last
