"""Inputs that nobody should send, over real sockets: `python -m bench.fuzz --json --seed N`.

Half of them are valid frames that were changed, the rest hostile values in valid frames, random
bytes, and some valid ones. Counted are answers that nobody meant (UNKNOWN, INTERNAL, exceptions in
a room's log, a room that ends) and silence. The same seed and `--at-ms` make the same inputs; what
is found is kept in files that `--replay FILE` sends again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.fuzz.district import District
from bench.fuzz.input import Input
from bench.fuzz.plan import TRACKS, WEIGHTS, Range, missing, shares
from bench.fuzz.rooms import Rooms, stand_in
from bench.fuzz.run import Gunner

INPUTS = 200_000


def main() -> int:
    """Runs the fuzz and prints one JSON object as the last line; 1 if something was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--at-ms", type=int, default=int(time.time() * 1000), help="now, for inputs"
    )
    parser.add_argument("--only", default="", help="doors, by commas: " + ", ".join(WEIGHTS))
    parser.add_argument("--replay", type=Path, nargs="+", help="files of findings")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    options.findings = options.findings.resolve()
    options.replay = [path.resolve() for path in options.replay or ()]
    home = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="pilewise-fuzz-") as name:
        stand_in(Path(name))
        try:
            result = asyncio.run(fuzz(Path(name), options))
        finally:
            os.chdir(home)
    if not options.json:
        print(json.dumps(result, indent=2), file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return 1 if result["uncaught"] or result["hangs"] else 0


async def fuzz(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of a run, or of a replay."""
    ground = Range(folder, options.at_ms, Rooms(folder), District(""))
    gunner = Gunner(options.findings)
    begun_s = time.monotonic()
    try:
        names = [name for name in options.only.split(",") if name] or list(WEIGHTS)
        skipped = missing(names)
        names = [name for name in names if name not in skipped]
        await ground.start(names)
        if options.replay:
            await replayed(ground, gunner, options.replay)
        else:
            counts = shares(options.inputs, names)
            async with asyncio.TaskGroup() as tracks:
                for rooms in TRACKS:
                    work = track(ground, gunner, rooms, counts, options.seed)
                    tracks.create_task(work, name=f"fuzz:track {rooms}")
            await ground.reopen()
    finally:
        await ground.stop()
        if gunner.findings:
            ground.rooms.keep_logs(options.findings)
    return {**figures(gunner, options, time.monotonic() - begun_s), "skipped": skipped}


async def track(
    ground: Range, gunner: Gunner, rooms: tuple[str, ...], counts: dict[str, int], seed: int
) -> None:
    """The doors of some rooms, one after the other; other rooms are shot at meanwhile."""
    watched = ground.watched(rooms)
    for name in TRACKS[rooms]:
        if name in counts:
            rng = random.Random(f"{seed}/{name}")
            await gunner.shoot(ground.door(name), watched, rng, counts[name])


async def replayed(ground: Range, gunner: Gunner, paths: list[Path]) -> None:
    """Sends what the files keep, each to its door."""
    for path in paths:
        item = Input.from_json(json.loads(path.read_text()))
        (rooms,) = (rooms for rooms, names in TRACKS.items() if item.surface in names)
        await gunner.repeat(ground.door(item.surface), ground.watched(rooms), item)


def figures(gunner: Gunner, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Everything counted; what the command is judged by comes first."""
    tallies = gunner.tallies
    kinds: Counter[str] = sum((tally.kinds for tally in tallies.values()), Counter())
    inputs = sum(tally.inputs for tally in tallies.values())
    return {
        "inputs": inputs,
        "uncaught": sum(tally.uncaught for tally in tallies.values()),
        "hangs": sum(tally.hangs for tally in tallies.values()),
        "late": sum(tally.late for tally in tallies.values()),
        "mutated_share": round(kinds["mutated"] / max(inputs, 1), 4),
        "seconds": round(seconds, 1),
        "inputs_per_s": round(inputs / seconds, 1),
        "seed": options.seed,
        "at_ms": options.at_ms,
        "findings": [str(path) for path in gunner.files],
        "surfaces": {
            name: tally.figures(gunner.seconds.get(name, 0.0)) for name, tally in tallies.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
