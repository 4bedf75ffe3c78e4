"""Recommend with a durable hold against bare echo: `python -m bench.recommend --json`.

10,000 EVSEs in a real coordinator with its bundled models, 2,000 cars in two client processes, the
drivers of half of them with a history.
Every car gives back what it holds before it asks again; giving back is a phase of its own, and only
the Recommend phases are timed. The ceiling is a bare grpc.aio echo with messages of the same size,
called by like clients in turns with the product, so that whatever else runs on the machine hits
both. CPU is the server process's own, all threads.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import cpu_s, percentile
from bench.recommend_city import USUAL, City, build
from bench.recommend_tokens import identity_section
from coordinator.jobs.tastes import PERIOD_S as TASTES_S

CARS = 2_000
CLIENTS = 2
CHANNELS = 4
CONCURRENCY = 64  # requests on their way, of each client
CEILING_ROUNDS = 2  # of the ceiling for each of the product, which takes longer
SETTLE_S = 120.0
LOAD_OF_LATENCY = 0.5  # p50 and p99 are measured at this share of the own saturation


@dataclass
class Side:
    """One server, its clients, and what was measured of it so far."""

    pid: int
    fleets: list[asyncio.subprocess.Process]
    rounds: int = 0
    wall_s: float = 0.0
    used_s: float = 0.0
    released: int = 0
    release_s: float = 0.0
    answers: list[dict[str, Any]] = field(default_factory=list)

    async def round(self, counted: bool) -> None:
        """Every car asks, timed; then every car gives back, timed apart."""
        before = cpu_s(self.pid)
        said = await _tell(self.fleets, f"recommend {self.rounds} {CONCURRENCY}")
        used_s = cpu_s(self.pid) - before
        gave = await _tell(self.fleets, f"release {CONCURRENCY}")
        self.rounds += 1
        if counted:
            # Clients make their requests before they begin and read answers after they end.
            self.wall_s += max(answer["seconds"] for answer in said)
            self.used_s += used_s
            self.answers += said
            self.release_s += max(answer["seconds"] for answer in gave)
            self.released += sum(answer["count"] for answer in gave)

    async def figures(self) -> dict[str, Any]:
        """What was measured, and the time to an answer at half of this rate."""
        count = sum(answer["count"] for answer in self.answers)
        rate = count / self.wall_s
        pace = rate * LOAD_OF_LATENCY / len(self.fleets)
        paced = await _tell(self.fleets, f"paced {self.rounds} {pace:.3f}")
        times = sorted(ms for answer in paced for ms in answer["ms"])
        return {
            "rate_per_s": round(rate, 1),
            "server_cpu_us": round(self.used_s / count * 1e6, 1),
            "p50_ms": percentile(times, 0.50),
            "p99_ms": percentile(times, 0.99),
            "release_per_s": round(self.released / self.release_s, 1),
            "count": count,
            "request_bytes": self.mean("request_bytes"),
            "response_bytes": self.mean("response_bytes"),
        }

    def mean(self, name: str) -> int:
        """Mean of a sum that clients counted, over all answers."""
        counted = sum(answer["count"] for answer in self.answers)
        return int(sum(answer[name] for answer in self.answers) // max(counted, 1))

    def share(self, name: str) -> float:
        """Share of the answers that clients counted under this name."""
        counted = sum(answer["count"] for answer in self.answers)
        return round(sum(answer[name] for answer in self.answers) / counted, 4)


def main() -> int:
    """Runs both sides in turns and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.recommend", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=16.0, help="timed length of the product")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--tokens", action="store_true", help="every car shows a token of its own")
    options = parser.parse_args()
    product, ceiling, shares = asyncio.run(measure(options.seconds, options.seed, options.tokens))
    for side, figures in (("product", product), ("ceiling", ceiling)):
        if not options.json:
            print(f"{side}: {json.dumps(figures)}", file=sys.stderr)
    rate = product["rate_per_s"] / ceiling["rate_per_s"]
    cpu = ceiling["server_cpu_us"] / product["server_cpu_us"]
    result = {
        "ratio": round(min(rate, cpu), 3),
        "rate_ratio": round(rate, 3),
        "cpu_ratio": round(cpu, 3),
        **shares,
        "tokens": options.tokens,
        "evses": USUAL.evses,
        "cars": CARS,
        "product": product,
        "ceiling": ceiling,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def measure(
    seconds: float, seed: int, tokens: bool = False
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Figures of product and ceiling, taken in turns, so that what else runs here hits both."""
    with (
        tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder,
        server("product", Path(folder), tokens) as (process, address),
    ):
        await build(address, seed)
        await asyncio.sleep(TASTES_S)  # what drivers like is learnt once in this time
        await settle(process.pid)
        key = str(Path(folder) / "provider.pem") if tokens else ""
        product = Side(process.pid, await fleets(address, seed, key))
        await product.round(counted=False)
        # The first round warms up, and tells the ceiling how long answers are.
        await product.round(counted=True)
        sizes = [
            (abs(len(a["sample"]) // 2 - product.mean("response_bytes")), a["sample"])
            for a in product.answers
        ]
        (Path(folder) / "response").write_bytes(bytes.fromhex(min(sizes)[1]))
        with server("ceiling", Path(folder)) as (bare, echo):
            ceiling = Side(bare.pid, await fleets(echo, seed))
            await ceiling.round(counted=False)
            while product.wall_s < seconds:
                await product.round(counted=True)
                for _ in range(CEILING_ROUNDS):
                    await ceiling.round(counted=True)
            shares = {f"{name}_share": product.share(name) for name in ("held", "degraded")}
            results = await product.figures(), await ceiling.figures(), shares
            for fleet in (*product.fleets, *ceiling.fleets):
                fleet.kill()
                await fleet.wait()
    return results


async def settle(pid: int, most_s: float = SETTLE_S) -> None:
    """Returns once the server rests: what an import sets off is no part of an answer."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        before = cpu_s(pid)
        await asyncio.sleep(1.0)
        if cpu_s(pid) - before < 0.05:
            return


async def fleets(
    address: str, seed: int, key: str = "", city: City = USUAL
) -> list[asyncio.subprocess.Process]:
    """Client processes with all cars among them."""
    cars = CARS // CLIENTS
    return [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.recommend_client",
            address,
            *map(str, (number * cars, cars, seed, CHANNELS, city.stations)),
            *([key] if key else []),
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
def server(
    side: str, folder: Path, tokens: bool = False
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server process and its address."""
    if side == "product":
        config = folder / "coordinator.toml"
        config.write_text(
            f'[coordinator]\ndistrict = "bench"\ndata_dir = "{folder / "data"}"\n'
            "agent_open = true\nstale_after_s = 86400.0\n"
            + (identity_section(folder) if tokens else "")
        )
        command = ["-m", "coordinator", "-c", str(config), "--log-level", "warning"]
    else:
        command = ["-m", "bench.recommend_ceiling", str(folder / "response")]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["grpc"]
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
