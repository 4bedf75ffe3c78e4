"""What watching tabs cost a coordinator: `python -m bench.web --json [--clients 20]`.

A real coordinator with 200 stations of 5 EVSEs takes in status changes at a steady rate and guides
cars that report where they are. Its CPU is read from /proc, in turns without tabs and with them;
each tab reads the stream of the operator's page over its own connection. `clients_cpu_share` is the
difference, in shares of one core; the budget is 0.1 for 20 tabs. There is no ceiling here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from bench.measure import cpu_s, resident_mib
from pilewise.rooms import RoomProcess
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import charging_service_pb2_grpc as charging_rpc
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc as edge_rpc
from pilewise.v1 import types_pb2 as nouns

STATIONS, EVSES = 200, 5
BUDGET = 0.1  # of a core, for 20 tabs
ROUNDS = 2
SETTLE_S = 2.0
AT_ONCE = 100  # records of a batch
PLACE = (22.54, 114.05)
GBT_DC = nouns.CONNECTOR_STANDARD_GBT_DC
STATUSES = (
    nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_CHARGING, nouns.EVSE_STATUS_BLOCKED,
)  # fmt: skip


@dataclass
class Tally:
    """What the tabs of all rounds were sent."""

    frames: int = 0
    bytes: int = 0
    kinds: set[str] = field(default_factory=set)


def main() -> int:
    """Measures and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the JSON object only")
    parser.add_argument("--clients", type=int, default=20, help="tabs that watch")
    parser.add_argument("--changes", type=float, default=10.0, help="status changes a second")
    parser.add_argument("--cars", type=int, default=20, help="cars that are guided")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each of four turns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        result = asyncio.run(measure(Path(name), options))
    if not options.json:
        print(f"with tabs {result['cpu_share_with']}, without {result['cpu_share_without']}",
              file=sys.stderr)  # fmt: skip
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of a coordinator in turns without tabs and with them."""
    load, tally = os.getloadavg()[0], Tally()
    without, with_tabs = [], []
    async with coordinator(folder) as room, grpc.aio.insecure_channel(room.ready["grpc"]) as link:
        work = [
            asyncio.create_task(report(link, options.changes), name="bench:report"),
            *(asyncio.create_task(drive(link, n), name="bench:car") for n in range(options.cars)),
        ]
        try:
            for _ in range(ROUNDS):
                without.append(await share(room.pid, options.seconds))
                async with tabs(room.ready["web"], options.clients, tally):
                    with_tabs.append(await share(room.pid, options.seconds))
            broken = [repr(task.exception()) for task in work if task.done()]
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        memory_mib, _ = resident_mib(room.pid)
    extra = sum(with_tabs) / ROUNDS - sum(without) / ROUNDS
    return {
        "clients": options.clients,
        "clients_cpu_share": round(extra, 4),
        "within_budget": bool(extra < BUDGET and not broken),
        "cpu_share_without": round(sum(without) / ROUNDS, 4),
        "cpu_share_with": round(sum(with_tabs) / ROUNDS, 4),
        "frames_per_client_s": round(
            tally.frames / max(1, options.clients) / (ROUNDS * (options.seconds + SETTLE_S)), 2
        ),
        "bytes_per_frame": round(tally.bytes / max(1, tally.frames)),
        "rss_mib": memory_mib,
        "evses": STATIONS * EVSES,
        "changes_per_s": options.changes,
        "cars": options.cars,
        "seconds": options.seconds,
        "machine_load": round(max(load, os.getloadavg()[0]), 2),
        "broken": broken,
    }


@contextlib.asynccontextmanager
async def coordinator(folder: Path) -> AsyncIterator[RoomProcess]:
    """A coordinator with its page, on free ports."""
    config = folder / "coordinator.toml"
    config.write_text(
        f'[coordinator]\ndistrict = "bench"\ndata_dir = "{folder / "data"}"\nstale_after_s = 600\n'
        '[web]\nlisten = "127.0.0.1:0"\n'
    )
    room = RoomProcess("coordinator", ("-c", str(config)), folder / "coordinator.log")
    await room.start()
    try:
        yield room
    finally:
        await room.stop()


async def share(pid: int, seconds: float) -> float:
    """CPU of a process over so long, in shares of one core."""
    await asyncio.sleep(SETTLE_S)
    used_s, begin_s = cpu_s(pid), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - used_s) / (time.monotonic() - begin_s)


@contextlib.asynccontextmanager
async def tabs(url: str, count: int, tally: Tally) -> AsyncIterator[None]:
    """So many streams, read all the while."""
    tasks = [asyncio.create_task(watch(url, n, tally), name="bench:tab") for n in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def watch(url: str, number: int, tally: Tally) -> None:
    """Reads one stream until cancelled."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**22)
    head = f"GET /api/stream?tab=bench-{number} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n"
    try:
        writer.write(head.encode())
        while line := await reader.readline():
            tally.bytes += len(line)
            if line.startswith(b"event: "):
                tally.frames += 1
                tally.kinds.add(line[7:].decode().strip())
    finally:
        writer.close()


async def report(channel: grpc.aio.Channel, changes_per_s: float) -> None:
    """One agent that brings all piles and reports changes of status at a steady rate."""
    rng = random.Random(7)
    call = edge_rpc.EdgeServiceStub(channel).Connect()
    hello = edge.Hello(agent_id="bench", spool_id="bench", next_record_seq=1, piles=piles())
    await call.write(edge.ConnectRequest(hello=hello))
    await call.read()
    drain = asyncio.create_task(_drain(call), name="bench:drain")
    names = [evse.evse_id for pile in hello.piles for evse in pile.evses]
    number = 1
    try:
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            await call.write(batch(number, some, [nouns.EVSE_STATUS_AVAILABLE] * len(some)))
            number += len(some)
        while True:
            await asyncio.sleep(1.0 / changes_per_s)
            await call.write(batch(number, [rng.choice(names)], [rng.choice(STATUSES)]))
            number += 1
    finally:
        drain.cancel()
        call.cancel()


async def _drain(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def piles() -> list[nouns.PileFacts]:
    """All piles of the bench, stations on a square."""
    plug = nouns.Connector(
        connector_id="1", standard=GBT_DC, power_type=nouns.POWER_TYPE_DC, max_power_kw=60
    )
    return [
        nouns.PileFacts(
            pile_id=f"S{station}-{number}",
            station_id=f"S{station}",
            position=nouns.Position(
                latitude_deg=PLACE[0] + 0.005 * (station // 14),
                longitude_deg=PLACE[1] + 0.005 * (station % 14),
            ),
            evses=[nouns.Evse(evse_id=f"S{station}-{number}*1", connectors=[plug])],
        )
        for station in range(STATIONS)
        for number in range(EVSES)
    ]


def batch(first: int, names: list[str], statuses: list[Any]) -> edge.ConnectRequest:
    """A batch of statuses, one row an EVSE."""
    at_ms = int(time.time() * 1000)
    made = edge.ReportBatch(
        spool_id="bench",
        first_record_seq=first,
        record_count=len(names),
        evse_ids=names,
        evse_index=range(len(names)),
        kind=[edge.RECORD_KIND_STATUS] * len(names),
        observed_at_ms=[at_ms] * len(names),
        status=statuses,
        source=[nouns.STATUS_SOURCE_MODBUS] * len(names),
    )
    return edge.ConnectRequest(batch=made)


async def drive(channel: grpc.aio.Channel, number: int) -> None:
    """A car that asks, and tells where it is every second, standing almost still."""
    rng, stub = random.Random(number), charging_rpc.ChargingServiceStub(channel)
    here = [PLACE[0] + rng.uniform(0.0, 0.06), PLACE[1] + rng.uniform(0.0, 0.06)]
    while True:
        await asyncio.sleep(SETTLE_S)
        request = charging.RecommendRequest(
            request_id=f"car-{number}-{time.monotonic_ns()}", vehicle_id=f"car-{number}",
            soc_pct=50.0,
            vehicle=charging.VehicleProfile(battery_kwh=60.0, connectors=[GBT_DC]),
            position=nouns.Position(latitude_deg=here[0], longitude_deg=here[1]),
        )  # fmt: skip
        answer = await stub.Recommend(request, timeout=10)
        name = answer.promise.recommendation_id
        for _ in range(60):
            await asyncio.sleep(1.0)
            here[0] += 1e-6
            position = nouns.Position(latitude_deg=here[0], longitude_deg=here[1])
            with contextlib.suppress(grpc.aio.AioRpcError):
                await stub.UpdateProgress(
                    charging.UpdateProgressRequest(
                        recommendation_id=name,
                        progress=charging.Progress(position=position, soc_pct=50.0),
                    ),
                    timeout=10,
                )


if __name__ == "__main__":
    sys.exit(main())
