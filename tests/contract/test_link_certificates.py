"""A secured link that cannot stand says why, and is not tried in haste."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from certificates import Authority, Pair, authority
from durable_edge_service import DurableEdgeService
from linked_agent import EVSE, FACTS, NoHands
from structlog.testing import capture_logs

from edge_agent.core.clock import DomainClock
from edge_agent.uplink.certificate import diagnose
from edge_agent.uplink.channel import LinkSettings, TlsFiles
from edge_agent.uplink.directives import DirectiveDesk
from edge_agent.uplink.reporter import Reporter
from edge_agent.uplink.spool import Spool
from pilewise.v1.edge_service_pb2_grpc import add_EdgeServiceServicer_to_server

pytestmark = pytest.mark.slow
HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture
def site(tmp_path: Path) -> Authority:
    return authority(tmp_path / "site")


@asynccontextmanager
async def secured(folder: Path, own: Pair, trusted: Authority) -> AsyncIterator[int]:
    """A coordinator's edge service behind mutual TLS; the port."""
    service = DurableEdgeService(folder / "far.db")
    server = grpc.aio.server()
    add_EdgeServiceServicer_to_server(service, server)
    credentials = grpc.ssl_server_credentials(
        [(own.key.read_bytes(), own.cert.read_bytes())],
        root_certificates=trusted.own.cert.read_bytes(),
        require_client_auth=True,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def first_word(folder: Path, port: int, tls: TlsFiles) -> dict[str, object]:
    """What the agent logs of its first try: `connected`, or the warning."""
    spool = Spool(folder / "agent", iter(f"spool-{n}" for n in range(1, 9)).__next__)
    await spool.start()

    def now_ms() -> int:
        return int(time.time() * 1000)

    settings = LinkSettings("G1", f"localhost:{port}", DomainClock(0, 0.0), tls)
    desk = DirectiveDesk(spool, NoHands(), now_ms, EVSE.__eq__)
    reporter = Reporter(settings, spool, desk, lambda: [FACTS], now_ms, random.Random(1))
    with capture_logs() as logs:
        task = asyncio.create_task(reporter.run(), name="test:uplink")
        try:
            async with asyncio.timeout(60):
                while not (told := [e for e in logs if "next_try_s" in e or "credit" in e]):
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await spool.close()
    return dict(told[0])


def files(site: Authority, own: Pair) -> TlsFiles:
    """The agent's files."""
    return TlsFiles(site.own.cert, own.cert, own.key)


async def test_T4_good_certificates_on_both_sides_connect(tmp_path: Path, site: Authority) -> None:
    """The control: with everything in order the stream stands."""
    async with secured(tmp_path, site.issue("coordinator", alt=HERE), site) as port:
        told = await first_word(tmp_path, port, files(site, site.issue("G1")))

    assert told["event"] == "connected"


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"end": "20210101000000Z"}, "ended on"),
        ({"start": "20980101000000Z"}, "is not valid before"),
    ],
)
async def test_T4_own_dates_are_told_before_dialling(
    tmp_path: Path, site: Authority, dates: dict[str, str], words: str
) -> None:
    """An expired or not yet valid certificate is named with its date; the next try waits long."""
    told = await first_word(tmp_path, 1, files(site, site.issue("G1", **dates)))

    assert told["code"] == "CertificateUnusable"
    assert words in str(told["details"])
    assert float(str(told["next_try_s"])) >= 20.0


async def test_T4_key_of_another_certificate_is_told(tmp_path: Path, site: Authority) -> None:
    """Files that do not belong together are found on the gateway, not by the coordinator."""
    mixed = Pair(site.issue("G1").cert, site.issue("G2").key)

    faults = diagnose(files(site, mixed), time.time())

    assert len(faults) == 1
    assert "does not open" in faults[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [("DNS:elsewhere.example", "mismatch"), (HERE, "unable to get local issuer")],
)
async def test_T4_coordinator_of_another_name_or_authority_is_told(
    tmp_path: Path, site: Authority, name: str, words: str
) -> None:
    """A wrong name and a wrong authority are told in OpenSSL's words, not as a closed socket."""
    other = authority(tmp_path / "other")
    signer = site if name != HERE else other
    async with secured(tmp_path, signer.issue("coordinator", alt=name), site) as port:
        told = await first_word(tmp_path, port, files(site, site.issue("G1")))

    assert told["code"] == "CertificateUnusable"
    assert words in str(told["details"]).lower()


async def test_T4_coordinator_that_refuses_our_certificate_is_told(
    tmp_path: Path, site: Authority
) -> None:
    """A certificate of an authority that the coordinator does not trust: the agent says so."""
    other = authority(tmp_path / "other")
    async with secured(tmp_path, site.issue("coordinator", alt=HERE), site) as port:
        told = await first_word(tmp_path, port, files(site, other.issue("G1")))

    assert told["code"] == "CertificateUnusable"
    assert "does not accept" in str(told["details"])
