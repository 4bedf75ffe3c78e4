"""The coordinator warns before its own certificates end, each time once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="hint: pip install 'pilewise[coordinator]'")

from coordinator.jobs.certificates import CertificateWatch
from coordinator.trust.authority import Authority, init_authority
from coordinator.usecases.events import Events


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority, and a server's certificate for 20 days."""
    made = init_authority(tmp_path / "ca", "test")
    made.issue_server(["localhost"], 20, tmp_path / "server.pem")
    return made


async def test_T4_servers_certificate_is_an_alarm_14_7_and_1_days_before(
    authority: Authority, tmp_path: Path
) -> None:
    """Each threshold is told once; a new certificate ends the alarm."""
    began_s, days = time.time(), [0.0]
    events = Events(time.time, time.time)
    watch = CertificateWatch(
        {"server": tmp_path / "server.pem", "none": tmp_path / "none.pem"},
        events,
        lambda: began_s + days[-1] * 86_400,
    )
    told = []
    for day in (0.0, 5.9, 6.1, 7.0, 13.1, 19.5, 20.1):
        days.append(day)
        before = events.newest_id
        await watch.look()
        told.append(len(events.after(before)))
    authority.issue_server(["localhost"], 90, tmp_path / "server.pem")
    await watch.look()

    assert told == [0, 0, 1, 0, 1, 1, 1]
    assert 69 < watch.days_left["server"] < 70
    assert "none" not in watch.days_left
