"""Why a PostgreSQL database cannot hold the promises: one class for each thing to be done about it.

A server that does not answer is a `StoreUnavailable`: the same call may succeed later.
"""

from __future__ import annotations

from coordinator.errors import Permanent


class DriverMissing(Permanent):
    """The driver of PostgreSQL is not installed here."""

    code = "STORE-013"
    hint = 'pip install "pilewise[postgres]"'

    def __init__(self, why: str) -> None:
        super().__init__(f"[store] engine is postgres, and its driver psycopg is missing: {why}")


class DatabaseRefused(Permanent):
    """The server is there and lets this role not in, or not do what it must."""

    code = "STORE-014"
    hint = "check store.dsn, the password and the rights of the role; docs/postgres.md names them"

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"PostgreSQL at {where} refuses: {why}")
        self.where = where


class DatabaseTooOld(Permanent):
    """The server is older than what the ledger needs."""

    code = "STORE-015"

    def __init__(self, where: str, seen: int, least: int) -> None:
        super().__init__(
            f"PostgreSQL at {where} is of version {seen // 10_000}, needed is {least // 10_000}"
            " or newer"
        )
        self.hint = "upgrade the server, or set [store] engine to sqlite"
        self.seen = seen


class ExtensionMissing(Permanent):
    """The database lacks an extension that this role cannot make."""

    code = "STORE-016"

    def __init__(self, where: str, name: str, why: str) -> None:
        super().__init__(f"PostgreSQL at {where} lacks the extension {name}: {why}")
        self.hint = f"as the database's owner or a superuser: CREATE EXTENSION {name}"
        self.name = name
