"""A coordinator whose bundle has an arrival part tells other chances on arrival than its rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from served_brain import asking, station

from city_sim.messages import station_message
from coordinator.core.recommend.arrival import UNKNOWN_BUSY, UNKNOWN_UNUSABLE
from coordinator.models.serving import BUNDLED
from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import charging_service_pb2_grpc as rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytestmark = pytest.mark.slow


def without_arrival(folder: Path) -> Path:
    """The shipped bundle without its arrival part."""
    shutil.copytree(BUNDLED, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    part = manifest["parts"].pop("arrival")
    for file in (part["file"], part["golden"]):
        del manifest["files"][file]
    path.write_text(json.dumps(manifest))
    return folder


def with_bundle(folder: Path, bundle: Path) -> CoordinatorProcess:
    """A coordinator of its own with the models of this folder."""
    folder.mkdir()
    process = CoordinatorProcess(folder)
    with process.config.open("a") as file:
        file.write(f'[models]\nbundle = "{bundle}"\nallow_unsigned = true\n')
    return process


@asynccontextmanager
async def serving(process: CoordinatorProcess) -> AsyncIterator[CoordinatorProcess]:
    """The coordinator while it runs."""
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


async def told(address: str) -> wire.Recommendation:
    """What a car is told of a station of which nothing has been heard yet."""
    async with grpc.aio.insecure_channel(address) as channel:
        operator = operator_rpc.OperatorServiceStub(channel)
        message = station_message(station("A", 2.0))
        await operator.PutStations(op.PutStationsRequest(stations=[message]), timeout=10)
        answer = await rpc.ChargingServiceStub(channel).Recommend(asking("car"), timeout=10)
        assert not any(why.startswith("ARRIVAL") for why in answer.promise.degraded_reasons)
        return answer.promise.choice


async def test_arrival_part_moves_both_chances_of_an_answer(tmp_path: Path) -> None:
    """Of a silent pile the rules tell fixed shares, the model what silence turned out to be."""
    bundles: dict[str, Callable[[], Path]] = {
        "rules": lambda: without_arrival(tmp_path / "bundle"),
        "model": lambda: BUNDLED,
    }
    seen, parts = {}, {}
    for name, bundle in bundles.items():
        async with serving(with_bundle(tmp_path / name, bundle())) as process:
            parts[name] = {part["name"] for part in process.ready["models"]}
            seen[name] = await told(process.address)

    assert parts["model"] - parts["rules"] == {"arrival"}
    assert seen["rules"].p_working == pytest.approx(1.0 - UNKNOWN_UNUSABLE, abs=0.01)
    assert seen["rules"].p_free == pytest.approx(1.0 - UNKNOWN_BUSY, abs=0.01)
    for name in ("p_working", "p_free"):
        chances = [getattr(choice, name) for choice in seen.values()]
        assert abs(chances[0] - chances[1]) > 0.01, name
        assert all(0.0 < chance < 1.0 for chance in chances)
    model = seen["model"]
    assert model.p_success == pytest.approx(model.p_working * model.p_free, abs=1e-5)
