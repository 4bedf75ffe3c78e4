"""How fast a filled spool drains: `python -m bench.drain --json [--records 300000]`.

A spool as an outage leaves it (64 Modbus piles, each told at 1 Hz, commits of 13 records) is given
to an agent process that reads the same 64 simulated piles meanwhile and reports to a real
coordinator process. The clock runs from the agent's ready line until the coordinator's store holds
the last number of the history. `live_age_s` is how old records of the present were when the
coordinator took them, while the history went up. The ceiling sends the same records in batches of
the same size, made beforehand, over a bare grpc.aio stream into one SQLite FULL row a batch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import grpc

from bench import agent_site as site
from bench.ingest import Side, serving
from bench.ingest_client import BATCH_RECORDS, WINDOW, hello
from bench.measure import cpu_s, percentile
from edge_agent.core.reading import EvseStatus, Record, RecordKind, StatusSource, Values
from edge_agent.uplink.codec import to_batch
from edge_agent.uplink.spool_file import SpoolFile
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc as edge_rpc

COMMIT_RECORDS = 13
DEADLINE_S = 300.0
LOOK_S = 0.1


def main() -> int:
    """Drains once, bare and real, and prints one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.drain", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--records", type=int, default=300_000, help="what waits in the spool")
    options = parser.parse_args()
    count = max(1, options.records // BATCH_RECORDS) * BATCH_RECORDS
    with tempfile.TemporaryDirectory(prefix="pilewise-bench-") as name:
        folder = Path(name)
        with serving("ceiling", folder / "ceiling") as side:
            ceiling = asyncio.run(drain_bare(side, count))
        if not options.json:
            print(f"ceiling: {ceiling}", file=sys.stderr)
        product = drain_agent(folder, count)
    result = {
        "records_per_s": product["records_per_s"],
        "live_age_p99_s": product["live_age_p99_s"],
        "ratio": round(product["records_per_s"] / ceiling["records_per_s"], 3),
        "records": count,
        "batch_records": BATCH_RECORDS,
        "product": product,
        "ceiling": ceiling,
    }
    print(json.dumps(result, separators=(",", ":")))
    return 0


def history(evse_ids: list[str], count: int, end_ms: int) -> Iterator[Record]:
    """So many measurements, one of each EVSE a second, the last one just before `end_ms`."""
    rng = random.Random(4)
    begin_ms = end_ms - (count // len(evse_ids) + 1) * 1000
    for number in range(count):
        turn, place = divmod(number, len(evse_ids))
        yield Record(
            evse_ids[place],
            RecordKind.METER,
            begin_ms + turn * 1000 + place,
            EvseStatus.CHARGING,
            StatusSource.MODBUS,
            values=Values(
                power_kw=round(rng.uniform(1, 60), 2),
                energy_kwh=round(1000 + number / 1000, 3),
                current_a=round(rng.uniform(1, 125), 1),
                voltage_v=round(rng.uniform(390, 410), 1),
            ),
        )


def fill(folder: Path, records: Iterator[Record]) -> str:
    """Writes the records down as an agent would; gives back the identifier of the spool."""
    folder.mkdir()
    with closing(SpoolFile(folder, lambda: "bench-drain")) as file:
        # Only the filling is not measured.
        file.connection.execute("PRAGMA synchronous=OFF")
        while group := list(islice(records, COMMIT_RECORDS)):
            file.append(group)
        return file.spool_id


def drain_agent(folder: Path, count: int) -> dict[str, Any]:
    """Figures of the real thing."""
    with site.modbus_piles(folder) as piles, site.coordinator(folder, "city") as brain:
        known = piles.ready["piles"]
        evse_ids = [evse_id for pile in known for evse_id in pile["evses"]]
        records = history(evse_ids, count, int(time.time() * 1000))
        spool_id = fill(folder / "drain-data", records)
        store = folder / "city-data" / "telemetry.db"
        with site.agent(folder, "drain", known, brain) as agent:
            begun_ms, used_s = int(time.time() * 1000), cpu_s(agent.pid)
            deadline_s = time.monotonic() + DEADLINE_S
            while (done_ms := drained_at_ms(store, spool_id, count)) is None:
                if time.monotonic() > deadline_s:
                    raise SystemExit(f"not drained within {DEADLINE_S:g} s")
                time.sleep(LOOK_S)
            used_s = cpu_s(agent.pid) - used_s
        ages = sorted(live_ages_s(store, count, done_ms))
    took_s = (done_ms - begun_ms) / 1000
    return {
        "records_per_s": round(count / took_s),
        "drain_s": round(took_s, 2),
        "agent_cpu_us_per_record": round(used_s / count * 1e6, 1),
        "live_records": len(ages),
        "live_age_p50_s": percentile(ages, 0.50),
        "live_age_p99_s": percentile(ages, 0.99),
        "live_age_max_s": ages[-1] if ages else None,
    }


async def drain_bare(side: Side, count: int) -> dict[str, Any]:
    """Figures of bare bytes into a bare table."""
    made = history([f"M{n}*1" for n in range(64)], count, int(time.time() * 1000))
    batches = [
        edge.ConnectRequest(batch=to_batch("bare", number * BATCH_RECORDS + 1, some))
        for number in range(count // BATCH_RECORDS)
        if (some := list(islice(made, BATCH_RECORDS)))
    ]
    free = asyncio.Semaphore(WINDOW)
    async with grpc.aio.insecure_channel(side.address) as channel:
        call = edge_rpc.EdgeServiceStub(channel).Connect()
        await call.write(hello("bare"))
        await call.read()
        begun_s = time.monotonic()

        async def hear() -> None:
            settled = 0
            while settled < count:
                through = (await call.read()).ack.stored.acked_through
                for _ in range((through - settled) // BATCH_RECORDS):
                    free.release()
                settled = through

        hearing = asyncio.create_task(hear(), name="bench:acks")
        for batch in batches:
            await free.acquire()
            await call.write(batch)
        await asyncio.wait_for(hearing, DEADLINE_S)
        took_s = time.monotonic() - begun_s
        call.cancel()
    return {"records_per_s": round(count / took_s), "drain_s": round(took_s, 2)}


def drained_at_ms(store: Path, spool_id: str, last: int) -> int | None:
    """When the last number of the history was taken; None while numbers are missing."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        # The last batch may go on with what the agent read before it was connected.
        stored, at_ms = connection.execute(
            "SELECT sum(min(last_seq, ?1) - first_seq + 1), max(received_at_ms) FROM batch"
            " WHERE spool_id = ?2 AND first_seq <= ?1",
            (last, spool_id),
        ).fetchone()
    return int(at_ms) if stored == last else None


def live_ages_s(store: Path, count: int, until_ms: int) -> Iterator[float]:
    """Seconds between reading and arrival of what was read while the history went up."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        for received_at_ms, payload in connection.execute(
            "SELECT received_at_ms, payload FROM batch WHERE last_seq > ? AND received_at_ms <= ?",
            (count, until_ms),
        ):
            batch = edge.ReportBatch.FromString(payload)
            for number, observed_at_ms in enumerate(batch.observed_at_ms, batch.first_record_seq):
                if number > count:
                    yield (received_at_ms - observed_at_ms) / 1000


if __name__ == "__main__":
    sys.exit(main())
