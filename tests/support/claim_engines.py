"""The engines of the ledger that the conformance tests run over; a further one is a line here.

An engine opens in a folder, where it finds what it kept before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coordinator.core.areas.ledger import Moment
from coordinator.store.claims import MemoryClaims
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.usecases.ledger import ClaimStore

Open = Callable[[Path, Moment], ClaimStore]


def memory(folder: Path, moment: Moment) -> ClaimStore:
    """Claims that end with the process."""
    return MemoryClaims()


def sqlite(folder: Path, moment: Moment) -> ClaimStore:
    """Claims in a file of the folder."""
    return SqliteClaims(folder / "claims.db", moment)


ENGINES: dict[str, Open] = {"memory": memory, "sqlite": sqlite}

# Those that outlive the process.
DURABLE: dict[str, Open] = {"sqlite": sqlite}
