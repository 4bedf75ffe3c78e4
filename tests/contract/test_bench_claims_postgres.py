"""The bench of the shared ledger: its judge finds broken promises, its small form finds none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from private_postgres import cluster, fresh_schema, needs_postgres

from bench.claims_trail import Trail, log_changes, trail
from coordinator.core.areas.ledger import Moment
from coordinator.store.postgres import PostgresClaims
from coordinator.store.postgres_door import driver

ROOT = Path(__file__).resolve().parents[2]
Change = tuple[int, bool, str, str, str, float, int, bool, bool]


def change(step: int, claim: str, evse: str, car: str, from_s: float, **more: Any) -> Change:
    """A row of the log: a claim of 600 s that was put in, or is `gone`."""
    given = {"gone": False, "state": 1, "moving": False, "future": False, **more}
    return (
        step, given["gone"], claim, evse, car, from_s, given["state"], given["moving"],
        given["future"],
    )  # fmt: skip


def judged(folder: Path, *changes: Change) -> Trail:
    """What the judge says of a log with these rows."""
    schema, moment = fresh_schema(), Moment(time.time(), time.monotonic())
    PostgresClaims(cluster().dsn(), "north", folder, moment, schema=schema)
    log_changes(cluster().dsn(), schema)
    with driver().connect(cluster().dsn(), autocommit=True) as connection:
        for xid, gone, claim, evse, car, from_s, state, moving, future in changes:
            connection.execute(
                f"INSERT INTO {schema}.trail (xid, gone, claim_id, evse_id, vehicle_id, from_s,"
                " to_s, state, moving, future)"
                " VALUES (%s::text::xid8, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (xid, gone, claim, evse, car, from_s, from_s + 600.0, state, moving, future),
            )
    return trail(cluster().dsn(), schema)


def test_the_judge_counts_two_cars_at_one_place(tmp_path: Path) -> None:
    """Only after a whole step: within one, cars may change places."""
    a, b = change(1, "a", "E1", "car-1", 0.0), change(2, "b", "E1", "car-2", 599.0)
    touching = change(2, "b", "E1", "car-2", 600.0)
    gone = change(2, "a", "E1", "car-1", 0.0, gone=True)

    assert judged(tmp_path, a, b).overlaps == 1
    assert judged(tmp_path, a, touching).overlaps == 0
    assert judged(tmp_path, a, b, gone).overlaps == 0
    assert judged(tmp_path, a, change(2, "b", "E1", "car-2", 0.0, state=5)).overlaps == 0


def test_the_judge_counts_cars_with_two_places(tmp_path: Path) -> None:
    """Two while it moves, and a window of later beside them, are no fault."""
    a, b = change(1, "a", "E1", "car-1", 0.0), change(2, "b", "E2", "car-1", 0.0)
    moving = change(2, "b", "E2", "car-1", 0.0, moving=True)
    window = change(3, "c", "E3", "car-1", 0.0, future=True)
    second = change(4, "d", "E4", "car-1", 0.0, future=True)

    assert judged(tmp_path, a, b).double_cars == 1
    assert judged(tmp_path, a, moving, window).double_cars == 0
    assert judged(tmp_path, window, second).double_cars == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_small_run_of_the_bench_breaks_no_promise() -> None:
    """Two ledgers, an open loop and a failover: nothing double, nothing lost, one object."""
    needs_postgres()
    words = ("--attempts", "3000", "--seconds", "2", "--failovers", "1", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "bench.claims", "--engine", "postgres", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["engine"] == "postgres"
    assert told["attempts"] >= 3_000
    assert told["overlaps"] == told["double_cars"] == told["granted_lost"] == 0
    assert told["fences_rising"]
    assert told["changes"] > 0 < told["open_loop_granted"]
    assert told["failover_lost"] == 0 < told["failover_acknowledged"]
    assert told["outage_s"] > 0.0
