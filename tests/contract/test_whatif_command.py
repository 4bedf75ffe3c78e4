"""`pilewise coordinator whatif` over a store whose coordinator is running."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import asking, station

from city_sim.messages import station_message
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = pytest.mark.slow
WORDS = (sys.executable, "-c", "from pilewise.cli import main; main()", "coordinator", "whatif")


async def said(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    process = await asyncio.create_subprocess_exec(
        *WORDS, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 90.0)
    return process.returncode or 0, out.decode(), err.decode()


async def test_whatif_reads_what_cars_asked_a_moment_ago(tmp_path: Path) -> None:
    """Requests that only the journal has are replayed while their coordinator goes on answering."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    try:
        async with grpc.aio.insecure_channel(coordinator.address) as channel:
            towns = [station("A", 1.0), station("B", 2.0)]
            put = op.PutStationsRequest(stations=[station_message(one) for one in towns])
            await operator_rpc.OperatorServiceStub(channel).PutStations(put, timeout=10)
            cars = rpc.ChargingServiceStub(channel)
            for number in range(2):
                await cars.Recommend(asking(f"car-{number}", number), timeout=10)
            offset_h = round(towns[0].longitude_deg / 15.0)
            day = (datetime.now(UTC) + timedelta(hours=offset_h)).date()

            code, out, err = await said(
                "-c", str(coordinator.config), "--day", str(day), "--remove", "A-1", "--json"
            )

            assert code == 0, err
            made = json.loads(out.splitlines()[-1])
            assert made["requests"] == 2
            assert [row["station_id"] for row in made["stations"] if row["plugs"] == 0] == ["A"]
            answer = await cars.Recommend(asking("car-3", 3), timeout=10)
            assert answer.promise.choice.evse.evse_id
    finally:
        await coordinator.stop()


async def test_whatif_of_a_day_without_requests_says_so(tmp_path: Path) -> None:
    """The error goes to stderr with its code; a configuration is not needed beside --data-dir."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    try:
        async with grpc.aio.insecure_channel(coordinator.address) as channel:
            put = op.PutStationsRequest(stations=[station_message(station("A", 1.0))])
            await operator_rpc.OperatorServiceStub(channel).PutStations(put, timeout=10)
    finally:
        await coordinator.stop()

    code, out, err = await said(
        "-c", str(tmp_path / "none.toml"), "--data-dir", str(coordinator.data_dir),
        "--day", "2026-01-01",
    )  # fmt: skip

    assert (code, out) == (1, "")
    assert "error[WHATIF-002]" in err
    assert "no requests are stored at all" in err
