"""The agent's own certificate: enrolled by itself, renewed in time, never left without one."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from linked_agent import EVSE, FACTS, NoHands, free_now, meters, until
from secured_district import OwnAuthority
from structlog.testing import capture_logs

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.channel import EnrolmentSettings, LinkSettings
from edge_agent.uplink.credentials import KeptIdentity
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.enrolment import enrol, renew
from edge_agent.uplink.identity_files import IdentityFiles
from edge_agent.uplink.lanes import BatchLimits
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from pilewise.v1 import operator_service_pb2 as op

pytestmark = pytest.mark.slow


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[OwnAuthority]:
    """A district that gives certificates for seven days."""
    district = OwnAuthority(tmp_path, agent_open=True)
    await district.start()
    yield district
    await district.stop()


def settings(district: OwnAuthority, token: str) -> LinkSettings:
    """How an agent that enrols by itself talks to this district."""
    token_file = district.folder / "token"
    token_file.write_text(f"{token}\n")
    return LinkSettings(
        agent_id="G1",
        coordinator=district.agents_address,
        clock=DomainClock(0, 0.0),
        enrolment=EnrolmentSettings(
            "G1", district.address, token_file, ca_hash=district.authority.trusted()[0].sha256
        ),
        identity_dir=district.folder / "identity",
        limits=BatchLimits(linger_s=0.02),
        backoff_base_s=0.05,
        backoff_cap_s=0.5,
    )


@asynccontextmanager
async def running(link: LinkSettings) -> AsyncIterator[tuple[Reporter, Spool]]:
    """The uplink of an agent, running."""
    folder = link.identity_dir
    assert folder is not None
    spool = Spool(folder.parent / "agent", (f"spool-{n}" for n in itertools.count(1)).__next__)
    await spool.start()

    def now_ms() -> int:
        return int(time.time() * 1000)

    desk = DirectiveDesk(spool, NoHands(), now_ms, EVSE.__eq__)
    reporter = Reporter(link, spool, desk, lambda: [FACTS], now_ms, random.Random(1))
    task = asyncio.create_task(reporter.run(), name="test:uplink")
    try:
        yield reporter, spool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await spool.close()


async def stored(district: OwnAuthority) -> op.StoredSpool:
    """What the coordinator counts of the agent's spool."""
    async with district.operator() as operator:
        agents = (await operator.ListAgents(op.ListAgentsRequest(), timeout=10)).agents
    found = [spool for agent in agents for spool in agent.spools]
    return found[0] if found else op.StoredSpool()


async def test_T5_agent_renews_while_it_reports_and_loses_nothing(tmp_path: Path) -> None:
    """Certificates of seconds follow each other under a stream of records: all stored once."""
    district = OwnAuthority(tmp_path, days=6 / 86_400, agent_open=True)
    await district.start()
    given = 0
    async with running(settings(district, await district.token("G1"))) as (reporter, spool):
        end_s = time.monotonic() + 60
        while reporter.connections < 4:
            assert time.monotonic() < end_s, "not renewed three times within 60 s"
            await spool.commit(meters(5, int(time.time() * 1000)))
            given += 5
            await asyncio.sleep(0.05)
        folder = tmp_path / "identity"
        files = sorted(path.name for path in folder.iterdir())
        mode = (folder / "identity.pem").stat().st_mode & 0o777

        async def all_there() -> bool:
            return (await stored(district)).stored.acked_through >= given

        await until("everything is stored", all_there)
        counted = await stored(district)
    await district.stop()

    assert (counted.record_count, counted.rejected_count) == (given, 0)
    assert set(files) <= {"identity.pem", "identity.next.pem", "trust.pem"}
    assert mode == 0o600


async def test_renewed_identity_that_is_refused_gives_way_to_the_present_one(
    district: OwnAuthority,
) -> None:
    """A next certificate that no coordinator takes costs a try, and the agent reports on."""
    link = settings(district, await district.token("G1"))
    async with running(link) as (reporter, _):
        await until("it is connected", lambda: _is(reporter.connected))
    other = await district.enrolled("somebody-else")
    folder = link.identity_dir
    assert folder is not None
    IdentityFiles(folder).put_following(other.cert.read_text(), other.key.read_bytes())

    async with running(link) as (reporter, spool):
        await until("it is connected again", lambda: _is(reporter.connected))
        await spool.commit([free_now()])
        await until("it reports", lambda: _is(reporter.acked > 0))

    assert [path.name for path in sorted(folder.glob("identity*"))] == ["identity.pem"]


async def _is(fact: bool) -> bool:
    return fact


async def test_agent_whose_token_is_refused_says_so_and_tries_slowly(
    district: OwnAuthority,
) -> None:
    """A token that is no good is told, and not tried in haste."""
    link = replace(settings(district, "no-good-token"), backoff_cap_s=20.0)
    with capture_logs() as logs:
        async with running(link):
            async with asyncio.timeout(60):
                while not (told := [e for e in logs if "next_try_s" in e]):
                    await asyncio.sleep(0.02)

    assert told[0]["code"] == "UNAUTHENTICATED"
    assert told[0]["next_try_s"] >= 10.0


async def test_agent_that_is_shut_out_says_so_and_waits(district: OwnAuthority) -> None:
    """A revoked agent hears the reason, logs it for its people, and comes back slowly."""
    link = settings(district, await district.token("G1"))
    with capture_logs() as logs:
        async with running(link) as (reporter, _):
            await until("it is connected", lambda: _is(reporter.connected))
            async with district.operator() as operator:
                await operator.RevokeAgent(op.RevokeAgentRequest(agent_id="G1"), timeout=10)
            await until("it is cut off", lambda: _is(not reporter.connected))
            shut_out = [e for e in logs if e["event"] == "shut out"]

    assert shut_out[0]["reason"] == "REVOKED"
    assert shut_out[0]["log_level"] == "warning"
    assert shut_out[0]["next_try_s"] >= 60.0


async def test_wrong_pin_gives_no_token_away(district: OwnAuthority) -> None:
    """A coordinator with another authority than the pinned one never hears the token."""
    token = await district.token("G1")
    link = settings(district, token)
    assert link.enrolment is not None
    assert link.identity_dir is not None
    files = IdentityFiles(link.identity_dir)
    wrong = replace(link.enrolment, ca_hash="sha256:" + "0" * 64)
    with pytest.raises(Exception, match="vouched for by none"):
        await enrol(wrong, files, token)

    ends_s = await enrol(link.enrolment, files, token)

    assert ends_s > time.time()


# Ends the process, as SIGKILL would, before the N-th change of the identity's folder.
KILLED_AT = """
import asyncio, os, sys
from pathlib import Path
from edge_agent.uplink.channel import EnrolmentSettings, TlsFiles
from edge_agent.uplink.enrolment import enrol, renew
from edge_agent.uplink.identity_files import IdentityFiles
what, step, folder, address, pin, token = sys.argv[1:]
changes, left = ("os.rename", "os.remove", "open"), int(step)
def see(event, args):
    global left
    if event not in changes or not str(args[0]).startswith(folder):
        return
    if event == "open" and not (isinstance(args[2], int) and args[2] & os.O_WRONLY):
        return
    if left == 0:
        os._exit(9)
    left -= 1
files = IdentityFiles(Path(folder))
sys.addaudithook(see)
if what == "enrol":
    asyncio.run(enrol(EnrolmentSettings("G1", address, ca_hash=pin), files, token))
else:
    asyncio.run(renew(address, "G1", TlsFiles(files.trust, files.present, files.present), files))
    files.promote()
"""


async def run_until_killed(what: str, step: int, link: LinkSettings, token: str) -> bool:
    """Whether the process was killed, before it had ended by itself."""
    assert link.enrolment is not None
    address = link.enrolment.address if what == "enrol" else link.coordinator
    words = (what, str(step), str(link.identity_dir), address, link.enrolment.ca_hash, token)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_AT, *words)
    code = await asyncio.wait_for(child.wait(), 60)
    assert code in (0, 9)
    return code == 9


async def test_agent_killed_at_any_file_step_still_has_an_identity(
    district: OwnAuthority,
) -> None:
    """Killed before each change on the disk of enrolment and renewal, it comes up welcome.

    An enrolment that was killed is ended with the same token, a renewal is not needed.
    """
    kills = {"enrol": 0, "renew": 0}
    link = settings(district, token := await district.token("G1"))
    for what in kills:
        while await run_until_killed(what, kills[what], link, token):
            kills[what] += 1
            async with running(link) as (reporter, _):
                await until("it is welcome", lambda: _is(reporter.connected))
            if what == "enrol":
                assert link.identity_dir is not None
                shutil.rmtree(link.identity_dir)
                link = settings(district, token := await district.token("G1"))
        async with running(link) as (reporter, _):
            await until("it is welcome in the end", lambda: _is(reporter.connected))

    assert kills["enrol"] >= 8
    assert kills["renew"] >= 5


async def test_revoked_identity_cannot_renew(district: OwnAuthority) -> None:
    """Who was shut out does not get the next certificate, and keeps what it had."""
    token = await district.token("G1")
    link = settings(district, token)
    assert link.enrolment is not None
    assert link.identity_dir is not None
    files = IdentityFiles(link.identity_dir)
    await enrol(link.enrolment, files, token)
    before = files.present.read_bytes()
    async with district.operator() as operator:
        await operator.RevokeAgent(op.RevokeAgentRequest(agent_id="G1"), timeout=10)
    tls = await KeptIdentity(link, link.enrolment, files).for_next_try()
    assert tls is not None

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await renew(link.coordinator, "G1", tls, files)

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert files.present.read_bytes() == before
    assert not files.following.is_file()
