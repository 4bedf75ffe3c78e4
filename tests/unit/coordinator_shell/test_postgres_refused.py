"""What a coordinator says when PostgreSQL cannot hold its promises: each in words of its own."""

from __future__ import annotations

import builtins
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from private_postgres import cluster, fresh_schema

from bench.postgres_cluster import Cluster, free_port
from coordinator.core.areas.ledger import Moment
from coordinator.errors import StoreTooNew, StoreUnavailable
from coordinator.store import postgres_door
from coordinator.store.postgres import PostgresClaims
from coordinator.store.postgres_refusals import (
    DatabaseRefused,
    DatabaseTooOld,
    DriverMissing,
    ExtensionMissing,
)


def opened(dsn: str, folder: Path, schema: str = "pilewise") -> PostgresClaims:
    moment = Moment(time.time(), time.monotonic())
    return PostgresClaims(dsn, "north", folder, moment, schema=schema)


def administer(*statements: str, database: str = "postgres") -> list[Any]:
    """What the last statement gives; each is run by the owner of everything."""
    connection = postgres_door.driver().connect(cluster().dsn(database), autocommit=True)
    with connection:
        cursor = None
        for statement in statements:
            cursor = connection.execute(statement)
        assert cursor is not None
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database, without the extension."""
    name = f"d{uuid.uuid4().hex[:12]}"
    administer(f"CREATE DATABASE {name}")
    yield name
    administer(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_server_that_is_not_there_may_come_later(tmp_path: Path) -> None:
    """The same start may work in a while; the place is named, the password is not."""
    cluster()
    dsn = f"host=127.0.0.1 port={free_port()} dbname=city user=pilewise password=hush"

    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:\d+/city") as caught:
        opened(dsn, tmp_path)

    assert "hush" not in str(caught.value)


def test_a_wrong_password_is_refused_as_such(tmp_path: Path) -> None:
    """It will be as wrong on the next try."""
    cluster()
    strict = Cluster()
    try:
        strict.make()
        rules = strict.data / "pg_hba.conf"
        rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        strict.start()
        with pytest.raises(DatabaseRefused, match="password authentication failed"):
            opened(f"{strict.dsn()} password=wrong", tmp_path)
    finally:
        strict.remove()


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a role that is not there, and a dsn that is none."""
    with pytest.raises(DatabaseRefused, match='database "nowhere" does not exist'):
        opened(cluster().dsn("nowhere"), tmp_path)
    with pytest.raises(DatabaseRefused, match='role "nobody-here" does not exist'):
        opened(cluster().dsn(role="nobody-here"), tmp_path)
    with pytest.raises(DatabaseRefused, match=r"store\.dsn"):
        opened("host=127.0.0.1 colour=red", tmp_path)


def test_a_server_that_is_too_old_is_told_from_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions are named; the next one below is taken."""
    dsn, schema = cluster().dsn(), fresh_schema()
    (seen,) = administer("SHOW server_version_num")[0]
    monkeypatch.setattr(postgres_door, "LEAST_VERSION", int(seen) + 1)
    with pytest.raises(DatabaseTooOld) as caught:
        opened(dsn, tmp_path, schema)
    assert caught.value.seen == int(seen)

    monkeypatch.setattr(postgres_door, "LEAST_VERSION", int(seen))
    assert not list(opened(dsn, tmp_path, schema).table.live())


def test_a_missing_extension_comes_with_the_statement_that_makes_it(
    tmp_path: Path, database: str
) -> None:
    """A role that may not make it says so; once it is there, that role needs no more rights."""
    role = f"r{uuid.uuid4().hex[:12]}"
    administer(
        f"CREATE ROLE {role} LOGIN",
        f"CREATE SCHEMA pilewise AUTHORIZATION {role}",
        database=database,
    )
    dsn = cluster().dsn(database, role)

    with pytest.raises(ExtensionMissing) as caught:
        opened(dsn, tmp_path)
    assert "CREATE EXTENSION btree_gist" in caught.value.hint
    administer("CREATE EXTENSION btree_gist", database=database)
    assert not list(opened(dsn, tmp_path).table.live())


def test_a_role_that_may_make_nothing_is_refused(tmp_path: Path, database: str) -> None:
    """Without the schema it cannot begin."""
    role = f"r{uuid.uuid4().hex[:12]}"
    administer(f"CREATE ROLE {role} LOGIN", database=database)

    with pytest.raises(DatabaseRefused, match="permission denied"):
        opened(cluster().dsn(database, role), tmp_path)


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    """A change that is unknown here is named."""
    dsn, schema = cluster().dsn(), fresh_schema()
    opened(dsn, tmp_path, schema)
    administer(f"INSERT INTO {schema}.migration (name) VALUES ('9999_later')")

    with pytest.raises(StoreTooNew, match="9999_later"):
        opened(dsn, tmp_path, schema)


def test_without_the_driver_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else of a coordinator works without it."""
    found = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name == "psycopg":
            raise ImportError("No module named 'psycopg'")
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DriverMissing) as caught:
        opened("host=127.0.0.1", tmp_path)

    assert "pilewise[postgres]" in caught.value.hint
