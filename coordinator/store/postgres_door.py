"""How a PostgreSQL database is opened: settings of each connection, and what it must be able to do.

What is sent once it is open is in `postgres_link.py`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from coordinator.errors import StoreUnavailable
from coordinator.store.postgres_refusals import (
    DatabaseRefused,
    DatabaseTooOld,
    DriverMissing,
    ExtensionMissing,
)
from coordinator.store.postgres_schema import STORE, migrate

LEAST_VERSION = 140_000
STATEMENT_MS: Final = 1_000
LOCK_MS: Final = 300
SCHEMA: Final = "pilewise"
EXTENSION: Final = "btree_gist"

# A standby is no place for promises; a dead peer is noticed within three seconds.
_DEFAULTS: Final = {
    "target_session_attrs": "read-write",
    "application_name": "pilewise",
    "connect_timeout": "3",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
}
# What an answer stands on is on a standby's disk too, whatever the server's default is.
DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)
_REFUSALS: Final = ("authentication", "password", "pg_hba.conf", "does not exist", "permission")


def driver() -> ModuleType:
    """The module psycopg; raises `DriverMissing`."""
    try:
        import psycopg
    except ImportError as error:
        raise DriverMissing(str(error)) from error
    module: ModuleType = psycopg
    return module


def conninfo_of(dsn: str, schema: str = SCHEMA) -> str:
    """The connection string with what it leaves out; raises `DatabaseRefused` if it is none."""
    psycopg = driver()
    try:
        told = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error as error:
        raise DatabaseRefused("store.dsn", str(error).strip()) from error
    options = (
        f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"
        f" -c search_path={schema},public {told.get('options', '')}"
    )
    return str(psycopg.conninfo.make_conninfo(**{**_DEFAULTS, **told, "options": options.strip()}))


def where_is(conninfo: str) -> str:
    """The servers and the database, without the password, for people to read."""
    told = driver().conninfo.conninfo_to_dict(conninfo)
    hosts = str(told.get("host") or told.get("hostaddr") or "the default host").split(",")
    ports = str(told.get("port") or "5432").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    places = ",".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
    return f"{places}/{told.get('dbname') or told.get('user') or ''}"


def opened(conninfo: str, schema: str = SCHEMA) -> Any:
    """A connection to a database that holds the ledger's tables of today; blocks.

    Raises `StoreUnavailable`, `StoreTooNew` and those of `postgres_refusals.py`.
    """
    psycopg, where = driver(), where_is(conninfo)
    try:
        connection = psycopg.connect(conninfo, autocommit=True)
    except psycopg.Error as error:
        raise _unopened(error, where) from error
    try:
        if connection.info.server_version < LEAST_VERSION:
            raise DatabaseTooOld(where, connection.info.server_version, LEAST_VERSION)
        connection.execute("SET statement_timeout = '60s'")
        connection.execute("SET lock_timeout = '60s'")
        _make_schema(connection, schema)
        _make_extension(connection, where)
        migrate(connection)
        connection.execute(DURABLE)
    except psycopg.errors.InsufficientPrivilege as error:
        connection.close()
        raise DatabaseRefused(where, str(error).strip()) from error
    except psycopg.Error as error:
        connection.close()
        raise StoreUnavailable(STORE, str(error).strip()) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _unopened(error: Exception, where: str) -> Exception:
    why = " ".join(str(error).split())
    if any(word in why for word in _REFUSALS):
        return DatabaseRefused(where, why)
    return StoreUnavailable(STORE, f"{where}: {why}")


def _make_schema(connection: Any, schema: str) -> None:
    found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,))
    if found.fetchone() is None:
        name = driver().sql.Identifier(schema)
        text = driver().sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name)
        connection.execute(text)


def _make_extension(connection: Any, where: str) -> None:
    found = connection.execute("SELECT FROM pg_extension WHERE extname = %s", (EXTENSION,))
    if found.fetchone() is not None:
        return
    psycopg = driver()
    try:
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION} SCHEMA public")
    except psycopg.errors.UniqueViolation:
        return  # another process has just made it
    except psycopg.Error as error:
        raise ExtensionMissing(where, EXTENSION, str(error).strip().splitlines()[0]) from error
