"""A backup of a running coordinator, restored by the command line; every room a process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from reserving_site import AVAILABLE, ReservingSite, reserving_site
from small_district import eventually
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as op_rpc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FIRM, NONE = wire.HOLD_KIND_FIRM, wire.HOLD_KIND_NONE


async def pilewise(*words: str) -> tuple[int, str, str]:
    """What the command gives back, prints and says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from pilewise.cli import main; main()", "coordinator", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, said = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), said.decode()


async def done(*words: str) -> dict[str, Any]:
    """The JSON of a command that must succeed."""
    code, out, said = await pilewise(*words, "--json")
    assert code == 0, said
    answer: dict[str, Any] = json.loads(out)
    return answer


def agents_fence(folder: Path, evse_id: str) -> int:
    """The newest fence that the agent has acted on, as it lies on its disk."""
    (path,) = folder.glob("data-agent/*.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT fence FROM fence WHERE evse_id = ?", (evse_id,)).fetchone()
    return int(row[0]) if row else 0


async def firmly(site: ReservingSite, car: str) -> wire.Promise:
    """A car whose pile is reserved for it."""
    guided = await site.guide(await site.recommend(car, f"TAG-{car}")).open()
    promise = await guided.until(lambda p: p.choice.hold.kind == FIRM)
    guided.call.cancel()
    return promise


async def test_S11_an_old_backup_grants_nothing_before_its_fence_is_advanced(
    tmp_path: Path,
) -> None:
    """Restored, it says so and recommends without holds; advanced, it grants above all fences."""
    async with reserving_site(tmp_path, {"A-01": [], "A-02": [], "A-03": []}) as site:
        config, target = str(site.coordinator.config), site.coordinator.address
        first = await firmly(site, "car-1")
        kept = await done("backup", str(tmp_path), "-c", config)
        evse_id = first.choice.evse.evse_id
        release = wire.ReleaseRequest(recommendation_id=first.recommendation_id)
        await site.cars.Release(release, timeout=10)
        await site.see(evse_id, AVAILABLE)
        later = await firmly(site, "car-2")
        known = agents_fence(tmp_path, evse_id)

        await site.coordinator.kill()
        shutil.rmtree(site.coordinator.data_dir)
        await done("restore", kept["file"], "-c", config)
        await site.coordinator.start()
        await connected(site)
        unheld = await site.recommend("car-3", "TAG-car-3")
        again = wire.ConfirmRequest(recommendation_id=first.recommendation_id)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await site.cars.Confirm(again, timeout=10)
        before = agents_fence(tmp_path, evse_id)
        behind = await site.count("fences_behind")
        advanced = await done("fence", "advance", "--target", target)
        held = await firmly(site, "car-4")

        assert later.choice.evse.evse_id == evse_id  # granted again, after the backup
        assert unheld.choice.evse.evse_id
        assert (unheld.choice.hold.kind, unheld.choice.hold.reason_code) == (NONE, "FENCE_BEHIND")
        assert "FENCE_BEHIND" in str(refused.value.details())
        assert before == known
        assert (behind, await site.count("fences_behind")) == (1, 0)
        assert advanced == {"evses": 3, "agents_away": []}
        assert agents_fence(tmp_path, held.choice.evse.evse_id) > known
        assert "fence advance" in (tmp_path / "coordinator.log").read_text()


async def test_S11_an_old_copy_put_there_by_hand_is_found_out(tmp_path: Path) -> None:
    """Without any restore: the agent's fences are above the store's, and nothing is granted."""
    async with reserving_site(tmp_path, {"A-01": [], "A-02": []}) as site:
        data_dir, old = site.coordinator.data_dir, tmp_path / "old"
        first = await firmly(site, "car-1")
        await site.coordinator.stop()
        shutil.copytree(data_dir, old)
        await site.coordinator.start()
        await connected(site)
        release = wire.ReleaseRequest(recommendation_id=first.recommendation_id)
        await site.cars.Release(release, timeout=10)
        await firmly(site, "car-2")

        await site.coordinator.kill()
        shutil.rmtree(data_dir)
        shutil.copytree(old, data_dir)
        await site.coordinator.start()
        await connected(site)
        unheld = await site.recommend("car-3")
        await done("fence", "advance", "--target", site.coordinator.address)
        held = await site.recommend("car-4")

        assert unheld.choice.hold.reason_code == "FENCE_BEHIND"
        assert held.choice.hold.kind != NONE


async def connected(site: ReservingSite) -> None:
    async def stands() -> bool:
        return await site.count("agents_connected") == 1

    await eventually("the agent is connected", stands)


async def test_a_backup_while_readings_come_in_has_what_was_acknowledged(tmp_path: Path) -> None:
    """Everything acked before the copy began is in it, once; the restored store goes on."""
    coordinator = CoordinatorProcess(tmp_path, agent_open=True)
    await coordinator.start()
    async with WireAgent(coordinator.address, piles=[pile("P1")]) as agent:
        await agent.report(batch("spool-1", 1, ["P1*1"] * 50))
        copy, _ = await asyncio.gather(
            done("backup", str(tmp_path / "copy.tar"), "-c", str(fixed(coordinator))),
            agent.report(batch("spool-1", 51, ["P1*1"] * 50)),
        )
    await coordinator.kill()
    shutil.rmtree(coordinator.data_dir)
    told = await done("restore", copy["file"], "-c", str(coordinator.config))
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        (listed,) = (await stub.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
    await coordinator.stop()

    (spool,) = listed.spools
    assert told["district"] == "test"
    assert spool.stored.acked_through in (50, 100)
    assert spool.record_count == spool.stored.acked_through


def fixed(coordinator: CoordinatorProcess) -> Path:
    """Its configuration, with the address that it got."""
    text = coordinator.config.read_text()
    coordinator.config.write_text(f'{text}listen = "{coordinator.address}"\n')
    return coordinator.config


async def test_a_relative_path_is_refused_by_its_field(tmp_path: Path) -> None:
    """The coordinator's working directory is nobody's business: paths begin at the root."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Backup(op.BackupRequest(path="somewhere"), timeout=10)
    await coordinator.stop()

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "path" in str(caught.value.details())
