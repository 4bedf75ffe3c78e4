"""Certificates that come to their end: their dates, the alarms before it, and who is told."""

from __future__ import annotations

import asyncio
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from certificates import Authority, authority
from durable_edge_service import DurableEdgeService
from local_agent import LocalAgent
from structlog.testing import capture_logs

from edge_agent.certificate_alarm import CertificateAlarm
from edge_agent.core.certificate import DAY_S, read_certificate
from edge_agent.uplink.certificate import certificates_in, chain_fault

pytestmark = pytest.mark.slow


def stamp(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y%m%d%H%M%S}Z"


def test_facts_of_a_certificate_are_those_that_openssl_tells(tmp_path: Path) -> None:
    """Names and both ways of writing a date, up to 2049 and beyond, are read from the bytes."""
    site = authority(tmp_path / "site")
    own = site.issue("gateway-7", start="20240229120001Z", end="20991231235959Z")

    facts = certificates_in(own.cert)[0]

    told = subprocess.run(
        ["openssl", "x509", "-in", str(own.cert), "-noout", "-dates"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout
    begins, ends = (line.partition("=")[2] for line in told.splitlines())
    assert (facts.subject, facts.issuer) == ("gateway-7", "CA site")
    for said, read_s in ((begins, facts.begins_s), (ends, facts.ends_s)):
        expected = datetime.strptime(said, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
        assert read_s == expected.timestamp()


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x82\xff\xff\x00", b"\x30\x03\x30\x01\x00"])
def test_bytes_that_are_no_certificate_are_a_value_error(der: bytes) -> None:
    """Junk never ends in anything but the error that callers expect."""
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(der)


def test_T4_chain_is_verified_not_compared_by_name(tmp_path: Path) -> None:
    """An authority of the same name that did not sign is no better than a stranger."""
    real, namesake = authority(tmp_path / "a" / "site"), authority(tmp_path / "b" / "site")
    own = real.issue("gateway-7")

    assert chain_fault(own.cert, own.key, real.own.cert) == ""
    assert "unable to get local issuer" in chain_fault(own.cert, own.key, namesake.own.cert) or (
        "signature failure" in chain_fault(own.cert, own.key, namesake.own.cert)
    )


async def test_T4_alarm_is_raised_14_7_and_1_days_before_the_end(tmp_path: Path) -> None:
    """Each once, then the end itself; a renewed file is quiet until it grows old again."""
    site = authority(tmp_path / "site")
    now_s = time.time()
    own = site.issue("gateway-7", end=stamp(now_s + 20 * DAY_S))
    day = 0.0
    told: list[tuple[str, str]] = []
    alarm = CertificateAlarm(
        {"tls.cert_file": own.cert}, lambda *what: told.append(what), lambda: now_s + day * DAY_S
    )
    by_day: dict[float, list[str]] = {}
    with capture_logs() as logs:
        for day in (0, 5.5, 6.5, 7, 12.5, 13.5, 14, 19.5, 20.5, 21):
            await alarm.look()
            by_day[day] = [reason for reason, _ in told]
            told.clear()
        renewed = site.issue("gateway-7", end=stamp(now_s + 90 * DAY_S))
        own.cert.write_bytes(renewed.cert.read_bytes())
        await alarm.look()

    assert {day: reasons for day, reasons in by_day.items() if reasons} == {
        6.5: ["CERTIFICATE_EXPIRES"],
        13.5: ["CERTIFICATE_EXPIRES"],
        19.5: ["CERTIFICATE_EXPIRES"],
        20.5: ["CERTIFICATE_EXPIRED"],
    }
    assert [entry["log_level"] for entry in logs] == ["warning"] * 4
    assert alarm.days_left["tls.cert_file"] == pytest.approx(69, abs=0.1)


def soon_over(folder: Path) -> Authority:
    made = authority(folder)
    end = datetime.now(UTC) + timedelta(days=5)
    made.issue("localhost", alt="DNS:localhost", end=f"{end:%Y%m%d%H%M%S}Z")
    return made


async def test_T4_coordinator_and_metrics_hear_of_a_certificate_that_ends_soon(
    tmp_path: Path,
) -> None:
    """A running agent with five days left sends an event, and its page says how long that is."""
    site = soon_over(tmp_path / "site")
    service = DurableEdgeService(tmp_path / "coordinator.db")
    await service.start()
    agent = LocalAgent(tmp_path, service)
    agent.write()
    text = agent.config.read_text()
    listen = '[ocpp]\nlisten = "127.0.0.1:0"\n'
    secured = (
        '[ocpp]\nlisten = "127.0.0.1:0"\nsecurity_profile = 2\n'
        f'cert_file = "{site.folder}/leaf-0.pem"\nkey_file = "{site.folder}/leaf-0.key"\n'
    )
    (tmp_path / "password").write_text("a-password-of-16-bytes\n")
    (tmp_path / "password").chmod(0o600)
    text = text.replace(listen, secured).replace(
        'profile = "ocpp16"\n', 'profile = "ocpp16"\npassword_file = "password"\n'
    )
    try:
        ready = await agent.start_with(text)
        await service.until(lambda: bool(service.rows("reason='CERTIFICATE_EXPIRES'")), 30)
        page = await asyncio.to_thread(fetched, str(ready["metrics"]))
    finally:
        await agent.stop()
        await service.crash()

    (line,) = [line for line in page.splitlines() if line.startswith("pilewise_agent_certificate")]
    assert 'key="ocpp.cert_file"' in line
    assert 4.9 * 86_400 < float(line.split()[-1]) <= 5.0 * 86_400


def fetched(address: str) -> str:
    with urlopen(f"http://{address}/metrics", timeout=10) as page:
        return str(page.read().decode())
