"""`pilewise doctor`: what it finds on a host, and what it says to do."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from pilewise.cli import doctor_host, doctor_reach, ending
from pilewise.cli.app import command
from pilewise.cli.doctor_finding import Level

GOOD = '[coordinator]\ndistrict = "d"\ndata_dir = "data"\nlisten = "127.0.0.1:{port}"\n'


@pytest.mark.slow
def test_the_whole_host_is_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thing that was looked at is a finding with level, text and hint; errors end with 1."""
    monkeypatch.chdir(tmp_path)
    Path("coordinator.toml").write_text('[coordinator]\ndistrict = "d"\n')

    code = ending.run(command(), ["doctor", "--json", "--target", "127.0.0.1:9"])

    said = capsys.readouterr()
    told = json.loads(said.out)
    found = {(one["check"], one["level"]): one for one in told["findings"]}
    looked = {check for check, _ in found}
    assert code == 1
    assert not told["ok"]
    assert {"python", "packages", "clock", "disk", "limits", "ports", "models"} <= looked
    assert {"serial", "chromium", "node", "mosquitto"} <= looked
    assert found["models", "ok"]["text"].count("sha256") == 1
    assert "CFG-004" in found["config", "error"]["text"]
    assert found["config", "error"]["hint"] == "pilewise config check coordinator.toml"
    assert "UNAVAILABLE" in found["coordinator", "error"]["text"]
    counted = [(told["errors"], "error"), (told["warnings"], "warning")]
    words = [f"{n} {what}" if n == 1 else f"{n} {what}s" for n, what in counted]
    assert said.err.splitlines()[-1] == ", ".join(words)


@pytest.mark.slow
def test_ports_and_folders_come_from_the_file(tmp_path: Path) -> None:
    """A port of the configuration that another has is told with the way to see who has it."""
    path = tmp_path / "coordinator.toml"
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        path.write_text(GOOD.format(port=port))

        findings, addresses, folders = doctor_reach.check_configs([path])
        (taken,) = doctor_reach.check_ports(addresses)
    (free,) = doctor_reach.check_ports(addresses)

    assert [one.level for one in findings] == [Level.OK]
    assert folders == [Path("data")]
    assert taken.level is Level.WARNING
    assert f"sport = :{port}" in taken.hint
    assert free.level is Level.OK


def test_a_missing_extra_is_a_note_and_no_room_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any room the doctor says what to install; one extra fewer is only a note."""
    monkeypatch.setattr(doctor_host, "find_spec", lambda _: None)
    none = list(doctor_host.check_packages())
    monkeypatch.setattr(doctor_host, "find_spec", lambda name: None if name == "torch" else True)
    some = list(doctor_host.check_packages())

    assert none[0].level is Level.ERROR
    assert "pip install" in none[0].hint
    assert [one.level for one in some] == [Level.OK, Level.NOTE]
    assert some[1].hint == 'pip install "pilewise[train]"'


def test_an_unset_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock before the day of installation cannot be right; one that drifts is a warning."""
    monkeypatch.setattr(doctor_host, "_kernel_clock", lambda: doctor_host.UNSYNCHRONIZED)
    (drifts,) = doctor_host.check_clock()
    monkeypatch.setattr(doctor_host.time, "time", lambda: 1_000_000.0)
    (unset,) = doctor_host.check_clock()

    assert drifts.level is Level.WARNING
    assert unset.level is Level.ERROR
    assert "timedatectl" in unset.hint


def test_a_full_disk_and_a_slow_one_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little room is an error; a disk that takes long for a durable write is a warning."""
    monkeypatch.setattr(doctor_host, "_sync_s", lambda _: 0.2)
    (slow,) = doctor_host.check_disk([tmp_path, tmp_path])
    monkeypatch.setattr(doctor_host, "LEAST_FREE_BYTES", 1 << 62)
    (full,) = doctor_host.check_disk([tmp_path / "not" / "there"])

    assert slow.level is Level.WARNING
    assert "200.0 ms" in slow.text
    assert full.level is Level.ERROR


def test_another_pilewise_on_the_path_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shell finds another installation than the one that runs, both are named."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "pilewise").write_text("#!/bin/sh\n")
        (folder / "pilewise").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", str(other) + os.pathsep + os.environ["PATH"])

    several = [one for one in doctor_host.check_python() if one.level is Level.WARNING]

    assert len(several) == 1
    assert str(other / "pilewise") in several[0].hint
