"""Recommend with a durable hold against bare echo: `python -m bench.recommend --json`.

10,000 EVSEs in a real coordinator with its bundled models, 2,000 cars in two client processes.
Every car gives back what it holds before it asks again; giving back is a phase of its own, and only
the Recommend phases are timed. The ceiling is a bare grpc.aio echo with messages of the same size,
called by the same clients. CPU is the server process's own, all threads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import cpu_s, percentile
from bench.recommend_city import EVSES, build

CARS = 2_000
CLIENTS = 2
CHANNELS = 4
CONCURRENCY = 32  # requests on their way, of each client
SETTLE_S = 120.0
LOAD_OF_LATENCY = 0.5  # p50 and p99 are measured at this share of the own saturation


def main() -> int:
    """Runs both sides, the product first, and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.recommend", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=8.0, help="timed length of each side")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    product = asyncio.run(measure("product", 0, options.seconds, options.seed))
    ceiling = asyncio.run(
        measure("ceiling", product["response_bytes"], options.seconds, options.seed)
    )
    for side, figures in (("product", product), ("ceiling", ceiling)):
        if not options.json:
            print(f"{side}: {json.dumps(figures)}", file=sys.stderr)
    rate = product["rate_per_s"] / ceiling["rate_per_s"]
    cpu = ceiling["server_cpu_us"] / product["server_cpu_us"]
    result = {
        "ratio": round(min(rate, cpu), 3),
        "rate_ratio": round(rate, 3),
        "cpu_ratio": round(cpu, 3),
        "held_share": product.pop("held_share"),
        "degraded_share": product.pop("degraded_share"),
        "evses": EVSES,
        "cars": CARS,
        "product": product,
        "ceiling": ceiling,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def measure(side: str, response_bytes: int, seconds: float, seed: int) -> dict[str, Any]:
    """Figures of one side."""
    with (
        tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder,
        _server(side, Path(folder), response_bytes) as (process, address),
    ):
        if side == "product":
            await build(address, seed)
            await _settle(process.pid)
        fleets = await _fleets(address, seed)
        try:
            return await _measure(fleets, process.pid, seconds)
        finally:
            for fleet in fleets:
                fleet.kill()
                await fleet.wait()


async def _measure(
    fleets: list[asyncio.subprocess.Process], pid: int, seconds: float
) -> dict[str, Any]:
    answers: list[dict[str, Any]] = []
    wall_s = used_s = release_s = 0.0
    round_number = released = 0
    while wall_s < seconds:
        before, begin = cpu_s(pid), time.perf_counter()
        said = await _tell(fleets, f"recommend {round_number} {CONCURRENCY}")
        took_s, cost_s = time.perf_counter() - begin, cpu_s(pid) - before
        if round_number > 0:  # the first round warms up
            # Clients make their requests before they begin and read answers after they end.
            wall_s += max(answer["seconds"] for answer in said)
            used_s += cost_s
            answers += said
        round_number += 1
        assert took_s < 120
        gave = await _tell(fleets, f"release {CONCURRENCY}")
        release_s += max(answer["seconds"] for answer in gave)
        released += sum(answer["count"] for answer in gave)
    count = sum(answer["count"] for answer in answers)
    rate = count / wall_s
    pace = rate * LOAD_OF_LATENCY / len(fleets)
    paced = await _tell(fleets, f"paced {round_number} {pace:.3f}")
    times = sorted(ms for answer in paced for ms in answer["ms"])
    return {
        "rate_per_s": round(rate, 1),
        "server_cpu_us": round(used_s / count * 1e6, 1),
        "p50_ms": percentile(times, 0.50),
        "p99_ms": percentile(times, 0.99),
        "release_per_s": round(released / release_s, 1),
        "count": count,
        "request_bytes": sum(answer["request_bytes"] for answer in answers) // count,
        "response_bytes": sum(answer["response_bytes"] for answer in answers) // count,
        "held_share": round(sum(answer["held"] for answer in answers) / count, 4),
        "degraded_share": round(sum(answer["degraded"] for answer in answers) / count, 4),
    }


async def _settle(pid: int) -> None:
    """Returns once the server rests: what an import sets off is no part of an answer."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        before = cpu_s(pid)
        await asyncio.sleep(1.0)
        if cpu_s(pid) - before < 0.05:
            return


async def _fleets(address: str, seed: int) -> list[asyncio.subprocess.Process]:
    cars = CARS // CLIENTS
    return [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.recommend_client",
            address,
            *map(str, (number * cars, cars, seed, CHANNELS)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        for number in range(CLIENTS)
    ]


async def _tell(fleets: list[asyncio.subprocess.Process], command: str) -> list[dict[str, Any]]:
    """What every fleet answers to a command."""
    for fleet in fleets:
        assert fleet.stdin is not None
        fleet.stdin.write(f"{command}\n".encode())
    answers = []
    for fleet in fleets:
        assert fleet.stdout is not None
        answers.append(json.loads(await fleet.stdout.readline()))
    return answers


@contextmanager
def _server(
    side: str, folder: Path, response_bytes: int
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server process and its address."""
    if side == "product":
        config = folder / "coordinator.toml"
        config.write_text(
            f'[coordinator]\ndistrict = "bench"\ndata_dir = "{folder / "data"}"\n'
            "agent_open = true\nstale_after_s = 86400.0\n"
        )
        command = ["-m", "coordinator", "-c", str(config), "--log-level", "warning"]
    else:
        command = ["-m", "bench.recommend_ceiling", str(response_bytes)]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["grpc"]
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
