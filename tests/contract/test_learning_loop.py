"""What drivers did with a real coordinator's answers, read while that coordinator runs."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import asking, station

from city_sim.messages import station_message
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = pytest.mark.slow

PILEWISE = "from pilewise.cli import main; main()"


async def pilewise(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PILEWISE, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60.0)
    return process.returncode or 0, out.decode(), err.decode()


async def test_outcomes_reach_the_training_room_while_the_coordinator_runs(tmp_path: Path) -> None:
    """Requests, confirmations and outcomes of a running coordinator are counted by the command;
    too few of them make no candidate, and after a SIGKILL they are still there."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    try:
        await drive(coordinator.address)
        running = await described(coordinator.data_dir)
        await coordinator.kill()
        dead = await described(coordinator.data_dir)
        code, out, err = await pilewise(
            "train", "from-store", "--data-dir", str(coordinator.data_dir),
            "--out", str(tmp_path / "candidate"),
        )  # fmt: skip
    finally:
        await coordinator.stop()

    assert running["store_requests"]["rows"] == 3
    assert running["store_outcomes"]["rows"] == 2
    assert running["store_outcomes"]["missing"] == {"evse_id": 0.5}
    assert dead == running
    assert (code, out) == (3, "")
    assert "3 requests have a label and 0 have none" in err
    assert not (tmp_path / "candidate").exists()


async def drive(address: str) -> None:
    """Three cars take what they are offered; one charges there, one elsewhere, one is silent."""
    async with grpc.aio.insecure_channel(address) as channel:
        town = [station_message(station(name, n)) for n, name in enumerate("ABCD", 1)]
        operator = operator_rpc.OperatorServiceStub(channel)
        await operator.PutStations(op.PutStationsRequest(stations=town), timeout=10)
        cars = rpc.ChargingServiceStub(channel)
        for car in ("charges", "deviates", "silent"):
            promise = (await cars.Recommend(asking(car), timeout=10)).promise
            name = promise.recommendation_id
            await cars.Confirm(wire.ConfirmRequest(recommendation_id=name), timeout=10)
            told = wire.ReportOutcomeRequest(
                recommendation_id=name, outcome=wire.OUTCOME_KIND_CHARGED
            )
            if car == "deviates":
                told.outcome = wire.OUTCOME_KIND_DEVIATED
                told.evse_id = promise.alternatives[0].evse.evse_id
            if car != "silent":
                await cars.ReportOutcome(told, timeout=10)


async def described(data_dir: Path) -> dict[str, Any]:
    """What `pilewise train data` tells of each table."""
    code, out, err = await pilewise("train", "data", str(data_dir), "--json")
    assert code == 0, err
    return {told["source"]: told for told in json.loads(out)["sources"]}
