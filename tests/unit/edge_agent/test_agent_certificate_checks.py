"""What the doctor says of certificates, made by the test's own authority."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import Authority, authority

from edge_agent.commands.check_certificates import check_pair
from edge_agent.commands.finding import Finding, Level

DAY_S = 86_400


def found(site: Authority, cert: str = "leaf-0.pem", key: str = "leaf-0.key") -> list[Finding]:
    return list(check_pair(site.folder, cert, key, "ca.pem"))


def thirty_days(folder: Path) -> Authority:
    """An authority and a certificate of it, both valid for 30 days from now."""
    made = authority(folder, days=30)
    now = datetime.now(UTC)
    start, end = (f"{at:%Y%m%d%H%M%S}Z" for at in (now, now + timedelta(days=30)))
    made.issue("localhost", alt="DNS:localhost", start=start, end=end)
    return made


@pytest.mark.slow
def test_T4_dates_of_certificates_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valid for long is well, the last 14 days warn, ended and not yet valid are errors.

    The hint names the clock, because a wrong one looks the same.
    """
    site = thirty_days(tmp_path / "site")
    now_s = time.time()
    seen: dict[int, list[Finding]] = {}
    for days in (0, 17, 31, -1):
        monkeypatch.setattr(time, "time", lambda days=days: now_s + days * DAY_S)
        seen[days] = found(site)

    assert {days: [f.level for f in findings] for days, findings in seen.items()} == {
        0: [Level.OK, Level.OK],
        17: [Level.WARNING, Level.WARNING],
        31: [Level.ERROR, Level.ERROR],
        -1: [Level.ERROR, Level.ERROR],
    }
    assert "not valid before" in seen[-1][0].text
    assert "clock" in seen[-1][0].hint


@pytest.mark.slow
def test_T4_wrong_authority_and_wrong_key_are_told(tmp_path: Path) -> None:
    """A certificate of another authority warns; a key of another certificate is an error."""
    site, other = thirty_days(tmp_path / "site"), thirty_days(tmp_path / "other")

    stranger = list(check_pair(site.folder, "leaf-0.pem", "leaf-0.key", str(other.own.cert)))
    mismatch = found(site, key=str(other.folder / "leaf-0.key"))
    missing = found(site, cert="gone.pem")

    assert stranger[-1].level is Level.WARNING
    assert "signed by CA site" in stranger[-1].text
    assert mismatch[-1].level is Level.ERROR
    assert missing[-1].level is Level.ERROR
