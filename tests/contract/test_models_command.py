"""`pilewise coordinator models`: as an operator types it, against a real coordinator."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import model_files
import pytest
from answered_cars import asking_cars
from coordinator_process import CoordinatorProcess

from coordinator.models.serving import BUNDLED
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc

pytest.importorskip("cryptography", reason="hint: pip install 'pilewise[coordinator]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def models(*words: str | Path, code: int = 0) -> Any:
    """What `pilewise coordinator models …` prints: an object with --json, else its stderr."""
    command = "from pilewise.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, "coordinator", "models", *map(str, words),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 110)
    assert process.returncode == code, err.decode()
    return json.loads(out.splitlines()[-1]) if out else err.decode()


def roles(told: dict[str, Any]) -> dict[str, str]:
    return {bundle["role"]: bundle["version"] for bundle in told["bundles"]}


async def test_bundle_is_signed_verified_shadowed_activated_and_rolled_back(
    tmp_path: Path,
) -> None:
    """The whole way of a new bundle, from a new key to the models that answer cars."""
    key, public = tmp_path / "operator.pem", tmp_path / "operator.pub.pem"
    bundle = model_files.write_bundle(tmp_path / "new", model_files.HEALTHY)
    await models("key", "--out", key)
    assert "not signed" in await models("verify", bundle, "--key", public, code=1)
    await models("sign", bundle, "--key", key)
    verified = await models("verify", bundle, "--key", public, "--json")
    assert (verified["version"], verified["signed_by"]) == ("2.0.0", str(public))

    process = CoordinatorProcess(tmp_path)
    settings = f"\n[models]\ntrusted_keys = [{json.dumps(str(public))}]\n"
    process.config.write_text(process.config.read_text() + settings)
    await process.start()
    try:
        here = ("--target", process.address, "--json")
        shipped = roles(await models("list", *here))["active"]
        async with asking_cars(process.address) as cars:
            told = await models("activate", bundle, "--shadow", *here)
            assert roles(told) == {"active": shipped, "shadow": "2.0.0"}
            await cars.more(20)
            compared = await _compared(process.address, here)
            assert compared["shadow"]["version"] == "2.0.0"
            part = compared["parts"]["ranker"]
            assert part["requests"] >= part["runs"] >= 10
            assert part["failed_runs"] == 0
            assert 0.0 <= part["top1_agreement"] <= 1.0
            assert -1.0 <= part["rank_agreement"] <= 1.0
            assert part["shadow_p50_s"] > 0.0

            told = await models("activate", bundle, *here)
            assert roles(told)["active"] == "2.0.0"
            told = await models("activate", "--end-shadow", *here)
            assert roles(told) == {"active": "2.0.0", "previous": shipped}
            assert roles(await models("rollback", *here))["active"] == shipped
            assert {m.version for m in (await cars.more())[-1].promise.models} == {shipped}
    finally:
        await process.stop()


async def _compared(address: str, here: tuple[str, ...]) -> dict[str, Any]:
    """The comparison once some runs are in it."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = operator_rpc.OperatorServiceStub(channel)
        for _ in range(200):
            answer = await stub.CompareModels(op.CompareModelsRequest(), timeout=10)
            if any(part.part == "ranker" and part.run_count >= 10 for part in answer.parts):
                break
            await asyncio.sleep(0.05)
    return dict(await models("compare", *here))


async def test_mistakes_are_said_with_what_to_do(tmp_path: Path) -> None:
    """No coordinator, no folder, a key that others can read, and nothing to compare."""
    key = tmp_path / "k.pem"
    await models("key", "--out", key)
    key.chmod(0o644)
    copy = model_files.write_bundle(tmp_path / "new", model_files.HEALTHY)

    assert "chmod 600" in await models("sign", copy, "--key", key, code=1)
    assert "error[MODEL-001]" in await models("verify", tmp_path / "nowhere", code=1)
    assert "name one bundle" in await models("activate", code=2)
    assert "no coordinator" in await models("list", "--target", "127.0.0.1:1", code=4)
    said = await models("verify", BUNDLED, "--allow-unsigned", "--json")
    assert {"ranker", "failure"} <= set(said["parts"])
