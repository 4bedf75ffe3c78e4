"""Reads files as the rooms do, one after the other, and says what each came to.

A process of its own: one line of JSON in (kind and path), one line out. What is read here is read
by the very functions that the rooms and commands call; a file may be refused with an error of the
room's own, and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from bench.fuzz.file_samples import MODEL, TRIAL
from coordinator import importers
from coordinator.config import read_config
from coordinator.errors import CoordinatorError
from coordinator.importers.context import load_context
from coordinator.importers.piles import load_piles
from coordinator.importers.records import load_requests, load_sessions
from coordinator.importers.tables import load_outages
from coordinator.models.bundle import load
from coordinator.models.trial import try_out
from coordinator.token_file import TokenFileWrong, read_tokens
from edge_agent.config_file import load_config as load_agent
from edge_agent.errors import AgentError
from edge_agent.profile_files import read_profile
from firmware_sim.bench.scenario.reading import load as load_scenario
from firmware_sim.bench.tape.tape import read_tape
from firmware_sim.config import load_config as load_sim
from firmware_sim.errors import FirmwareError

REFUSALS = (CoordinatorError, AgentError, FirmwareError, TokenFileWrong)


class Refused(Exception):
    """A reader that gives its faults back instead of raising them found some."""


def _profile(path: Path) -> None:
    profile, problems = read_profile(path)
    if profile is None or problems:
        raise Refused(str(problems[:1]))


def _tape(path: Path) -> None:
    bad: list[str] = []
    for _ in read_tape(path, lambda number, why: bad.append(f"{number}: {why}")):
        pass
    if bad:
        raise Refused(bad[0])


def _bundle(path: Path) -> None:
    load(path.parent)


def _trial(path: Path) -> None:
    """As a coordinator loads a bundle that it does not know: in a process that may die of it."""
    try_out(path.parent)


READERS: dict[str, Callable[[Path], object]] = {
    "coordinator/config.toml": read_config,
    "coordinator/context.csv": load_context,
    "coordinator/context.json": load_context,
    "coordinator/golden.json": _bundle,
    "coordinator/manifest.json": _bundle,
    MODEL: _bundle,
    TRIAL: _trial,
    "coordinator/outages.csv": load_outages,
    "coordinator/owners.csv": importers.load_owners,
    "coordinator/piles.csv": load_piles,
    "coordinator/requests.csv": load_requests,
    "coordinator/roads.csv": importers.load_roads,
    "coordinator/sessions.csv": load_sessions,
    "coordinator/stations.csv": importers.load_stations,
    "coordinator/stations.json": importers.load_stations,
    "coordinator/tariffs.csv": importers.load_tariffs,
    "coordinator/tariffs.json": importers.load_tariffs,
    "coordinator/tokens.txt": read_tokens,
    "coordinator/users.csv": importers.load_users,
    "edge_agent/config.toml": load_agent,
    "edge_agent/profile.toml": _profile,
    "firmware_sim/config.toml": load_sim,
    "firmware_sim/scenario.toml": load_scenario,
    "firmware_sim/tape.gz": _tape,
    "firmware_sim/tape.jsonl": _tape,
}


def read(kind: str, path: Path) -> dict[str, str]:
    """What reading the file came to: OK, refused, or an exception that nobody meant.

    >>> read("coordinator/config.toml", Path("/nonexistent"))["word"]
    'refused'
    """
    try:
        READERS[kind](path)
    except (*REFUSALS, Refused):
        return {"word": "refused"}
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return {"word": type(error).__name__, "bad": traceback.format_exc(limit=-9)}
    return {"word": "OK"}


def main() -> int:
    """Answers until its input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        begun_s = time.monotonic()
        told = read(asked["kind"], Path(asked["path"]))
        told["s"] = f"{time.monotonic() - begun_s:.3f}"
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
