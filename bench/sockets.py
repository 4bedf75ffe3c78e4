"""What ten thousand bad sockets cost good clients: `python -m bench.sockets --json`.

A real coordinator answers good clients, half of whose calls are Recommend, first alone and then
while processes open idle HTTP/2 connections, silent ones, half headers, calls without a request,
HTTP/1.1 and random bytes. Told are the good clients' times, how long the last bad socket stayed
after all were open, and what the coordinator's memory grew by. Then the same is done to a bare gRPC
server that answers without a thought (`bare_…`): what it cannot do, none built on it can. Kinds are
in `sockets_bad.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc

from bench.measure import cpu_s, percentile, resident_mib
from bench.sockets_bad import KINDS
from coordinator.rpc.limits import LIMITS
from pilewise.rooms import RoomProcess
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc
from pilewise.v1 import types_pb2 as nouns

COUNT, PROCESSES, GOOD = 10_000, 4, 8
P99_BUDGET_MS, GONE_BUDGET_S = 50.0, 15.0
PAUSE_S = 0.05  # between two calls of one good client
QUIET_S = 5.0
SIEGE_S = 15.0  # calls of good clients begun so long after the siege began count
GIVE_UP_S = 30.0
HERE = (22.54, 114.05)
DEADLINE_S = 150.0


class Good:
    """Clients that behave, and how long each of their calls took."""

    def __init__(self, target: str) -> None:
        self.times_ms: list[float] = []
        self.until_s = float("inf")  # calls begun later do not count
        self.failed: list[str] = []
        self._target = target

    async def run(self, name: str) -> None:
        """Asks until cancelled, on a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._target, options=options) as channel:
            stub, number = charging_rpc.ChargingServiceStub(channel), 0
            while True:
                number += 1
                begun_s = time.perf_counter()
                try:
                    await _ask(stub, name, number)
                except grpc.aio.AioRpcError as error:
                    self.failed.append(f"{error.code().name}: {error.details()}")
                if begun_s <= self.until_s:
                    self.times_ms.append(1_000 * (time.perf_counter() - begun_s))
                await asyncio.sleep(PAUSE_S)


async def _ask(stub: charging_rpc.ChargingServiceStub, name: str, number: int) -> None:
    where = nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1])
    if number % 2:
        request = charging.RecommendRequest(
            request_id=f"{name}-{number}",
            vehicle_id=name,
            soc_pct=50.0,
            position=where,
            vehicle=charging.VehicleProfile(battery_kwh=60.0),
        )
        await stub.Recommend(request, timeout=10)
        return
    south, west = HERE[0] - 0.1, HERE[1] - 0.1
    box = charging.BoundingBox(
        south_deg=south, west_deg=west, north_deg=south + 0.2, east_deg=west + 0.2
    )
    await stub.ListStations(charging.ListStationsRequest(box=box), timeout=10)


async def measure(folder: Path, count: int, kinds: str, per_peer: int) -> dict[str, Any]:
    """Figures of one run, of a coordinator and then of a bare server."""
    load = os.getloadavg()[0]
    config = folder / "coordinator.toml"
    config.write_text(
        f'[coordinator]\ndistrict = "bench"\ndata_dir = "{folder / "data"}"\n'
        f"[limits]\nconnections_per_peer = {per_peer}\n"
    )
    told = await _under_siege("coordinator", ("-c", str(config)), folder, count, kinds)
    bare = await _under_siege("bench.sockets_bare", (), folder, count, kinds)
    return {
        "bad_sockets": count,
        "connections_per_peer": per_peer,
        **told,
        "within_budget": bool(
            told["p99_ms"] <= P99_BUDGET_MS
            and told["gone_s"] <= GONE_BUDGET_S
            and not told["left"]
        ),
        **{
            f"bare_{name}": bare[name]
            for name in (
                "gone_s", "left", "p50_ms", "p99_ms", "max_ms", "quiet_p50_ms", "quiet_p99_ms",
                "server_cpu_s", "rss_growth_mib",
            )
        },
        "p99_to_bare": round(told["p99_ms"] / max(bare["p99_ms"], 1e-3), 2),
        "max_to_bare": round(told["max_ms"] / max(bare["max_ms"], 1e-3), 2),
        "gone_to_bare": round(told["gone_s"] / max(bare["gone_s"], 1e-3), 2),
        "machine_load": round(max(load, os.getloadavg()[0]), 2),
    }  # fmt: skip


async def _under_siege(
    module: str, words: tuple[str, ...], folder: Path, count: int, kinds: str
) -> dict[str, Any]:
    """Figures of one server, begun as a process of its own."""
    room = RoomProcess(module, words, folder / f"{module}.log")
    await room.start()
    try:
        if module == "coordinator":
            await _put_station(room.ready["grpc"])
        good = Good(room.ready["grpc"])
        clients = [
            asyncio.create_task(good.run(f"car-{n}"), name=f"bench:car-{n}") for n in range(GOOD)
        ]
        try:
            await asyncio.sleep(1.0)
            good.times_ms.clear()
            await asyncio.sleep(QUIET_S)
            quiet_ms, good.times_ms = sorted(good.times_ms), []
            before_mib, _ = resident_mib(room.pid)
            before_s = cpu_s(room.pid)
            good.until_s = time.perf_counter() + SIEGE_S
            told = await _besiege(room.ready["grpc"], count, kinds)
            used_s = cpu_s(room.pid) - before_s
            siege_ms, (_, most_mib) = sorted(good.times_ms), resident_mib(room.pid)
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)
        after_mib, _ = resident_mib(room.pid)
    finally:
        await room.stop()
    return {
        **told,
        "good_calls": len(siege_ms),
        "good_failed": len(good.failed),
        "p50_ms": percentile(siege_ms, 0.50),
        "p99_ms": percentile(siege_ms, 0.99),
        "max_ms": percentile(siege_ms, 1.0),
        "quiet_p50_ms": percentile(quiet_ms, 0.50),
        "quiet_p99_ms": percentile(quiet_ms, 0.99),
        "server_cpu_s": round(used_s, 1),
        "rss_growth_mib": round(most_mib - before_mib, 1),
        "rss_after_mib": after_mib,
        "failures": sorted(set(good.failed))[:4],
    }


async def _besiege(target: str, count: int, kinds: str) -> dict[str, Any]:
    """Opens bad sockets from processes with an address of their own each, until all are gone."""
    host, port = target.rsplit(":", 1)
    begun_s = time.monotonic()
    shares = [count // PROCESSES + (n < count % PROCESSES) for n in range(PROCESSES)]
    crowds = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.sockets_bad", host, port, str(share), f"127.0.9.{n + 1}",
            kinds, str(GIVE_UP_S), stdout=asyncio.subprocess.PIPE,
        )
        for n, share in enumerate(shares)
    ]  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE_S):
            opened = [await _line(crowd) for crowd in crowds]
            opened_s = time.monotonic()
            ended = [await _line(crowd) for crowd in crowds]
    finally:
        for crowd in crowds:
            if crowd.returncode is None:
                crowd.kill()
            await crowd.wait()
    longest: dict[str, float] = {}
    for end in ended:
        for kind, life_s in end["longest_s"].items():
            longest[kind] = max(longest.get(kind, 0.0), life_s)
    return {
        "opened": sum(line["opened"] for line in opened),
        "open_at_once": sum(line["open"] for line in opened),
        "opening_s": round(opened_s - begun_s, 1),
        "gone_s": max(end["gone_s"] for end in ended),
        "left": sum(sum(end["left"].values()) for end in ended),
        "longest_s": longest,
    }


async def _line(crowd: asyncio.subprocess.Process) -> Any:
    assert crowd.stdout is not None
    return json.loads(await crowd.stdout.readline())


async def _put_station(target: str) -> None:
    """A station with twenty EVSEs."""
    piles = [
        nouns.PileFacts(pile_id=f"P{n}", station_id="S1", evses=[nouns.Evse(evse_id=f"P{n}*1")])
        for n in range(20)
    ]
    station = nouns.Station(
        station_id="S1",
        name="Bench",
        position=nouns.Position(latitude_deg=HERE[0], longitude_deg=HERE[1]),
        piles=piles,
    )
    async with grpc.aio.insecure_channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        await stub.PutStations(op.PutStationsRequest(stations=[station]), timeout=10)


def main() -> int:
    """Measures and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.sockets", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--count", type=int, default=COUNT, help="bad sockets")
    parser.add_argument("--kinds", default=",".join(KINDS), help="what they do, by commas")
    parser.add_argument(
        "--per-peer", type=int, default=LIMITS.connections_per_peer,
        help="connections that one address may have",
    )  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        result = asyncio.run(measure(Path(name), options.count, options.kinds, options.per_peer))
    if not options.json:
        print(json.dumps(result, indent=2), file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
