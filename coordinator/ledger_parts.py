"""Opens the ledger that the configuration names; who asks it for promises is in `brain.py`."""

from __future__ import annotations

from pathlib import Path

from coordinator.clock import Clock
from coordinator.config import Config
from coordinator.core.areas.ledger import Moment
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.own_connection import MakeRoom
from coordinator.store.postgres import PostgresClaims
from coordinator.usecases.ledger import ClaimStore
from coordinator.usecases.requests import RequestArchive
from coordinator.usecases.telemetry import Snapshot


def open_claims(
    config: Config,
    clock: Clock,
    data_dir: Path,
    archive: RequestArchive,
    known: Snapshot,
    make_room: MakeRoom,
) -> ClaimStore:
    """The claims that `claims.db`, or PostgreSQL, remembers; blocks.

    What is no longer in it is looked up in the archive. Raises store errors.
    """
    moment = Moment(clock.now_s(), clock.link_s())
    claims: SqliteClaims | PostgresClaims
    if config.store.engine == "postgres":
        district = config.coordinator.district
        claims = PostgresClaims(config.store.dsn, district, data_dir, moment, archive=archive)
    else:
        claims = SqliteClaims(data_dir / "claims.db", moment, archive=archive, make_room=make_room)
    claims.know(known.recent_requests)
    return claims
