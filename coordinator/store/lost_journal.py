"""Whether a database stands there without its journal, in which its newest commits lay.

A coordinator that ends in order folds its journals into their files; one that is killed leaves them
beside. So where the last owner of the directory did not say that it closed its files (see
`DirectoryLock`), a file without a journal has lost it, or is a copy that was made without.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from coordinator.store.database import DirectoryLock
from coordinator.store.restore import Restored, note_older, restored_here

log = structlog.get_logger()

STORES = ("claims.db", "telemetry.db")
LEDGER = "claims.db"


def state_of_files(
    data_dir: Path, lock: DirectoryLock, district: str
) -> tuple[Restored | None, list[str]]:
    """Why the ledger here is older than what was told, if it is; and which files lost a journal.

    A lost one is durably told when this returns. Raises `HalfRestored`.
    """
    mark = restored_here(data_dir)
    lost = lost_journals(data_dir) if lock.abandoned else []
    if LEDGER in lost and mark is None:
        mark = note_older(data_dir, district, f"{LEDGER} lost its journal")
    return mark, lost


def lost_journals(data_dir: Path) -> list[str]:
    """Names of the databases of a killed coordinator that lack their journal."""
    lost = [name for name in STORES if _bare(data_dir / name)]
    for name in lost:
        log.error("journal lost", store=name, lost="what was stored last in it")
    return lost


def _bare(path: Path) -> bool:
    return path.exists() and not path.with_name(f"{path.name}-wal").exists()
