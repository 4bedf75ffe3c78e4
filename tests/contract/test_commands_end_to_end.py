"""What operators have done at piles: a real coordinator, a real agent, a device on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from coordinator_process import CoordinatorProcess
from small_district import eventually
from small_wallbox import SmallWallbox

from pilewise.rooms import RoomProcess
from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import types_pb2 as nouns
from pilewise.v1.operator_service_pb2_grpc import OperatorServiceStub

pytestmark = pytest.mark.slow
AVAILABLE, UNKNOWN = nouns.EVSE_STATUS_AVAILABLE, nouns.EVSE_STATUS_UNKNOWN


@dataclass
class Site:
    """A district with one agent and two piles on one device."""

    folder: Path
    coordinator: CoordinatorProcess
    wallbox: SmallWallbox
    agent: RoomProcess
    operator: OperatorServiceStub

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"

    async def command(self, evse_ids: list[str], **action: object) -> op.CommandResponse:
        directive = edge.Directive(**action)  # type: ignore[arg-type]
        request = op.CommandRequest(evse_ids=evse_ids, directive=directive)
        answer: op.CommandResponse = await self.operator.Command(request, timeout=40)
        return answer

    async def statuses(self) -> dict[str, int]:
        live = await self.operator.ListPiles(op.OperatorServiceListPilesRequest(), timeout=10)
        return {evse.evse.evse_id: evse.status for evse in live.evses}

    async def see(self, evse_id: str, status: int) -> None:
        async def seen() -> bool:
            return (await self.statuses()).get(evse_id) == status

        await eventually(f"{evse_id} has status {status}", seen)


def agent_toml(target: str, wallbox: SmallWallbox, *, uplink: str = "", extra: str = "") -> str:
    head = (
        f'[agent]\nid = "G1"\ncoordinator = "{target}"\ndata_dir = "data"\nperiod_s = 0.2\n'
        "heartbeat_s = 0.5\n[uplink]\nbackoff_base_s = 0.05\nbackoff_cap_s = 0.2\n"
        f"{uplink}\n"
    )
    piles = [
        f'[[pile]]\nuid = "A-0{n}"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
        f'port = {wallbox.port}\ndevice_id = {n}\nstation_id = "S1"\nserial = "SN{n}"\n'
        "latitude_deg = 22.5\nlongitude_deg = 114.0\n"
        for n in (1, 2)
    ]
    return head + "".join(piles) + extra


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    wallbox = SmallWallbox()
    await wallbox.start()
    coordinator = CoordinatorProcess(tmp_path, stale_after_s=1.5)
    await coordinator.start()
    (tmp_path / "agent.toml").write_text(agent_toml(coordinator.address, wallbox))
    agent = RoomProcess("edge_agent", ("-c", str(tmp_path / "agent.toml")), tmp_path / "agent.log")
    await agent.start()
    async with grpc.aio.insecure_channel(coordinator.address) as channel:
        made = Site(tmp_path, coordinator, wallbox, agent, OperatorServiceStub(channel))
        await made.see("A-01*1", AVAILABLE)
        await made.see("A-02*1", AVAILABLE)
        yield made
    if agent.running:
        await agent.stop()
    await coordinator.stop()
    await wallbox.stop()


def outcomes(answer: op.CommandResponse) -> dict[str, str]:
    return {
        result.evse_id: edge.DirectiveOutcome.Name(result.outcome)[len("DIRECTIVE_OUTCOME_") :]
        for result in answer.results
    }


async def test_poll_and_period_answer_for_each_evse(site: Site) -> None:
    """A station is named, each of its EVSEs answers; a period out of range is refused with why."""
    poll = op.CommandRequest(station_ids=["S1"], directive=edge.Directive(poll_now=edge.PollNow()))
    polled = await site.operator.Command(poll, timeout=10)
    slower = await site.command(["A-01*1"], set_period=edge.SetPeriod(period_s=0.4))
    wrong = await site.command(["A-01*1"], set_period=edge.SetPeriod(period_s=0.01))

    assert outcomes(polled) == {"A-01*1": "DONE", "A-02*1": "DONE"}
    assert outcomes(slower) == {"A-01*1": "DONE"}
    assert outcomes(wrong) == {"A-01*1": "REFUSED"}
    assert wrong.results[0].message == "period_s must be 0.2 to 3600"


async def test_register_pile_is_kept_out_of_service_through_a_restart(site: Site) -> None:
    """It reads INOPERATIVE, also after SIGKILL of the agent, until it is put back in service."""
    closed = await site.command(["A-01*1"], set_availability=edge.SetAvailability(operative=False))
    await site.see("A-01*1", nouns.EVSE_STATUS_INOPERATIVE)
    site.agent.kill()
    await site.agent.wait()
    await site.see("A-01*1", UNKNOWN)
    await site.agent.start()
    await site.see("A-01*1", nouns.EVSE_STATUS_INOPERATIVE)
    await site.see("A-02*1", AVAILABLE)
    opened = await site.command(["A-01*1"], set_availability=edge.SetAvailability(operative=True))
    await site.see("A-01*1", AVAILABLE)

    assert outcomes(closed) == outcomes(opened) == {"A-01*1": "DONE_SOFTLY"}


async def test_frames_of_a_pile_come_back_as_they_were_on_the_wire(site: Site) -> None:
    """Questions and answers of this pile alone; a second tap at the same time is refused."""
    request = op.GetFramesRequest(pile_id="A-02", duration_s=1.0)
    calls = [site.operator.GetFrames(request, timeout=20) for _ in range(2)]
    told = await asyncio.gather(*calls, return_exceptions=True)
    (refused,) = [one for one in told if isinstance(one, grpc.aio.AioRpcError)]
    (answer,) = [one for one in told if isinstance(one, op.GetFramesResponse)]
    frames = [frame.split(b" ", 2) for frame in answer.frames]

    said = [payload for _, direction, payload in frames if direction == b">"]
    heard = [payload for _, direction, payload in frames if direction == b"<"]
    assert len(said) >= 2
    assert len(heard) >= 2
    assert {payload[6] for payload in said + heard} == {2}  # the unit of this pile only
    assert {payload[7] for payload in said} == {3}
    assert refused.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "being captured already" in (refused.details() or "")


async def test_K3_configuration_is_applied_in_place(site: Site) -> None:
    """A valid push is answered when the agent runs with it: same process, new label, spool kept."""
    pid = site.agent.pid
    pushed = agent_toml(site.coordinator.address, site.wallbox).replace(
        'serial = "SN1"', 'serial = "SN1"\nlabel = "Gate"'
    )
    answer = await site.command(["A-01*1", "A-02*1"], configure=edge.Configure(toml=pushed))
    facts = await site.operator.ListPileFacts(op.ListPileFactsRequest(pile_id="A-01"), timeout=10)
    labels = [
        (f.value, f.source, f.HasField("valid_to")) for f in facts.facts if f.field == "label"
    ]
    agents = (await site.operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents

    assert outcomes(answer) == {"A-01*1": "DONE", "A-02*1": "DONE"}
    assert site.agent.running
    assert site.agent.pid == pid
    assert site.config.read_text() == pushed
    assert labels == [("G1*P1", "default", True), ("Gate", "config", False)]
    assert len(agents[0].spools) == 1


async def test_K3_invalid_push_is_refused_and_changes_nothing(site: Site) -> None:
    """All mistakes come back with code and line; the agent runs on with its file."""
    before = site.config.read_text()

    answer = await site.command(["A-01*1"], configure=edge.Configure(toml=before + "typo = 1\n"))

    assert outcomes(answer) == {"A-01*1": "REFUSED"}
    assert answer.results[0].message.startswith("CFG-003 line ")
    assert site.config.read_text() == before


async def test_K3_push_that_reaches_no_coordinator_takes_itself_back(site: Site) -> None:
    """The wrong coordinator address would strand the agent: the old configuration returns."""
    before = site.config.read_text()
    stranded = agent_toml("127.0.0.1:9", site.wallbox, uplink="confirm_s = 1.0")

    answer = await site.command(["A-01*1"], configure=edge.Configure(toml=stranded))
    await site.see("A-01*1", AVAILABLE)

    assert outcomes(answer) == {"A-01*1": "REFUSED"}
    assert "no coordinator welcomed the agent within 1 s" in answer.results[0].message
    assert site.config.read_text() == before


async def test_S11_restored_coordinator_is_told_and_its_fence_advanced(site: Site) -> None:
    """AdvanceFence lifts every EVSE's fence; a wrong amount names its field."""
    lifted = await site.operator.AdvanceFence(op.AdvanceFenceRequest(by=1000), timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await site.operator.AdvanceFence(op.AdvanceFenceRequest(by=0), timeout=10)

    assert lifted.evse_count == 2
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_facts_of_a_pile_have_sources_and_a_history(site: Site) -> None:
    """What the agent told is there with who said so; an unknown pile is NOT_FOUND."""
    request = op.ListPileFactsRequest(pile_id="A-02", only_present=True)
    facts = await site.operator.ListPileFacts(request, timeout=10)
    told = {fact.field: (fact.value, fact.source) for fact in facts.facts}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await site.operator.ListPileFacts(op.ListPileFactsRequest(pile_id="Z"), timeout=10)

    assert told["serial"] == ("SN2", "config")
    assert told["maker"] == ("ABB", "profile")
    assert told["pile_type"] == ("AC", "profile")
    assert told["position"] == ("22.500000,114.000000", "config")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
