"""What 2,000 simulated Modbus piles in one process cost, each polled for one block a second.

`python -m bench.firmware --json`: `firmware_sim` shows each pile on a port of its own, as gateways
meet them; cars charge at half of them. A bare poller asks all; `missed` counts polls without an
answer before the next one. The ceiling is a bare asyncio process that answers with ready frames.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from bench.agent_site import running
from bench.firmware_poller import Block, Tally, connect, poll
from bench.measure import cpu_s, percentile, resident_mib
from firmware_sim.limits import allow_open_files
from pilewise.v1 import bench_service_pb2 as pb
from pilewise.v1 import bench_service_pb2_grpc

# Currents, voltages, power, energy and state of a Terra AC: what an agent reads each second.
BLOCK: Final = Block(unit=1, address=0x4006, count=26)
_WARM_UP_S: Final = 3.0
_START_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command asks for."""

    piles: int
    seconds: float
    period_s: float
    charging: float
    seed: int


def config(asked: Asked) -> str:
    """The simulator's file."""
    lines = ["[sim]", "tick_s = 1.0", f"seed = {asked.seed}"]
    for number in range(asked.piles):
        lines += ["[[pile]]", f'pile_id = "M{number:04}"', 'face = "modbus"']
        lines += ['model = "abb-terra-ac"', "max_power_kw = 11.0"]
    return "\n".join(lines) + "\n"


async def plug_in(bench: str, evse_ids: list[str]) -> None:
    """Puts a car that charges for hours at each of these."""
    async with grpc.aio.insecure_channel(bench) as channel:
        stub = bench_service_pb2_grpc.BenchServiceStub(channel)
        for number, evse_id in enumerate(evse_ids):
            car = pb.PlugInRequest(evse_id=evse_id, battery_kwh=120, soc_pct=5 + number % 20)
            await stub.PlugIn(car, timeout=_START_S)


async def measure(pid: int, addresses: list[str], asked: Asked) -> dict[str, Any]:
    """What the process spends while its ports are polled, and how its answers come."""
    tally = Tally()
    lines = await connect(addresses, BLOCK, tally)
    await poll(lines, _WARM_UP_S, asked.period_s, counted=False)
    spent_s, began_s, own_s = cpu_s(pid), time.monotonic(), time.process_time()
    await poll(lines, asked.seconds, asked.period_s, counted=True)
    wall_s = time.monotonic() - began_s
    spent_s = cpu_s(pid) - spent_s
    own_s = time.process_time() - own_s
    for line in lines:
        line.finish()
    took_ms = sorted(took_s * 1000 for took_s in tally.took_s)
    now_mib, most_mib = resident_mib(pid)
    return {
        "polls": tally.polls,
        "missed": tally.missed,
        "wrong": tally.wrong,
        "cpu_share": round(spent_s / wall_s, 3),
        "cpu_us_per_poll": round(spent_s / max(tally.polls, 1) * 1e6, 1),
        "rss_mib": now_mib,
        "peak_rss_mib": most_mib,
        "p50_ms": percentile(took_ms, 0.5),
        "p99_ms": percentile(took_ms, 0.99),
        "poller_cpu_share": round(own_s / wall_s, 3),
    }


def piles_of(folder: Path, asked: Asked) -> dict[str, Any]:
    """The figures of the simulator."""
    file = folder / "piles.toml"
    file.write_text(config(asked))
    log = folder / "piles.log"
    began_s = time.monotonic()
    with running(log, "firmware_sim", "-c", str(file), "--log-level", "warning") as process:
        ready_s = time.monotonic() - began_s
        piles = process.ready["piles"]
        chosen = [pile["evses"][0] for pile in piles[: int(asked.charging * len(piles))]]
        asyncio.run(plug_in(process.ready["bench"], chosen))
        addresses = [pile["address"] for pile in piles]
        figures = asyncio.run(measure(process.pid, addresses, asked))
    return {"ready_s": round(ready_s, 1), "charging": len(chosen), **figures}


def ceiling_of(folder: Path, asked: Asked) -> dict[str, Any]:
    """The figures of the bare process."""
    command = ("bench.firmware_ceiling", str(asked.piles), str(BLOCK.count))
    with running(folder / "ceiling.log", *command) as process:
        addresses = [pile["address"] for pile in process.ready["piles"]]
        return asyncio.run(measure(process.pid, addresses, asked))


def report(asked: Asked) -> dict[str, Any]:
    """Both, side by side; raises SystemExit where the system does not allow so many sockets."""
    # This process holds a connection to each pile.
    allow_open_files(asked.piles + 100)
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        folder = Path(name)
        ceiling = ceiling_of(folder, asked)
        piles = piles_of(folder, asked)
    return {
        "piles": asked.piles,
        "seed": asked.seed,
        "seconds": asked.seconds,
        "period_s": asked.period_s,
        **piles,
        "cpu_ratio": round(piles["cpu_share"] / max(ceiling["cpu_share"], 1e-3), 2),
        **{f"ceiling_{name}": value for name, value in ceiling.items()},
    }


def main() -> None:
    """Prints the figures: for people, or one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.firmware")
    parser.add_argument("--piles", type=int, default=2000)
    parser.add_argument("--for", dest="seconds", type=float, default=30.0, help="seconds")
    parser.add_argument("--period", dest="period_s", type=float, default=1.0, help="seconds")
    parser.add_argument("--charging", type=float, default=0.5, help="share of piles with a car")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    told = report(Asked(**options))
    if as_json:
        print(json.dumps(told, separators=(",", ":")))
        return
    for name, value in told.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    sys.exit(main())
