"""What the doctor says of certificates, made by the test's own authority."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from site_certificates import certificates

from edge_agent.commands.check_certificates import check_pair
from edge_agent.commands.finding import Finding, Level

DAY_S = 86_400


def found(folder: Path, cert: str = "host.pem", key: str = "host.key") -> list[Finding]:
    return list(check_pair(folder, cert, key, "ca.pem"))


@pytest.mark.slow
def test_T4_dates_of_certificates_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valid for long is well, the last 14 days warn, ended and not yet valid are errors.

    The hint names the clock, because a wrong one looks the same.
    """
    certificates(tmp_path)
    now_s = time.time()
    seen: dict[int, list[Finding]] = {}
    for days in (0, 17, 31, -1):
        monkeypatch.setattr(time, "time", lambda days=days: now_s + days * DAY_S)
        seen[days] = found(tmp_path)

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
    (tmp_path / "other").mkdir()
    certificates(tmp_path)
    other, _, other_key = certificates(tmp_path / "other", authority="elsewhere")

    stranger = list(check_pair(tmp_path, "host.pem", "host.key", str(other)))
    mismatch = found(tmp_path, key=str(other_key))
    missing = found(tmp_path, cert="gone.pem")

    assert stranger[-1].level is Level.WARNING
    assert "signed by site" in stranger[-1].text
    assert mismatch[-1].level is Level.ERROR
    assert missing[-1].level is Level.ERROR
