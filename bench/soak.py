"""What hours of ordinary trouble leave behind: `python -m bench.soak --json [--minutes 30]`.

A coordinator process answers cars that hang up, agents and operators that come and go, and changes
its models every ten seconds. Told are the slope of its memory after the first third, descriptors
and tasks at the begin and after the load has gone, and streams that are left. Until 50,000 claims
have ended, the process's memory of them grows; with `--kept 300` it remembers little
(`soak_room.py`), and what grows after a minute is a leak. The load is in `soak_load.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

import coordinator.models
from bench.measure import resident_mib
from bench.soak_load import Load
from pilewise.rooms import RoomProcess
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

EVERY_S = 5.0
SWAP_WAIT_S = 60.0
SETTLE_S = 30.0  # for the last streams to end
Sample = tuple[float, float, int, float]  # when, MiB, descriptors, tasks


def _room(folder: Path, kept: int) -> RoomProcess:
    """The coordinator, not yet started; with `kept` answers in memory unless that is 0."""
    config = folder / "coordinator.toml"
    config.write_text(
        f'[coordinator]\ndistrict = "soak"\ndata_dir = "{folder / "data"}"\nstale_after_s = 600\n'
        "[models]\nallow_unsigned = true\n"
    )
    args = ("-c", str(config))
    log = folder / "coordinator.log"
    if kept:
        return RoomProcess("bench.soak_room", (str(kept), *args), log)
    return RoomProcess("coordinator", args, log)


async def measure(folder: Path, minutes: float, seed: int, kept: int = 0) -> dict[str, Any]:
    """Figures of one run."""
    bundle = folder / "other"
    shutil.copytree(Path(coordinator.models.__file__).with_name("bundled"), bundle)
    room = _room(folder, kept)
    await room.start()
    try:
        async with grpc.aio.insecure_channel(room.ready["grpc"]) as channel:
            operator = op_rpc.OperatorServiceStub(channel)
            before = await _indexes(operator)
            disk_begin_mib = disk_mib(folder / "data")
            begin = await _sample(room.pid, operator)
            load = Load(room.ready["grpc"], bundle, seed)
            samples = await _under(load, room.pid, operator, minutes)
            left = await _settled(operator, before)
            end = await _sample(room.pid, operator)
            disk_grown_mib = disk_mib(folder / "data") - disk_begin_mib
    finally:
        await room.stop()
    answers = load.done["recommended"] + load.done["cancelled"]
    settled = samples[len(samples) // 3 :]
    return {
        "minutes": minutes,
        "kept": kept or "as shipped",
        "rss_slope_mib_per_h": slope_per_h(settled),
        "rss_begin_mib": begin[1],
        "rss_settled_mib": settled[0][1] if settled else None,
        "rss_end_mib": end[1],
        "rss_most_mib": max(sample[1] for sample in [begin, *samples, end]),
        "disk_grown_mib": round(disk_grown_mib, 1),
        "disk_kib_an_answer": round(1_024 * disk_grown_mib / max(answers, 1), 2),
        "fds_begin": begin[2],
        "fds_most": max(sample[2] for sample in [begin, *samples]),
        "fds_end": end[2],
        "tasks_begin": begin[3],
        "tasks_most": max(sample[3] for sample in [begin, *samples]),
        "tasks_end": end[3],
        "streams_left": left,
        **{name: load.done[name] for name in DONE},
        "failed": dict(load.failed),
        "samples": len(samples),
        "machine_load": round(os.getloadavg()[0], 2),
    }


DONE = (
    "recommended", "cancelled", "guided", "reconnects", "agent_returns", "watches", "model_swaps",
    "swaps_refused",
)  # fmt: skip


async def _under(
    load: Load, pid: int, operator: op_rpc.OperatorServiceStub, minutes: float
) -> list[Sample]:
    """Samples taken while the load goes on."""
    work = asyncio.create_task(load.run(), name="bench:load")
    samples: list[Sample] = []
    end_s = time.monotonic() + 60 * minutes
    try:
        # A bundle's trial takes long beside other work; a soak has changed models at least once.
        while time.monotonic() < end_s + (0 if load.swapped else SWAP_WAIT_S):
            await asyncio.sleep(min(EVERY_S, 6 * minutes))
            samples.append(await _sample(pid, operator))
            if work.done():
                break
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    return samples


async def _sample(pid: int, operator: op_rpc.OperatorServiceStub) -> Sample:
    indexes = await _indexes(operator)
    memory_mib, _ = resident_mib(pid)
    return time.monotonic(), memory_mib, _descriptors(pid), indexes["loop_tasks"]


async def _indexes(operator: op_rpc.OperatorServiceStub) -> dict[str, float]:
    answer = await operator.GetIndexes(op.GetIndexesRequest(), timeout=30)
    return dict(answer.indexes)


async def _settled(operator: op_rpc.OperatorServiceStub, before: dict[str, float]) -> int:
    """Streams that are left when nobody is there any more, and tasks have had time to end."""
    end_s = time.monotonic() + SETTLE_S
    while True:
        await asyncio.sleep(0.5)
        now = await _indexes(operator)
        left, tasks = (now[name] - before[name] for name in ("open_streams", "loop_tasks"))
        if (left <= 0 and tasks <= 0) or time.monotonic() > end_s:
            return int(left)


def slope_per_h(samples: list[Sample]) -> float | None:
    """The straight line through the samples' memory, MiB an hour; None for too few.

    >>> slope_per_h([(0.0, 100.0, 0, 0), (1800.0, 101.0, 0, 0), (3600.0, 102.0, 0, 0)])
    2.0
    """
    if len(samples) < 3:
        return None
    mean_s = sum(sample[0] for sample in samples) / len(samples)
    mean_mib = sum(sample[1] for sample in samples) / len(samples)
    spread = sum((sample[0] - mean_s) ** 2 for sample in samples)
    together = sum((sample[0] - mean_s) * (sample[1] - mean_mib) for sample in samples)
    return round(3_600 * together / spread, 2)


def disk_mib(folder: Path) -> float:
    """What the files of a folder take, MiB; those that go while it is looked at count as gone."""
    sizes = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            sizes += path.stat().st_size
    return sizes / 2**20


def _descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def main() -> int:
    """Measures and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--kept", type=int, default=0, help="promises, answers and claims remembered; 0: as shipped"
    )
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        result = asyncio.run(measure(Path(name), options.minutes, options.seed, options.kept))
    if not options.json:
        print(json.dumps(result, indent=2), file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
