"""What a district costs by its size: `python -m bench.city --json`.

One coordinator process for each size with its bundled models, 2,000 cars in two client processes
each. A larger city is wider, not denser, so what a car can choose from is the same and what grows
is the city around it. All sizes are measured in turns, so that what else runs here hits all of
them; then each alone at half of its own saturation, at a pace that does not wait for answers. CPU
is the server process's own, all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import resident_mib
from bench.recommend import CARS, Side, fleets, server, settle
from bench.recommend_city import EVSES_PER_STATION, City, build
from coordinator.jobs.tastes import PERIOD_S as TASTES_S

SIZES = (1_000, 10_000, 100_000)
BASE = 10_000  # growth is told against this size
SETTLE_S = 900.0  # at most; the first knowledge map of a large city takes long


@dataclass
class Measured:
    """One size: its city, its server, and how long it took to be brought in."""

    city: City
    side: Side
    import_s: float
    settle_s: float = 0.0

    async def figures(self) -> dict[str, Any]:
        """What was measured of it."""
        told = await self.side.figures()
        kept = ("rate_per_s", "server_cpu_us", "p50_ms", "p99_ms")
        rss_mib, _ = resident_mib(self.side.pid)
        return {
            "evses": self.city.evses, "stations": self.city.stations,
            **{name: told[name] for name in kept},
            "held_share": self.side.share("held"), "degraded_share": self.side.share("degraded"),
            "rss_mib": rss_mib, "import_s": round(self.import_s, 1),
            "settle_s": round(self.settle_s, 1),
        }  # fmt: skip


async def measure(
    sizes: tuple[int, ...], rounds: int, seed: int, rest_s: float
) -> list[dict[str, Any]]:
    """Figures of each size."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for size in sizes:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="pilewise-bench-"))
            )
            process, address = stack.enter_context(server("product", folder))
            city, began_s = City(size // EVSES_PER_STATION), time.monotonic()
            await build(address, seed, city)
            took_s = time.monotonic() - began_s
            side = Side(process.pid, await fleets(address, seed, city=city))
            stack.push_async_callback(_end, side)
            found.append(Measured(city, side, took_s))
        await asyncio.sleep(rest_s)
        began_s = time.monotonic()
        for one in found:
            await settle(one.side.pid, SETTLE_S)
            one.settle_s = time.monotonic() - began_s
        for one in found:
            await one.side.round(counted=False)
        for _ in range(rounds):
            for one in found:
                await one.side.round(counted=True)
        return [await one.figures() for one in found]


async def _end(side: Side) -> None:
    for fleet in side.fleets:
        if fleet.returncode is None:
            fleet.kill()
        await fleet.wait()


def main() -> int:
    """Runs the sizes and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.city", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="EVSEs of each city")
    parser.add_argument("--rounds", type=int, default=4, help="how often every car asks, timed")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--rest-s", type=float, default=TASTES_S,
        help="seconds before cars ask: what drivers like is learnt once in the default",
    )  # fmt: skip
    options = parser.parse_args()
    sizes = tuple(int(size) for size in options.sizes.split(","))
    rows = asyncio.run(measure(sizes, options.rounds, options.seed, options.rest_s))
    if not options.json:
        for row in rows:
            print(json.dumps(row), file=sys.stderr)
    cpu_us = {row["evses"]: row["server_cpu_us"] for row in rows}
    base, largest = cpu_us.get(BASE), max(cpu_us)
    result = {
        "sizes": rows, "cars": CARS,
        "cpu_growth": round(cpu_us[largest] / base, 2) if base and largest > BASE else None,
        "p99_ms": rows[-1]["p99_ms"],
    }  # fmt: skip
    print(json.dumps(result, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
