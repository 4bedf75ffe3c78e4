"""Kills the load of the ledger at random points and looks up what it had been told.

A line is written by the load only once the ledger has answered, so everything that was read here
must be on the disk: the grant itself, or what became of it later.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from bench.claims_audit import Audit, audit, kept_fences
from coordinator.core.areas.ledger import Moment
from coordinator.store.claims_sqlite import SqliteClaims

READY_S = 60.0
LEAST_S, MOST_S = 0.02, 1.5  # between the first line and the kill
RESTART_S = 30.0  # of domain time between two processes


@dataclass
class Told:
    """What the processes were told, over all of them."""

    states: dict[str, int] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    fences_fallen: int = 0

    def line(self, text: str) -> None:
        """Takes a line; the last one may have been cut by the kill."""
        match text.split():
            case ["claim", name, state]:
                self.states[name] = int(state)
            case ["fence", evse_id, fence]:
                self.fences_fallen += int(fence) <= self.fences.get(evse_id, 0)
                self.fences[evse_id] = int(fence)


def killed(path: Path, kills: int, seed: int) -> dict[str, Any]:
    """Figures over so many killed processes, one after the other, on one file."""
    rng, told, begin_s = random.Random(seed), Told(), 1_800_000_000.0
    lost = undone = unlike = 0
    reopened_ms = []
    for number in range(kills):
        _run_and_kill(path, seed + number, begin_s, rng.uniform(LEAST_S, MOST_S), told)
        begin_s = _newest_s(path, begin_s) + RESTART_S
        found = audit(path)
        lost = sum(name not in found.states for name in told.states)
        undone = sum(found.states.get(name, 0) < state for name, state in told.states.items())
        begun_s = time.perf_counter()
        unlike += asyncio.run(_unlike(path, begin_s, found))
        reopened_ms.append((time.perf_counter() - begun_s) * 1000.0)
    kept = kept_fences(path)
    return {
        "kills": kills,
        "granted": len(told.states),
        "granted_lost": lost,
        "told_undone": undone,
        "live_unlike_journal": unlike,
        "overlaps": found.overlaps,
        "double_cars": found.double_cars,
        "fences_rising": told.fences_fallen == 0,
        "fences_lost": sum(kept.get(evse, 0) < fence for evse, fence in told.fences.items()),
        "steps": found.steps,
        "reopened_max_ms": round(max(reopened_ms), 1),
        "seed": seed,
    }


def _run_and_kill(path: Path, seed: int, begin_s: float, after_s: float, told: Told) -> None:
    command = [sys.executable, "-m", "bench.claims_load", str(path), str(seed), str(begin_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = threading.Event()
        reader = threading.Thread(target=_read, args=(process.stdout, told, ready))
        reader.start()
        try:
            if not ready.wait(READY_S):
                raise TimeoutError(f"the load did not begin within {READY_S:.0f} s")
            time.sleep(after_s)
        finally:
            process.send_signal(signal.SIGKILL)
            reader.join()
            process.wait()


def _read(lines: IO[str], told: Told, ready: threading.Event) -> None:
    for line in lines:
        ready.set()
        if line.endswith("\n"):
            told.line(line)


def _newest_s(path: Path, begin_s: float) -> float:
    connection = sqlite3.connect(path)
    try:
        newest = connection.execute("SELECT max(at_s) FROM step").fetchone()[0]
    finally:
        connection.close()
    return max(begin_s, newest or begin_s)


async def _unlike(path: Path, now_s: float, found: Audit) -> int:
    """Claims that live in the reopened ledger and not by its journal, or the other way round."""
    store = SqliteClaims(path, Moment(now_s, 1_000.0))
    live = {claim.claim_id for claim in store.table.live()}
    await store.close()
    return len(live ^ found.live)
