"""The engines of the ledger that the conformance tests run over; a further one is a line here.

An engine opens in a folder, where it finds what it kept before. That in PostgreSQL keeps it in a
schema named after the folder; its clock follows the moments of the tests, while the tests of its
own in `test_claims_shared.py` leave it to the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from private_postgres import cluster, patient

from coordinator.core.areas.ledger import Moment
from coordinator.store.claims import MemoryClaims
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.postgres import PostgresClaims
from coordinator.usecases.ledger import ClaimStore

Open = Callable[[Path, Moment], ClaimStore]


def memory(folder: Path, moment: Moment) -> ClaimStore:
    """Claims that end with the process."""
    return MemoryClaims()


def sqlite(folder: Path, moment: Moment) -> ClaimStore:
    """Claims in a file of the folder."""
    return SqliteClaims(folder / "claims.db", moment)


def postgres(folder: Path, moment: Moment) -> ClaimStore:
    """Claims in a private PostgreSQL; skips the test where there is none."""
    schema = "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return PostgresClaims(
        patient(cluster().dsn()), "north", folder, moment,
        schema=schema, plays_time=True, patience_s=90.0,
    )  # fmt: skip


ENGINES: dict[str, Open] = {"memory": memory, "sqlite": sqlite, "postgres": postgres}

# Those that outlive the process.
DURABLE: dict[str, Open] = {"sqlite": sqlite, "postgres": postgres}
