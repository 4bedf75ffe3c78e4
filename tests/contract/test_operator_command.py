"""`pilewise coordinator command` over real processes: each action, and how it says no."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from small_district import eventually
from small_wallbox import SmallWallbox

from pilewise.rooms import RoomProcess
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns
from pilewise.v1.operator_service_pb2_grpc import OperatorServiceStub

pytestmark = pytest.mark.slow
ONE, OTHER = "A-01*1", "A-02*1"
WORDS = (sys.executable, "-c", "from pilewise.cli import main; main()", "coordinator", "command")


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object on the last line."""
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer

    @property
    def outcomes(self) -> dict[str, str]:
        """How each EVSE answered."""
        return {r["evse_id"]: r.get("outcome", r.get("code")) for r in self.told["results"]}


@dataclass
class Site:
    """A district with one agent and two piles."""

    folder: Path
    target: str
    wallbox: SmallWallbox
    agent: RoomProcess
    operator: OperatorServiceStub

    async def command(self, *words: str, target: str = "") -> Said:
        """Runs the command as an operator does."""
        process = await asyncio.create_subprocess_exec(
            *(*WORDS, *words, "--target", target or self.target),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    async def see(self, evse_id: str, status: int) -> None:
        """Returns once the coordinator believes in this status."""

        async def seen() -> bool:
            live = await self.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
            return {e.evse.evse_id: e.status for e in live.evses}.get(evse_id) == status

        await eventually(f"{evse_id} has status {status}", seen)

    async def stored(self) -> int:
        """Records that the coordinator has."""
        agents = (await self.operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
        return sum(spool.record_count for agent in agents for spool in agent.spools)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    wallbox = SmallWallbox()
    await wallbox.start()
    coordinator = CoordinatorProcess(tmp_path, stale_after_s=5.0)
    await coordinator.start()
    target = coordinator.address
    piles = [
        f'[[pile]]\nuid = "A-0{n}"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
        f'port = {wallbox.port}\ndevice_id = {n}\nstation_id = "S{n}"\n'
        f"latitude_deg = {22 + n}.5\nlongitude_deg = 114.0\n"
        for n in (1, 2)
    ]
    (tmp_path / "agent.toml").write_text(
        f'[agent]\nid = "G1"\ncoordinator = "{target}"\ndata_dir = "data"\nperiod_s = 0.2\n'
        "heartbeat_s = 0.5\n[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.2\n" + "".join(piles)
    )
    agent = RoomProcess("edge_agent", ("-c", str(tmp_path / "agent.toml")), tmp_path / "agent.log")
    await agent.start()
    async with grpc.aio.insecure_channel(target) as channel:
        made = Site(tmp_path, target, wallbox, agent, OperatorServiceStub(channel))
        for evse_id in (ONE, OTHER):
            await made.see(evse_id, nouns.EVSE_STATUS_AVAILABLE)
        yield made
    if agent.running:
        await agent.stop()
    await coordinator.stop()
    await wallbox.stop()


async def test_targets_are_evses_stations_and_areas(site: Site) -> None:
    """Each way of naming piles reaches them and no others; people read one line for each."""
    one = await site.command("poll", "--evse", ONE, "--json")
    station = await site.command("poll", "--station", "S2", "--json")
    area = await site.command("poll", "--area", "22,113,25,115", "--json")
    people = await site.command("poll", "--evse", ONE, "--evse", OTHER)

    assert one.told == {
        "asked": 1,
        "failed": 0,
        "results": [{"evse_id": ONE, "outcome": "DONE", "message": ""}],
    }
    assert station.outcomes == {OTHER: "DONE"}
    assert area.outcomes == {ONE: "DONE", OTHER: "DONE"}
    assert [one.code, station.code, area.code, people.code] == [0, 0, 0, 0]
    assert (people.out, people.err.count("DONE")) == ("", 2)


async def test_period_counts_at_once_and_after_a_kill(site: Site) -> None:
    """A device that is to be read every 10 minutes is left alone, by the next process too."""
    said = await site.command(
        "period", "--station", "S1", "--station", "S2", "--seconds", "600", "--json"
    )
    refused = await site.command("period", "--evse", ONE, "--seconds", "0.01", "--json")
    site.agent.kill()
    await site.agent.wait()
    await site.agent.start()
    before = await site.stored()

    async def grows(by: int) -> None:
        async def more() -> bool:
            return await site.stored() >= before + by

        await eventually("confirmations arrive", more)

    # Two EVSEs, confirmed every half second: by then it was read as often as it ever will be.
    await grows(4)
    reads = site.wallbox.reads
    await grows(14)

    assert said.outcomes == {ONE: "DONE", OTHER: "DONE"}
    assert refused.code == 5
    assert refused.outcomes == {ONE: "REFUSED"}
    # What falls due by itself, such as slow points, may be read; a poll each 0.2 s would be 30.
    assert site.wallbox.reads - reads <= 4


async def test_availability_takes_an_evse_out_and_back(site: Site) -> None:
    """The district reads INOPERATIVE, then AVAILABLE; the agent does it in the pile's stead."""
    closed = await site.command("availability", "--evse", ONE, "--no-operative", "--json")
    await site.see(ONE, nouns.EVSE_STATUS_INOPERATIVE)
    opened = await site.command("availability", "--evse", ONE, "--json")
    await site.see(ONE, nouns.EVSE_STATUS_AVAILABLE)

    assert closed.outcomes == opened.outcomes == {ONE: "DONE_SOFTLY"}
    assert (closed.code, opened.code) == (0, 0)


async def test_frames_are_shown_as_text(site: Site) -> None:
    """Each frame is an instant, a direction and the bytes in hexadecimal."""
    said = await site.command("frames", "--evse", ONE, "--seconds", "1", "--json")

    (result,) = said.told["results"]
    assert said.code == 0
    assert len(result["frames"]) >= 2
    at_ms, direction, payload = result["frames"][0].split()
    assert at_ms.isdigit()
    assert direction == ">"
    bytes.fromhex(payload)


async def test_configuration_is_put_in_place_or_refused_with_its_line(site: Site) -> None:
    """A good file is done once the agent has come back with it; a bad one changes nothing."""
    present = (site.folder / "agent.toml").read_text()
    good, bad = site.folder / "good.toml", site.folder / "bad.toml"
    good.write_text(present.replace("heartbeat_s = 0.5", "heartbeat_s = 0.7"))
    bad.write_text(present.replace("heartbeat_s = 0.5", 'heartbeat_s = "often"'))

    refused = await site.command("configure", "--evse", ONE, "--file", str(bad), "--json")
    kept = (site.folder / "agent.toml").read_text()
    done = await site.command("configure", "--evse", ONE, "--file", str(good), "--json")

    assert refused.outcomes == {ONE: "REFUSED"}
    assert "line 6" in refused.told["results"][0]["message"]
    assert kept == present
    assert done.outcomes == {ONE: "DONE"}
    assert (refused.code, done.code) == (5, 0)
    assert (site.folder / "agent.toml").read_text() == good.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("dance", "--evse", ONE), 2, "CMD-101"),
        (("configure", "--evse", ONE), 2, "CMD-102"),
        (("configure", "--evse", ONE, "--file", "nowhere.toml"), 2, "CMD-103"),
        (("poll", "--area", "22,113"), 2, "LAT,LON"),
        (("poll",), 1, ""),
    ],
)
async def test_wrong_use_is_told_before_anything_is_asked(
    tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """The exit code says whose mistake it is, the text what to do; no stack is shown."""
    coordinator = CoordinatorProcess(tmp_path)
    await coordinator.start()
    process = await asyncio.create_subprocess_exec(
        *(*WORDS, *words, "--target", coordinator.address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    await coordinator.stop()

    assert process.returncode == code, err.decode()
    assert said in err.decode()
    assert "Traceback" not in err.decode()


async def test_unknown_evse_and_coordinator_out_of_reach(site: Site) -> None:
    """An EVSE that nobody has is named, and so is the address where no coordinator answers."""
    unknown = await site.command("poll", "--evse", ONE, "--evse", "B-77*1", "--json")
    nobody = await site.command("poll", "--evse", ONE, target="127.0.0.1:9")

    assert unknown.code == 1
    assert "B-77*1" in unknown.err
    assert nobody.code == 4
    assert "127.0.0.1:9" in nobody.err
    assert "Traceback" not in nobody.err
