"""Who may speak as an agent: the certificate decides, over real sockets, before a real process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from certificates import authority
from secured_district import SERVER_NAMES, SecuredDistrict, secure_channel
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

pytestmark = pytest.mark.slow


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[SecuredDistrict]:
    """A secured coordinator that takes piles from whoever brings them."""
    district = SecuredDistrict(tmp_path, agent_open=True)
    await district.start()
    yield district
    await district.stop()


async def test_agent_with_its_certificate_reports(district: SecuredDistrict) -> None:
    """Whose certificate names the agent and the district is let in, and its rows are stored."""
    pair = district.certificate("gw-1")

    async with district.agent(pair, "gw-1", piles=[pile("P1")]) as agent:
        ack = await agent.report(batch("spool-1", 1, ["P1*1"]))

    assert agent.welcome.district_id == "test"
    assert (ack.stored.acked_through, ack.rejected_count) == (1, 0)


async def refused(agent: WireAgent) -> tuple[grpc.StatusCode, str]:
    """How the stream of an agent that is not let in ends."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        async with agent:
            pass
    return failure.value.code(), failure.value.details() or ""


async def test_agent_under_another_name_is_refused(district: SecuredDistrict) -> None:
    """The hello cannot name another agent than the certificate."""
    code, text = await refused(district.agent(district.certificate("gw-1"), "gw-2"))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "its certificate is of gw-1" in text


async def test_agent_of_another_district_is_refused(district: SecuredDistrict) -> None:
    """A certificate for another district opens nothing here, though its authority is trusted."""
    code, text = await refused(district.agent(district.certificate("gw-1", "other"), "gw-1"))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "of district other, this is test" in text


async def test_agent_without_a_certificate_is_refused(district: SecuredDistrict) -> None:
    """At the port of cars nobody is an agent; at that of agents nobody gets in without one."""
    plain = WireAgent(district.address, "gw-1", channel=district.channel(None, district.address))
    code, text = await refused(plain)
    at_port, _ = await refused(district.agent(None, "gw-1"))

    assert (code, "showed no certificate" in text) == (grpc.StatusCode.UNAUTHENTICATED, True)
    assert at_port is grpc.StatusCode.UNAVAILABLE


async def test_certificate_that_names_no_agent_is_refused(district: SecuredDistrict) -> None:
    """A certificate of the trusted authority without an agent's name is no agent's."""
    pair = district.authority.issue("gw-1", alt="DNS:gw-1")

    code, _ = await refused(district.agent(pair, "gw-1"))

    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_certificate_out_of_date_or_of_others_is_refused(
    district: SecuredDistrict, tmp_path: Path
) -> None:
    """An expired one, one that is not yet valid, and one of a strange authority end at the door."""
    strange = authority(tmp_path / "strange")
    for pair in (
        district.certificate("gw-1", end="20210101000000Z"),
        district.certificate("gw-1", start="20980101000000Z"),
        strange.issue("gw-1", alt="URI:spiffe://test/agent/gw-1"),
    ):
        code, _ = await refused(district.agent(pair, "gw-1"))

        assert code is grpc.StatusCode.UNAVAILABLE


async def test_refused_agent_is_an_alarm(district: SecuredDistrict) -> None:
    """Who is refused by its certificate is counted, and operators that watch are told."""
    async with district.channel(None, district.address) as channel:
        operator = operator_service_pb2_grpc.OperatorServiceStub(channel)
        watch = operator.Watch(op.OperatorServiceWatchRequest(kinds=["SECURITY"]))
        await watch.initial_metadata()
        await refused(district.agent(district.certificate("gw-1", "other"), "gw-1"))
        event = await asyncio.wait_for(watch.read(), 60)
        counts = (await operator.GetIndexes(op.GetIndexesRequest(), timeout=10)).indexes
        watch.cancel()

    assert "gw-1 was refused" in event.text
    assert counts["agents_refused"] == 1


async def test_T5_certificates_rotate_without_a_dropped_stream(
    district: SecuredDistrict, tmp_path: Path
) -> None:
    """A new server certificate and a new authority of agents count at once; open streams go on."""
    old = district.certificate("gw-1")
    async with district.agent(old, "gw-1", piles=[pile("P1")]) as agent:
        await agent.report(batch("spool-1", 1, ["P1*1"]))
        fresh = authority(tmp_path / "fresh")
        served = fresh.issue("localhost", alt=SERVER_NAMES)
        for present, new in (
            (district.server.key, served.key.read_bytes()),
            (district.server.cert, served.cert.read_bytes()),
            (district.trust, fresh.own.cert.read_bytes()),
        ):
            present.write_bytes(new)
        pair = fresh.issue("gw-2", alt="URI:spiffe://test/agent/gw-2")

        async with district.agent(pair, "gw-2", spool_id="spool-2", piles=[pile("P2")]) as other:
            ack = await other.report(batch("spool-2", 1, ["P2*1"]))
        code, _ = await refused(district.agent(old, "gw-1"))
        kept = await agent.report(batch("spool-1", 2, ["P1*1"]))

    assert ack.stored.acked_through == 1
    assert code is grpc.StatusCode.UNAVAILABLE  # its authority is trusted no more
    assert kept.stored.acked_through == 2


async def test_half_replaced_files_are_not_used(district: SecuredDistrict) -> None:
    """Between a new certificate and its new key the old pair is shown on."""
    present = district.server.cert.read_bytes()
    other = district.authority.issue("localhost", alt=SERVER_NAMES)
    district.server.cert.write_bytes(other.cert.read_bytes())

    async with secure_channel(district.address, district.trust, None) as channel:
        operator = operator_service_pb2_grpc.OperatorServiceStub(channel)
        answer = await operator.ListAgents(op.ListAgentsRequest(), timeout=10)

    assert answer.agents is not None
    assert present != other.cert.read_bytes()
