"""S1: the disk under a coordinator is full."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from served_brain import asking
from small_disk import mounted
from told_district import ToldDistrict
from told_ledger import Found

from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.timeout(420)]
SOUND = Found(0, 0, 0, 0, 0, 0, 0)


def given_up(telemetry: Path) -> list[tuple[int, int]]:
    """Runs of numbers that the store says it gave up for want of room."""
    with contextlib.closing(sqlite3.connect(telemetry)) as connection:
        rows = connection.execute(
            "SELECT first_seq, last_seq FROM gap WHERE reason = 'DISK_FULL' ORDER BY first_seq"
        )
        return [(first, last) for first, last in rows]


@contextlib.contextmanager
def full(folder: Path) -> Iterator[Callable[[], None]]:
    """Not one byte is free on the file system; what is given takes what was given up meanwhile."""
    filler = folder / "filler"
    filler.touch()

    def fill() -> None:
        with filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 65_536, 4_096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    fill()
    try:
        yield fill
    finally:
        filler.unlink()


async def refused(channel: grpc.aio.Channel, fill: Callable[[], None]) -> str:
    """Why a car is promised nothing, once there is no room for that either."""
    cars = rpc.ChargingServiceStub(channel)
    async with asyncio.timeout(60):
        for number in itertools.count():
            await asyncio.to_thread(fill)
            answer = await cars.Recommend(asking(f"late-{number}"), timeout=30)
            hold = answer.promise.choice.hold
            if answer.HasField("promise") and not hold.claim_id:
                return hold.reason_code
    raise AssertionError


async def thinned(
    operator: operator_rpc.OperatorServiceAsyncStub, fill: Callable[[], None]
) -> None:
    """Returns when readings were given up."""
    async with asyncio.timeout(60):
        while True:
            await asyncio.to_thread(fill)
            found = await operator.GetIndexes(op.GetIndexesRequest(), timeout=30)
            if found.indexes.get("batches_thinned", 0.0) > 0:
                return
            await asyncio.sleep(0.2)


async def told(events: grpc.aio.UnaryStreamCall, what: str) -> None:
    """Returns when the operator hears of this."""
    async with asyncio.timeout(60):
        while (await events.read()).facts.get("what") != what:
            pass


async def test_S1_full_disk_gives_up_history_alarms_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    """The ballast goes, old readings make room, what was told stands; with room all is well."""
    with mounted(tmp_path / "disk", "size=48m") as folder:
        district = ToldDistrict(tmp_path, data_dir=str(folder / "data"))
        await district.open()
        data_dir = district.process.data_dir = folder / "data"
        ballast = data_dir / "disk.ballast"
        rng = random.Random(41)
        try:
            async with district.load(rng):
                await asyncio.sleep(2.0)
            # What is older than a checkpoint may be given up; the end of a process makes one.
            assert await district.process.stop() == 0
            await district.process.start()
            async with grpc.aio.insecure_channel(district.process.address) as channel:
                operator = operator_rpc.OperatorServiceStub(channel)
                events = operator.Watch(op.OperatorServiceWatchRequest())
                had_ballast = ballast.exists()
                async with district.load(rng):
                    await asyncio.sleep(1.0)
                    with full(folder) as fill:
                        await told(events, "disk_full")
                        dropped = not ballast.exists()
                        reason = await refused(channel, fill)
                        await thinned(operator, fill)
                        metrics = await operator.GetIndexes(op.GetIndexesRequest(), timeout=30)
                    await told(events, "disk_room")
                    laid_again = ballast.exists()
                acked, granted = district.told.through, len(district.told.claims)
                async with district.load(rng):
                    await asyncio.sleep(1.0)
                grown = district.told.through > acked and len(district.told.claims) > granted
            assert await district.process.stop() == 0
            lost = {n for a, b in given_up(data_dir / "telemetry.db") for n in range(a, b + 1)}
            district.told.rows = {n: row for n, row in district.told.rows.items() if n not in lost}
            found = district.told.judge(data_dir)
        finally:
            await district.process.stop()

    print(f"acked {district.told.through}, of which given up {len(lost)}")
    assert reason == "STORE_UNAVAILABLE"
    assert (had_ballast, dropped, laid_again, grown) == (True, True, True, True)
    assert metrics.indexes["disk_full"] == 1.0
    assert found == SOUND
    assert lost
