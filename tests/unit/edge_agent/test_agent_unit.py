"""The systemd unit that the wheel carries."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.commands import unit

ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 2.0
WANTED = (
    "Type=notify",
    "WatchdogSec=",
    "Restart=on-failure",
    "StateDirectory=pilewise-agent",
    "ConfigurationDirectory=pilewise",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectKernelModules=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "CapabilityBoundingSet=",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "SystemCallFilter=@system-service",
    "SystemCallArchitectures=native",
    "UMask=0077",
    "MemoryMax=",
    "TasksMax=",
)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert unit.main(list(words)) == 0
    return capsys.readouterr().out


def installed(folder: Path, text: str, drop_in: str = "") -> Path:
    path = folder / "pilewise-agent.service"
    path.write_text(text)
    if drop_in:
        (folder / f"{path.name}.d").mkdir()
        (folder / f"{path.name}.d" / "serial.conf").write_text(drop_in)
    return path


def test_printed_unit_runs_this_python_and_is_sandboxed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The unit names the interpreter that printed it, and every line of the sandbox is there."""
    text = printed(capsys)

    assert f"ExecStart={sys.executable} -m edge_agent -c /etc/pilewise/agent.toml" in text
    assert [line for line in WANTED if line not in text] == []


@pytest.mark.slow
def test_unit_is_sound_for_systemd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """systemd finds no mistake in the unit."""
    if ANALYZE is None:
        pytest.skip("hint: apt-get install systemd")
    path = installed(tmp_path, printed(capsys))

    ran = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert [line for line in ran.stderr.splitlines() if path.name in line] == []


@pytest.mark.slow
@pytest.mark.parametrize("serial", [False, True])
def test_unit_exposes_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], serial: bool
) -> None:
    """The exposure that systemd computes is at most 2.0, with serial lines too."""
    if ANALYZE is None:
        pytest.skip("hint: apt-get install systemd")
    text = printed(capsys)
    if serial:
        # Settings of a drop-in stand after those of the unit, as if they were appended.
        text = text.replace("[Install]", printed(capsys, "--serial") + "\n[Install]")
    path = installed(tmp_path, text)

    ran = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", ran.stdout)
    if found is None and "offline" in ran.stderr:
        pytest.skip("hint: this systemd cannot judge a file; 250 or newer can")
    assert found is not None, ran.stderr
    assert float(found[1]) <= MOST_EXPOSURE
