"""Judges what a shared ledger stored from a log that the database itself wrote, row by row.

It knows nothing of the ledger: only that live claims exclude each other on an EVSE, and that a car
has one, two while it moves, and one window in the future. Changes of one EVSE stand in the log in
the order of their transactions, since the later ones waited for the earlier.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from coordinator.store.postgres_door import driver

_LOG = """
SET search_path = {schema}, public;
CREATE TABLE trail (
  seq bigint GENERATED ALWAYS AS IDENTITY, xid xid8 DEFAULT pg_current_xact_id(), gone boolean,
  claim_id text, evse_id text, vehicle_id text, from_s float8, to_s float8, state smallint,
  moving boolean, future boolean);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE c claim;
BEGIN
  IF TG_OP = 'DELETE' THEN c := OLD; ELSE c := NEW; END IF;
  INSERT INTO trail (gone, claim_id, evse_id, vehicle_id, from_s, to_s, state, moving, future)
  VALUES (TG_OP = 'DELETE', c.claim_id, c.evse_id, c.vehicle_id, c.from_s, c.to_s, c.state,
          c.moving, c.future);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR DELETE ON claim FOR EACH ROW EXECUTE FUNCTION note();
"""


def log_changes(dsn: str, schema: str) -> None:
    """From now on every change of a claim in this schema is logged."""
    with driver().connect(dsn, autocommit=True) as connection:
        connection.execute(_LOG.format(schema=schema))


@dataclass
class Trail:
    """What the log says."""

    changes: int = 0
    overlaps: int = 0
    double_cars: int = 0
    claims: set[str] = field(default_factory=set)


def trail(dsn: str, schema: str) -> Trail:
    """The log, played once for EVSEs and once for cars."""
    with driver().connect(dsn) as connection:
        rows = connection.execute(
            "SELECT xid::text, gone, claim_id, evse_id, vehicle_id, from_s, to_s, state,"
            f" moving, future FROM {schema}.trail ORDER BY seq"
        ).fetchall()
    seen = Trail(changes=len(rows), claims={row[2] for row in rows})
    by_evse: dict[str, list[Any]] = defaultdict(list)
    by_car: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_evse[row[3]].append(row)
        if row[4]:
            by_car[row[4]].append(row)
    seen.overlaps = sum(_faults(changes, _overlap) for changes in by_evse.values())
    seen.double_cars = sum(_faults(changes, _crowded) for changes in by_car.values())
    return seen


def _faults(changes: list[Any], is_wrong: Any) -> int:
    """After how many transactions the live claims were wrong."""
    live: dict[str, Any] = {}
    wrong = 0
    for _, rows in groupby(changes, key=lambda row: row[0]):
        for row in rows:
            if row[1]:
                live.pop(row[2], None)
            elif row[7] <= 3:
                live[row[2]] = row
        wrong += is_wrong(live.values())
    return wrong


def _overlap(claims: Any) -> bool:
    windows = sorted((row[5], row[6]) for row in claims)
    return any(a[1] > b[0] for a, b in pairwise(windows))


def _crowded(claims: Any) -> bool:
    rows = list(claims)
    kinds = [(row[9], row[8]) for row in rows]  # window of later, moving
    return len(kinds) != len({kind if not kind[0] else (True, False) for kind in kinds})
