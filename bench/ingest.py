"""Durable ingest, product against bare ceiling: `python -m bench.ingest --json [--seconds 8]`.

Four client processes stream batches of 200 records x 12 columns, eight on their way each. The
product is a coordinator process; the ceiling is a bare grpc.aio stream that puts the same bytes
into one SQLite row a batch (WAL, synchronous=FULL) with the same grouping. Stored records are
counted by a query of the store; CPU is the server process's own.
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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.ingest_client import BATCH_RECORDS, STREAMS
from bench.measure import cpu_s, last_json, percentile

COLUMNS = 12
WARM_UP_S = 1.5


def main() -> int:
    """Runs both sides, ceiling first, and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each measurement")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for side in ("ceiling", "product"):
        results[side] = asyncio.run(measure(side, options.seconds))
        if not options.json:
            print(f"{side}: {json.dumps(results[side])}", file=sys.stderr)
    product, ceiling = results["product"], results["ceiling"]
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
        **results,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


async def measure(side: str, seconds: float) -> dict[str, Any]:
    """Figures of one side: records_per_s, server_cpu_us_per_record, p50_ms, p99_ms, …"""
    with (
        tempfile.TemporaryDirectory(prefix="pilewise-bench-") as folder,
        _server(side, Path(folder)) as (process, address, database),
    ):
        clients = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bench.ingest_client",
                address,
                str(number),
                str(WARM_UP_S + seconds),
                str(WARM_UP_S),
                stdout=asyncio.subprocess.PIPE,
            )
            for number in range(STREAMS)
        ]
        for client in clients:
            assert client.stdout is not None
            await client.stdout.readline()
        await asyncio.sleep(WARM_UP_S)
        before = (stored_records(database), cpu_s(process.pid), time.monotonic())
        await asyncio.sleep(seconds)
        after = (stored_records(database), cpu_s(process.pid), time.monotonic())
        answers = [last_json((await client.communicate())[0]) for client in clients]
    records = after[0] - before[0]
    latencies = sorted(ms for answer in answers for ms in answer["ack_ms"])
    return {
        "records_per_s": round(records / (after[2] - before[2])),
        "server_cpu_us_per_record": round((after[1] - before[1]) / records * 1e6, 3),
        "server_cpu_share": round((after[1] - before[1]) / (after[2] - before[2]), 3),
        "p50_ms": percentile(latencies, 0.50),
        "p99_ms": percentile(latencies, 0.99),
        "records_stored": records,
    }


@contextmanager
def _server(side: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """A running server process, its address, and its database."""
    if side == "product":
        config = folder / "coordinator.toml"
        data = folder / "data"
        config.write_text(f'[coordinator]\ndistrict = "bench"\ndata_dir = "{data}"\n')
        command = ["-m", "coordinator", "-c", str(config), "--log-level", "warning"]
        database = data / "telemetry.db"
    else:
        database = folder / "telemetry.db"
        command = ["-m", "bench.ingest_ceiling", str(database)]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield process, ready["grpc"], database
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
