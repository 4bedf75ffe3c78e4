"""The relay towards an operator's system behind TLS, over real sockets, good and bad."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from base64 import b64encode
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority, Pair, authority
from relay_site import IDENTITY, Site, until
from structlog.testing import capture_logs
from websockets.http11 import Request, Response

from edge_agent.piles.ocpp_tls import TlsPaths
from edge_agent.piles.relay_upstream import Upstream, UpstreamSettings

pytestmark = pytest.mark.slow
HERE = "IP:127.0.0.1"
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Volt 22"}
START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-22T10:00:00Z"}


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    """The operator's authority."""
    return authority(tmp_path / "operator")


def shown(pair: Pair, clients: Authority | None = None) -> ssl.SSLContext:
    """What the operator's system serves with; with `clients` it insists on a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    if clients is not None:
        context.load_verify_locations(clients.own.cert)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def opened(folder: Path, server: ssl.SSLContext, own: TlsPaths, **options: Any) -> Site:
    """A site whose operator's system is behind TLS, with a pile that has dialled."""
    site = Site(folder, policy="accept", scheme="wss", tls=own)
    site.central.options = {"ssl": server, **options}
    await site.open_central()
    await site.start()
    await site.dial()
    return site


async def served_here(site: Site) -> None:
    """Boots and begins a transaction, answered by the agent; they wait for the operator."""
    boot = await site.pile.call("BootNotification", BOOT)
    begun = await site.pile.call("StartTransaction", START)

    assert (boot["status"], boot["interval"]) == ("Accepted", 20)
    assert begun["idTagInfo"]["status"] == "Accepted"
    assert await site.waiting() == 1
    assert not site.relay.ready
    assert site.central.heard == []


async def delivered_later(site: Site, server: ssl.SSLContext, own: TlsPaths | None = None) -> None:
    """Once the operator's system shows that, what waited arrives, though the agent was restarted.

    Restarted, because what is hopeless is tried slowly.
    """
    await site.central.close()
    await site.pile.hang_up()
    await site.stop()
    site.central.options = {"ssl": server}
    if own is not None:
        site.more["tls"] = own
    await site.open_central()
    await site.start()
    await site.until_delivered()

    assert [heard.action for heard in site.central.heard] == [
        "BootNotification",
        "StartTransaction",
    ]
    await site.close()


async def test_relay_proves_itself_by_password_over_tls(tmp_path: Path, ca: Authority) -> None:
    """A server of the operator's authority is trusted and gets identity and password."""
    own = TlsPaths(ca=ca.own.cert)
    site = await opened(tmp_path / "data", shown(ca.issue("csms", alt=HERE)), own)

    boot = await site.pile.call("BootNotification", BOOT)
    await site.until_ready()

    up = site.central.connections[0]
    proof = b64encode(f"{IDENTITY}:operators-password".encode()).decode()
    assert boot["interval"] == 300
    assert site.central.headers[0]["Authorization"] == f"Basic {proof}"
    assert up.transport.get_extra_info("ssl_object").version() in ("TLSv1.2", "TLSv1.3")
    await site.close()


async def test_relay_proves_itself_by_client_certificate(tmp_path: Path, ca: Authority) -> None:
    """Where the operator asks for a certificate, ours is shown."""
    ours = ca.issue("P1")
    server = shown(ca.issue("csms", alt=HERE), clients=ca)
    site = await opened(tmp_path / "data", server, TlsPaths(ours.cert, ours.key, ca.own.cert))

    boot = await site.pile.call("BootNotification", BOOT)

    peer = site.central.connections[0].transport.get_extra_info("peercert")
    assert boot["interval"] == 300
    assert ((("commonName", "P1"),)) in peer["subject"]
    await site.close()


@pytest.mark.parametrize(
    ("reason", "certificate"),
    [
        ("certificate has expired", {"alt": HERE, "end": "20210101000000Z"}),
        ("IP address mismatch", {"alt": "IP:127.0.0.9"}),
        ("unable to get local issuer certificate", {"alt": HERE, "foreign": "yes"}),
    ],
    ids=["expired", "wrong host", "wrong authority"],
)
async def test_T4_pile_is_served_here_while_the_operators_certificate_is_bad(
    tmp_path: Path, ca: Authority, reason: str, certificate: dict[str, str]
) -> None:
    """The log says what is wrong with it, the pile notices nothing, and nothing is lost."""
    issuer = authority(tmp_path / "other") if certificate.pop("foreign", "") else ca
    server = shown(issuer.issue("csms", **certificate))
    with capture_logs() as logs:
        site = await opened(tmp_path / "data", server, TlsPaths(ca=ca.own.cert))
        await served_here(site)

    away = [log for log in logs if log["event"] == "operator's system is away"]
    assert len(away) == 1
    assert reason in away[0]["why"]
    assert IDENTITY in site.relay.upstream.identity
    figures = await site.relay.figures("P1", 0)
    assert reason in figures.why
    await delivered_later(site, shown(ca.issue("csms", alt=HERE)))


@pytest.mark.parametrize("kind", ["none", "foreign"])
async def test_T4_pile_is_served_here_while_our_certificate_is_refused(
    tmp_path: Path, ca: Authority, kind: str
) -> None:
    """No certificate, or one of another authority: the log names the certificate."""
    server = shown(ca.issue("csms", alt=HERE), clients=ca)
    own = TlsPaths(ca=ca.own.cert)
    if kind == "foreign":
        stranger = authority(tmp_path / "other").issue("P1")
        own = TlsPaths(stranger.cert, stranger.key, ca.own.cert)
    site = await opened(tmp_path / "data", server, own)
    await served_here(site)

    await until(lambda: "upstream_cert_file" in site.relay.upstream.trouble)
    ours = ca.issue("P1")
    await delivered_later(site, server, TlsPaths(ours.cert, ours.key, ca.own.cert))


async def test_alert_about_our_certificate_is_named(tmp_path: Path, ca: Authority) -> None:
    """A server that says `certificate required` is told with the setting, and tried slowly."""
    context = shown(ca.issue("csms", alt=HERE), clients=ca)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            # asyncio's server drops the alert that a blocking socket sends.
            accepted = listener.accept()[0]
            with accepted.dup() as kept:
                with contextlib.suppress(OSError):
                    context.wrap_socket(accepted, server_side=True).close()
                kept.settimeout(5)
                # Unread bytes at the end would make a reset, which overtakes the alert.
                while kept.recv(4096):
                    pass

        port = listener.getsockname()[1]
        settings = UpstreamSettings(
            f"wss://127.0.0.1:{port}/", tls=TlsPaths(ca=ca.own.cert), backoff_cap_s=600.0
        )
        upstream = Upstream("P1", settings, lambda frame: None, random.Random(1))
        refusing = asyncio.create_task(asyncio.to_thread(refuse), name="test:refuse")
        trying = asyncio.create_task(upstream.talk("ocpp1.6", asyncio.Event().wait), name="test:up")
        await asyncio.wait_for(upstream.tried.wait(), 60)
        await refusing
        done, _ = await asyncio.wait({trying}, timeout=0.2)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)

    assert "certificate required" in upstream.trouble
    assert "upstream_cert_file" in upstream.trouble
    assert not done


async def test_wrong_password_is_named_and_the_pile_served_here(
    tmp_path: Path, ca: Authority
) -> None:
    """HTTP 401 is told with the file to look at."""

    def refuse(up: Any, request: Request) -> Response:
        refusal: Response = up.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        return refusal

    server = shown(ca.issue("csms", alt=HERE))
    own = TlsPaths(ca=ca.own.cert)
    site = await opened(tmp_path / "data", server, own, process_request=refuse)
    await served_here(site)

    assert "HTTP 401" in site.relay.upstream.trouble
    assert "upstream_password_file" in site.relay.upstream.trouble
    await delivered_later(site, server)
