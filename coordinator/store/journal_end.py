"""What a commit that failed may have left at the end of a journal all the same.

Where the disk reports a failure it is not known what it has kept: a connection that is opened anew
may find the commit done. Its callers were told that nothing was stored, took their step back, and
others have gone by that. So whatever is written next begins with taking such rows out.
"""

from __future__ import annotations

import sqlite3

from coordinator.store.rows import RowStatement


class JournalEnd:
    """The newest row of a journal that is known to be durable; the writer's thread asks and tells.

    The journal has a column `seq`, its row number. Without a statement there is no journal.
    """

    def __init__(self, table: str = "", statement: RowStatement | None = None) -> None:
        self._table = table
        self._statement = statement
        self._newest: int | None = None  # not looked up yet
        self._written: int | None = None  # in the transaction that is not committed yet
        self.unsure = False

    def ready(self, connection: sqlite3.Connection) -> None:
        """Knows where the journal ends, before anything is written to it."""
        if self._statement is not None and self._newest is None:
            found = connection.execute(f"SELECT ifnull(max(seq), 0) FROM {self._table}").fetchone()
            self._newest = int(found[0])
        self._written = self._newest

    def cut(self, connection: sqlite3.Connection, epoch: int) -> None:
        """Takes out what is behind the end; nothing where another process has the file by now."""
        if self.unsure:
            connection.execute(
                f"DELETE FROM {self._table} WHERE seq > ? AND (SELECT epoch FROM owner) = ?",
                (self._newest, epoch),
            )

    def wrote(self, statement: RowStatement, number: int) -> None:
        """Rows of this statement were written, the last with this number."""
        if statement is self._statement:
            self._written = number

    def changed(self) -> None:
        """Something was done of which it is not known where the journal ends after it."""
        self._written = None

    def committed(self) -> None:
        """What was written is durable."""
        self._newest, self.unsure = self._written, False

    def failed(self) -> None:
        """It may be, and whoever wrote it was told that it is not."""
        self.unsure = self._statement is not None and self._newest is not None
