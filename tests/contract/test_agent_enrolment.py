"""How agents come to certificates and lose them, over real sockets, before a real process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from secured_district import OwnAuthority, signing_request
from wire_agent import WireAgent, batch, pile

from pilewise.v1 import edge_service_pb2 as edge
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1.edge_service_pb2_grpc import EdgeServiceStub

pytestmark = pytest.mark.slow


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[OwnAuthority]:
    """A running district with an authority of its own."""
    district = OwnAuthority(tmp_path, agent_open=True)
    await district.start()
    yield district
    await district.stop()


async def refusal(district: OwnAuthority, agent_id: str, token: str) -> tuple[str, str]:
    """Status and words of an enrolment that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await district.enrol(agent_id, token, signing_request()[1])
    return failure.value.code().name, failure.value.details() or ""


async def ended(agent: WireAgent) -> edge.GoAway:
    """The goodbye of a stream; other messages are passed over."""
    while True:
        message = await agent.read()
        if message.HasField("go_away"):
            return message.go_away


async def test_enrolled_agent_reports_and_renews(district: OwnAuthority) -> None:
    """A token and a request become a certificate for seven days, and that one the next.

    Both are good until they end: whoever crashes between the two has lost nothing.
    """
    pair = await district.enrolled("gw-1")
    key, request = signing_request()
    async with district.channel(pair) as channel:
        wish = edge.RenewRequest(certificate_request_der=request)
        answer = await EdgeServiceStub(channel).Renew(wish, timeout=10)
    renewed = district.pair(key, answer.certificate_chain_pem)
    settled = []
    for number, own in ((1, pair), (2, renewed)):
        async with district.agent(own, "gw-1", piles=[pile("P1")]) as agent:
            settled.append(await agent.report(batch("spool-1", number, ["P1*1"])))
    leaf = x509.load_pem_x509_certificate(renewed.cert.read_bytes())
    async with district.operator() as operator:
        listed = (await operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents

    assert [ack.stored.acked_through for ack in settled] == [1, 2]
    uri = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = uri.get_values_for_type(x509.UniformResourceIdentifier)
    assert names == ["spiffe://test/agent/gw-1"]
    days = (leaf.not_valid_after_utc.timestamp() - time.time()) / 86_400
    assert 6.9 < days <= 7.0
    assert "BEGIN CERTIFICATE" in answer.trust_pem
    assert [(a.agent_id, a.revoked) for a in listed] == [("gw-1", False)]
    assert listed[0].certificate_valid_until.seconds == int(leaf.not_valid_after_utc.timestamp())


async def test_wrong_tokens_are_all_refused_alike(district: OwnAuthority) -> None:
    """Unknown, used, another's: the caller cannot tell which, and the token stays good."""
    first, second = await district.token("gw-1"), await district.token("gw-2")
    told = {
        await refusal(district, "gw-1", "x" * 32),
        await refusal(district, "gw-1", ""),
        await refusal(district, "gw-1", second),
    }
    await district.enrol("gw-1", first, signing_request()[1])
    told.add(await refusal(district, "gw-1", first))  # replayed with another key
    answer = await district.enrol("gw-2", second, signing_request()[1])

    assert len(told) == 1
    assert told.pop()[0] == "UNAUTHENTICATED"
    assert answer.certificate_chain_pem


async def test_token_past_its_time_is_refused(tmp_path: Path) -> None:
    """A token that nobody used in time enrols nobody."""
    district = OwnAuthority(tmp_path, hours=1 / 3600)
    await district.start()
    token = await district.token("gw-1")
    await asyncio.sleep(1.1)  # its life is a second, of the system's clock

    status, _ = await refusal(district, "gw-1", token)
    await district.stop()

    assert status == "UNAUTHENTICATED"


async def test_lost_answer_can_be_asked_for_again(district: OwnAuthority) -> None:
    """The same token with the same key gives a certificate again, after a restart too."""
    token = await district.token("gw-1")
    key, request = signing_request()
    await district.enrol("gw-1", token, request)
    await district.kill()
    await district.start()

    answer = await district.enrol("gw-1", token, request)
    pair = district.pair(key, answer.certificate_chain_pem)
    async with district.agent(pair, "gw-1") as agent:
        district_id = agent.welcome.district_id

    assert district_id == "test"
    assert (await refusal(district, "gw-1", token))[0] == "UNAUTHENTICATED"


async def test_race_for_one_token_has_one_winner(district: OwnAuthority) -> None:
    """Of many who come with one token at once, one gets a certificate."""
    token = await district.token("gw-1")
    tries = [district.enrol("gw-1", token, signing_request()[1]) for _ in range(8)]

    ends = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(isinstance(end, edge.EnrollResponse) for end in ends) == 1


async def test_request_that_cannot_be_used_costs_no_token(district: OwnAuthority) -> None:
    """Junk, and a key that is too weak, are refused by their field; the token is still good."""
    token = await district.token("gw-1")
    for request in (b"", b"\x30\x03junk", b"\x00" * 9000, signing_request(ec.SECP192R1())[1]):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await district.enrol("gw-1", token, request)
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "certificate_request_der" in (failure.value.details() or "")

    answer = await district.enrol("gw-1", token, signing_request()[1])

    assert answer.certificate_chain_pem


async def test_guessing_is_slowed_down(district: OwnAuthority) -> None:
    """After ten failures within a minute a host must wait, with a good token too."""
    token = await district.token("gw-1")
    statuses = [(await refusal(district, "gw-1", f"guess-{n}"))[0] for n in range(11)]

    assert statuses == ["UNAUTHENTICATED"] * 10 + ["RESOURCE_EXHAUSTED"]
    assert (await refusal(district, "gw-1", token))[0] == "RESOURCE_EXHAUSTED"


async def test_revoked_agent_is_cut_off_within_a_second(district: OwnAuthority) -> None:
    """Its open stream ends with the reason, also if it does not read; it cannot come back.

    A new token lets it in again, and then with the new certificate only.
    """
    pair = await district.enrolled("gw-1")
    async with district.operator() as operator:
        async with district.agent(pair, "gw-1", piles=[pile("P1")]) as agent:
            await agent.report(batch("spool-1", 1, ["P1*1"]))
            begun_s = time.monotonic()
            request = op.RevokeAgentRequest(agent_id="gw-1", reason="stolen")
            await operator.RevokeAgent(request, timeout=10)
            goodbye = await ended(agent)
            with pytest.raises(EOFError):
                await agent.read()
            took_s = time.monotonic() - begun_s
        listed = (await operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents[0]
        await district.kill()
        await district.start()
    with pytest.raises(grpc.aio.AioRpcError) as again:
        async with district.agent(pair, "gw-1"):
            pass
    async with district.channel(pair) as channel:
        wish = edge.RenewRequest(certificate_request_der=signing_request()[1])
        with pytest.raises(grpc.aio.AioRpcError) as renewal:
            await EdgeServiceStub(channel).Renew(wish, timeout=10)
    fresh = await district.enrolled("gw-1")
    async with district.agent(fresh, "gw-1") as agent:
        district_id = agent.welcome.district_id
    with pytest.raises(grpc.aio.AioRpcError) as old:
        async with district.agent(pair, "gw-1"):
            pass

    assert took_s <= 1.0
    assert (goodbye.reason, listed.revoked, listed.revoked_reason) == ("REVOKED", True, "stolen")
    assert {f.value.code() for f in (again, renewal, old)} == {grpc.StatusCode.PERMISSION_DENIED}
    assert "enrolled anew" in (old.value.details() or "")
    assert district_id == "test"


async def test_what_a_revoked_agent_still_sends_is_not_stored(district: OwnAuthority) -> None:
    """Batches on their way when the agent is shut out are neither stored nor acknowledged."""
    pair = await district.enrolled("gw-1")
    async with district.operator() as operator:
        async with district.agent(pair, "gw-1", piles=[pile("P1")]) as agent:
            await agent.report(batch("spool-1", 1, ["P1*1"]))
            request = op.RevokeAgentRequest(agent_id="gw-1")
            revoking = operator.RevokeAgent(request, timeout=10)
            sent = 1
            while not revoking.done() or sent < 5:
                sent += 1
                report = batch("spool-1", sent, ["P1*1"])
                await agent.send(edge.ConnectRequest(batch=report))
            await revoking
            answered = time.monotonic()
            late = 0
            try:
                while time.monotonic() < answered + 0.2:
                    late += 1
                    report = batch("spool-1", sent + late, ["P1*1"])
                    await agent.send(edge.ConnectRequest(batch=report))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                pass
        listed = (await operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents[0]

    assert 1 <= listed.spools[0].record_count <= sent


async def test_enrolment_ends_the_former_gateways_stream(district: OwnAuthority) -> None:
    """A gateway that is replaced loses its stream when the new one is enrolled."""
    pair = await district.enrolled("gw-1")
    async with district.agent(pair, "gw-1") as agent:
        await district.enrolled("gw-1")
        goodbye = await ended(agent)

    assert goodbye.reason == "SUPERSEDED"


async def test_K4_second_gateway_with_the_same_id_is_refused(district: OwnAuthority) -> None:
    """A copied identity on another gateway is refused while the first reports, with an alarm."""
    pair = await district.enrolled("gw-1")
    async with district.operator() as operator:
        watch = operator.Watch(op.OperatorServiceWatchRequest(kinds=["SECURITY"]))
        await watch.initial_metadata()
        async with district.agent(pair, "gw-1", piles=[pile("P1")]) as agent:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async with district.agent(pair, "gw-1", spool_id="spool-2"):
                    pass
            event = await asyncio.wait_for(watch.read(), 60)
            ack = await agent.report(batch("spool-1", 1, ["P1*1"]))
        watch.cancel()

    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert event.facts["what"] == "doubled"
    assert ack.stored.acked_through == 1


async def test_authority_is_rotated_while_agents_report(district: OwnAuthority) -> None:
    """After a rotation old certificates are good until the former authority is forgotten."""
    pair = await district.enrolled("gw-1")
    async with district.agent(pair, "gw-1", piles=[pile("P1")]) as agent:
        district.authority.rotate()
        async with district.channel(pair) as channel:
            key, request = signing_request()
            wish = edge.RenewRequest(certificate_request_der=request)
            answer = await EdgeServiceStub(channel).Renew(wish, timeout=10)
        district.authority.issue_server(["127.0.0.1"], 90, district.ca_dir / "server.pem")
        renewed = district.pair(key, answer.certificate_chain_pem)
        district.authority.forget_former()
        with pytest.raises(grpc.aio.AioRpcError):
            async with district.agent(pair, "gw-1"):
                pass
        ack = await agent.report(batch("spool-1", 1, ["P1*1"]))
    async with district.agent(renewed, "gw-1") as agent:
        after = await agent.report(batch("spool-1", 2, ["P1*1"]))

    assert answer.trust_pem.count("BEGIN CERTIFICATE") == 2
    assert (ack.stored.acked_through, after.stored.acked_through) == (1, 2)
