"""One private PostgreSQL for all tests of a process, and an empty schema in it for each test."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import uuid

import pytest

from bench.postgres_cluster import HINT, Cluster, programs


@functools.cache
def cluster() -> Cluster:
    """The server, started when the first test asks; skips the test where there is none."""
    needs_postgres()
    one = Cluster()
    atexit.register(one.remove)
    one.make()
    one.start("max_connections=60")
    return one


def needs_postgres() -> None:
    """Skips the test where PostgreSQL or its driver is not installed."""
    if programs() is None:
        pytest.skip(HINT)
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip('hint: pip install "pilewise[postgres]"')


def patient(dsn: str) -> str:
    """The same server, whose time-outs do not tell how fast this machine is."""
    return f"{dsn} options='-c statement_timeout=90000 -c lock_timeout=90000'"


def fresh_schema() -> str:
    """The name of a schema that no other test uses."""
    return f"t{uuid.uuid4().hex[:16]}"
