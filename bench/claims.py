"""The ledger under contention, on disk: `python -m bench.claims --json`.

Many tasks want the same few EVSEs at once; what was granted is confirmed, used, moved, overrun or
left to lapse. Afterwards the journal is read from the disk by `claims_audit.py`, which knows
nothing of the ledger, and counts overlaps and cars with two places. The ceiling is as many rows of
the same size, in groups as large, through a bare SQLite connection (FULL). With `--kill` the load
is a process that gets SIGKILL at random points; what it was told before is then looked up. With
`--engine postgres` two ledgers share a private PostgreSQL: see `claims_postgres.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.claims_audit import audit, kept_fences
from bench.claims_kill import killed
from bench.claims_load import BEGIN, CARS, EVSES, TASKS, Load
from bench.claims_postgres import measured
from bench.measure import percentile
from coordinator.store.claims_sqlite import SqliteClaims

ATTEMPTS = 200_000
KILLS = 25


def main() -> int:
    """Runs the load and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=30.0, help="postgres: of the open loop")
    parser.add_argument("--failovers", type=int, default=3, help="postgres: primaries killed")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--tasks", type=int, default=TASKS, help="attempts that wait at once")
    parser.add_argument("--kill", action="store_true", help="SIGKILL the load again and again")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the file is made; must be on a disk")
    options = parser.parse_args()
    if options.engine == "postgres":
        result = measured(
            options.attempts, options.tasks, options.seconds, options.failovers, options.seed
        )
        return _told(result, options.json)
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-", dir=options.folder) as name:
        path = Path(name) / "claims.db"
        if options.kill:
            result = killed(path, options.kills, options.seed)
        else:
            result = asyncio.run(contended(path, options.attempts, options.tasks, options.seed))
    return _told(result, options.json)


def _told(result: dict[str, Any], only_json: bool) -> int:
    if not only_json:
        print(json.dumps(result, indent=2), file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def contended(path: Path, attempts: int, tasks: int, seed: int) -> dict[str, Any]:
    """Figures of one run, and of the bare ceiling after it."""
    store = SqliteClaims(path, BEGIN)
    load = Load(store, seed)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    await load.run(attempts, tasks)
    seconds, used_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    await store.close()
    found = audit(path)
    rows = found.steps + sum(map(len, load.fences.values()))
    ceiling = bare_rows_per_s(path.with_name("bare.db"), path, tasks)
    times = sorted(load.granted_ms)
    return {
        "attempts": load.attempts,
        "granted_share": round(load.granted / load.attempts, 4),
        "overlaps": found.overlaps,
        "double_cars": found.double_cars,
        "granted_lost": sum(name not in found.states for name in load.told),
        "fences_rising": fences_rising(load.fences, kept_fences(path)),
        "p50_ms": percentile(times, 0.50),
        "p99_ms": percentile(times, 0.99),
        "max_ms": round(times[-1], 3) if times else None,
        "seconds": round(seconds, 1),
        "attempts_per_s": round(load.attempts / seconds, 1),
        "cpu_us_per_attempt": round(used_s / load.attempts * 1e6, 1),
        "rows": rows,
        "rows_per_s": round(rows / seconds, 1),
        "ceiling_rows_per_s": round(ceiling, 1),
        "fences": sum(map(len, load.fences.values())),
        "tasks": tasks,
        "evses": EVSES,
        "cars": CARS,
        "seed": seed,
    }


def fences_rising(told: dict[str, list[int]], kept: dict[str, int]) -> bool:
    """Whether each EVSE's fences rose strictly, in the order told, and the last is on the disk."""
    return all(
        all(one < other for one, other in pairwise(fences)) and kept.get(evse_id, 0) >= fences[-1]
        for evse_id, fences in told.items()
    )


def bare_rows_per_s(path: Path, source: Path, group: int) -> float:
    """Rows a second of the same bytes in groups of this size through a bare connection, FULL."""
    with sqlite3.connect(source) as stored:
        bodies = [(bytes(body),) for (body,) in stored.execute("SELECT claims FROM step")]
    stored.close()
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE step (seq INTEGER PRIMARY KEY, claims BLOB)")
        begun_s = time.perf_counter()
        for rows in _groups(bodies, group):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO step (claims) VALUES (?)", rows)
            connection.execute("COMMIT")
        return len(bodies) / (time.perf_counter() - begun_s)
    finally:
        connection.close()
        path.unlink()


def _groups(rows: Sequence[tuple[bytes]], size: int) -> Iterable[Sequence[tuple[bytes]]]:
    return (rows[begin : begin + size] for begin in range(0, len(rows), size))


if __name__ == "__main__":
    sys.exit(main())
