"""Durable ingest, product against bare ceiling: `python -m bench.ingest --json [--seconds 8]`.

Four client processes stream batches of 200 records x 12 columns, eight on their way each. The
product is a coordinator process; the ceiling is a bare grpc.aio stream that puts the same bytes
into one SQLite row a batch (WAL, synchronous=FULL) with the same grouping: everything that waits is
one commit, commits begin 5 ms apart, one ack a stream follows. Both servers are up for the whole
run and take turns, so that a busy machine is busy for both. Stored records are counted by a query
of the store; CPU is the server process's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.ingest_client import BATCH_RECORDS, STREAMS
from bench.measure import cpu_s, last_json, percentile

COLUMNS = 12
ROUNDS = 4
WARM_UP_S = 0.7


@dataclass
class Side:
    """One server and what was seen of it so far."""

    process: subprocess.Popen[str]
    address: str
    database: Path
    records: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    ack_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """The sums as rates."""
        ordered = sorted(self.ack_ms)
        return {
            "records_per_s": round(self.records / self.wall_s),
            "server_cpu_us_per_record": round(self.cpu_s / self.records * 1e6, 3),
            "server_cpu_share": round(self.cpu_s / self.wall_s, 3),
            "p50_ms": percentile(ordered, 0.50),
            "p99_ms": percentile(ordered, 0.99),
            "records_stored": self.records,
        }


def main() -> int:
    """Lets both sides take turns and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=8.0, help="measured for each side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder, ExitStack() as stack:
        sides = {
            name: stack.enter_context(serving(name, Path(folder) / name))
            for name in ("ceiling", "product")
        }
        for number in range(ROUNDS):
            for name, side in sides.items():
                asyncio.run(one_round(side, number, options.seconds / ROUNDS))
                if not options.json:
                    print(f"round {number} {name}: {side.figures()}", file=sys.stderr)
        product, ceiling = sides["product"].figures(), sides["ceiling"].figures()
    rate = product["records_per_s"] / ceiling["records_per_s"]
    cpu = ceiling["server_cpu_us_per_record"] / product["server_cpu_us_per_record"]
    result = {
        "ratio": round(min(rate, cpu), 3),
        "rate_ratio": round(rate, 3),
        "cpu_ratio": round(cpu, 3),
        "streams": STREAMS,
        "batch_records": BATCH_RECORDS,
        "columns": COLUMNS,
        "seconds": options.seconds,
        "product": product,
        "ceiling": ceiling,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def one_round(side: Side, number: int, seconds: float) -> None:
    """Adds what one server does in this time, after a warm-up, to its sums."""
    clients = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.ingest_client",
            side.address,
            f"{number}-{stream}",
            str(WARM_UP_S + seconds + 0.3),
            str(WARM_UP_S),
            stdout=asyncio.subprocess.PIPE,
        )
        for stream in range(STREAMS)
    ]
    for client in clients:
        assert client.stdout is not None
        await client.stdout.readline()
    await asyncio.sleep(WARM_UP_S)
    before = (stored_records(side.database), cpu_s(side.process.pid), time.monotonic())
    await asyncio.sleep(seconds)
    after = (stored_records(side.database), cpu_s(side.process.pid), time.monotonic())
    for client in clients:
        side.ack_ms += last_json((await client.communicate())[0])["ack_ms"]
    side.records += after[0] - before[0]
    side.cpu_s += after[1] - before[1]
    side.wall_s += after[2] - before[2]


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Side]:
    """A running server process with its address and its database."""
    folder.mkdir()
    if name == "product":
        config, data = folder / "coordinator.toml", folder / "data"
        config.write_text(f'[coordinator]\ndistrict = "bench"\ndata_dir = "{data}"\n')
        command = ["-m", "coordinator", "-c", str(config), "--log-level", "warning"]
        database = data / "telemetry.db"
    else:
        database = folder / "telemetry.db"
        command = ["-m", "bench.ingest_ceiling", str(database)]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Side(process, json.loads(process.stdout.readline())["grpc"], database)
        finally:
            process.terminate()


def stored_records(database: Path) -> int:
    """Records in the store, by a query of its rows."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT coalesce(sum(record_count), 0) FROM batch").fetchone()
    finally:
        connection.close()
    return int(row[0])


if __name__ == "__main__":
    sys.exit(main())
