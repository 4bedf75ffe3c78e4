"""One agent of the ingest bench: streams batches with a fixed number on their way.

`python -m bench.ingest_client ADDRESS NAME SECONDS IGNORE_FIRST_S` prints a line when it begins
and at the end the time from sending to ack of every batch after the first seconds, in ms.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

import grpc

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import edge_service_pb2_grpc
from pilewise.v1 import types_pb2 as nouns

STREAMS = 4
BATCH_RECORDS = 200
WINDOW = 8
PILES = 64
TEMPLATES = 50


def hello(name: str) -> edge.ConnectRequest:
    """The greeting of an agent with its piles."""
    piles = [
        nouns.PileFacts(
            pile_id=f"P{name}-{pile}",
            station_id=f"S{name}",
            position=nouns.Position(latitude_deg=22.5, longitude_deg=114.0),
            evses=[nouns.Evse(evse_id=f"P{name}-{pile}*1")],
        )
        for pile in range(PILES)
    ]
    return edge.ConnectRequest(
        hello=edge.Hello(
            agent_id=f"agent-{name}", spool_id=f"spool-{name}", next_record_seq=1, piles=piles
        )
    )


def template(name: str, round_number: int, rng: random.Random) -> edge.ConnectRequest:
    """A batch of 200 records x 12 columns; a status changes about once in 500 records."""
    count = BATCH_RECORDS
    charging, free = nouns.EVSE_STATUS_CHARGING, nouns.EVSE_STATUS_AVAILABLE
    changed = round_number % PILES if round_number % 5 == 0 else -1
    index = [(round_number * count + row) % PILES for row in range(count)]
    batch = edge.ReportBatch(
        spool_id=f"spool-{name}",
        record_count=count,
        evse_ids=[f"P{name}-{pile}*1" for pile in range(PILES)],
        evse_index=index,
        kind=[edge.RECORD_KIND_METER] * count,
        observed_at_ms=[0] * count,
        status=[free if pile == changed else charging for pile in index],
        source=[nouns.STATUS_SOURCE_MODBUS] * count,
        iec61851_state=[nouns.IEC61851_STATE_C] * count,
    )
    batch.power_kw.values.extend(rng.uniform(1, 60) for _ in range(count))
    batch.energy_kwh.values.extend(1000 + round_number + row / 1000 for row in range(count))
    batch.current_a.values.extend(rng.uniform(1, 125) for _ in range(count))
    batch.voltage_v.values.extend(rng.uniform(390, 410) for _ in range(count))
    batch.soc_pct.values.extend(rng.uniform(20, 80) for _ in range(count))
    batch.temperature_c.values.extend(rng.uniform(20, 40) for _ in range(count))
    return edge.ConnectRequest(batch=batch)


async def stream(address: str, name: str, seconds: float, ignore_s: float) -> list[float]:
    """Times from sending to ack, ms."""
    rng = random.Random(name)
    templates = [template(name, round_number, rng) for round_number in range(TEMPLATES)]
    waiting: dict[int, float] = {}
    times: list[float] = []
    free = asyncio.Semaphore(WINDOW)
    async with grpc.aio.insecure_channel(address) as channel:
        call = edge_service_pb2_grpc.EdgeServiceStub(channel).Connect()
        await call.write(hello(name))
        await call.read()
        print("begun", flush=True)
        begin = time.monotonic()
        reader = asyncio.create_task(_acks(call, waiting, free, times, begin + ignore_s))
        sequence, round_number = 1, 0
        while time.monotonic() < begin + seconds:
            await free.acquire()
            message = templates[round_number % TEMPLATES]
            message.batch.first_record_seq = sequence
            at_ms = int(time.time() * 1000)
            message.batch.observed_at_ms[:] = range(at_ms, at_ms + BATCH_RECORDS)
            waiting[sequence + BATCH_RECORDS - 1] = time.monotonic()
            await call.write(message)
            sequence, round_number = sequence + BATCH_RECORDS, round_number + 1
        reader.cancel()
        call.cancel()
    return times


async def _acks(
    call: grpc.aio.StreamStreamCall[edge.ConnectRequest, edge.ConnectResponse],
    waiting: dict[int, float],
    free: asyncio.Semaphore,
    times: list[float],
    count_from: float,
) -> None:
    """Frees a place for every acknowledged batch."""
    while True:
        response = await call.read()
        if response is grpc.aio.EOF:
            return
        now = time.monotonic()
        through = response.ack.stored.acked_through
        for last in [last for last in waiting if last <= through]:
            sent_at = waiting.pop(last)
            if sent_at >= count_from:
                times.append(round((now - sent_at) * 1000, 3))
            free.release()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    acked = asyncio.run(
        stream(arguments[0], arguments[1], float(arguments[2]), float(arguments[3]))
    )
    print(json.dumps({"ack_ms": acked}))
