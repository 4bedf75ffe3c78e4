"""Stamps of a clock that was not set yet, corrected when they are sent."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.core.reading import EvseStatus, Record, RecordFlags, RecordKind, StatusSource
from edge_agent.uplink import boot_clock
from edge_agent.uplink.spool_file import SpoolFile

END = 1 << 62


class Host:
    """A gateway whose clocks the test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.up_ms = 0
        self.ahead_ms = 0
        self.boot_id = ""
        monkeypatch.setattr(boot_clock, "this_boot", lambda: self.boot_id)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.up_ms * 1_000_000)
        monkeypatch.setattr(time, "time_ns", lambda: self.utc_ms * 1_000_000)

    @property
    def utc_ms(self) -> int:
        return self.up_ms + self.ahead_ms

    def boot(self, name: str) -> None:
        """Starts with a clock in 1970."""
        self.boot_id, self.up_ms, self.ahead_ms = name, 5_000, 0

    def set_clock(self, utc_ms: int) -> None:
        self.ahead_ms = utc_ms - self.up_ms

    def record(self) -> Record:
        flags = RecordFlags.CLOCK_UNSYNCED if self.ahead_ms == 0 else RecordFlags.NONE
        status, source = EvseStatus.CHARGING, StatusSource.MODBUS
        return Record("A*1", RecordKind.METER, self.utc_ms, status, source, flags=flags)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


NOON_MS = 1_767_268_800_000


def stamps(file: SpoolFile) -> list[tuple[int, bool]]:
    found: list[tuple[int, bool]] = []
    position = 0
    while run := file.read_run(position, END, 1000, 1 << 20):
        found += [(r.observed_at_ms, bool(r.flags)) for r in run.records]
        position = run.position + len(run.records)
    return found


def test_T2_stamps_of_1970_are_corrected_once_the_clock_is_set(tmp_path: Path, host: Host) -> None:
    """Read before the clock is set they are as they were; afterwards they tell the true time."""
    host.boot("one")
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])
    host.up_ms += 60_000
    file.append([host.record()])
    before = stamps(file)

    host.up_ms += 1_000
    host.set_clock(NOON_MS)
    file.append([host.record()])

    assert before == [(5_000, True), (65_000, True)]
    assert stamps(file) == [(NOON_MS - 61_000, True), (NOON_MS - 1_000, True), (NOON_MS, False)]
    file.close()


def test_T2_records_that_wait_for_the_commit_while_the_clock_is_set_are_corrected(
    tmp_path: Path, host: Host
) -> None:
    """A record stamped before the clock was set and written after it is one of the old clock's."""
    host.boot("one")
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])
    late = host.record()
    host.set_clock(NOON_MS)
    file.append([late])

    assert stamps(file) == [(NOON_MS, True), (NOON_MS, True)]
    file.close()


def test_T2_an_agent_that_starts_anew_corrects_what_the_former_wrote(
    tmp_path: Path, host: Host
) -> None:
    """Within the boot, and in the next one too if the clock was set before it."""
    host.boot("one")
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])
    file.close()
    host.up_ms += 10_000
    host.set_clock(NOON_MS)
    file = SpoolFile(tmp_path, lambda: "one")
    same_boot = stamps(file)
    file.append([host.record()])
    file.close()
    host.boot("two")
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])

    assert same_boot == [(NOON_MS - 10_000, True)]
    assert stamps(file) == [(NOON_MS - 10_000, True), (NOON_MS, False), (5_000, True)]
    file.close()


def test_T2_a_boot_that_never_learned_the_time_keeps_its_stamps(tmp_path: Path, host: Host) -> None:
    """What was stamped in a boot that ended before its clock was set cannot be known."""
    host.boot("one")
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])
    file.close()
    host.boot("two")
    host.set_clock(NOON_MS)
    file = SpoolFile(tmp_path, lambda: "one")
    file.append([host.record()])

    assert stamps(file) == [(5_000, True), (NOON_MS, False)]
    file.close()


def test_T2_thinning_keeps_what_corrects_the_rest(tmp_path: Path, host: Host) -> None:
    """Blocks that lose measurements still know which clock stamped what stays."""
    host.boot("one")
    file = SpoolFile(tmp_path, lambda: "one")
    for _ in range(40):
        host.up_ms += 1_000
        news = replace(host.record(), kind=RecordKind.FAULT, urgent=True)
        file.append([host.record(), news])
    file.thin(30, "THINNED")
    host.set_clock(NOON_MS)

    kept = [at_ms for at_ms, _ in stamps(file)]

    assert len(kept) < 80
    assert min(kept) == NOON_MS - 39_000
    assert max(kept) == NOON_MS
    file.close()
