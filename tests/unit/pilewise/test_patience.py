"""The sign of life of whatever takes longer than two seconds: on terminals only, and in time."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable

import pytest

from city_sim.progress import Watched
from pilewise.cli import launch, loudness
from pilewise.cli.waiting import waiting as commanded
from pilewise.patience import hushed, waiting

DEADLINE_S = 60.0


class Terminal(io.StringIO):
    """Takes what is written and says that a person sees it."""

    def isatty(self) -> bool:
        return True


def in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stderr from now on; called by the test itself, as pytest puts its own there before it."""
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


def until(holds: Callable[[], bool]) -> bool:
    """Whether it holds before the deadline; looked at often, for the block must stay open."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True])
def test_what_is_done_is_said_and_changes(monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    """The text and the seconds are shown, then the text that the work goes on to."""
    terminal = in_a_terminal(monkeypatch)
    with waiting("reading the files", 0.0, plain) as change:
        first = until(lambda: "reading the files (" in terminal.getvalue())
        change("storing 3 stations")
        second = until(lambda: "storing 3 stations (" in terminal.getvalue())

    assert (first, second) == (True, True)


def test_short_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is done within two seconds has nothing to say."""
    terminal = in_a_terminal(monkeypatch)
    with waiting("reading"):
        pass

    assert terminal.getvalue() == ""


def test_nobody_who_reads_a_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is written, however long it takes."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    with waiting("reading", 0.0) as change:
        change("storing")

    assert out.getvalue() == ""


def test_quiet_commands_show_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """With -q a command is silent on a terminal, too."""
    terminal = in_a_terminal(monkeypatch)
    monkeypatch.setattr(loudness, "_now", loudness.Loudness.QUIET)
    with commanded("reading", 0.0) as change:
        change("storing")

    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("said", "lines"), [(loudness.Loudness.QUIET, 0), (loudness.Loudness.NORMAL, 1)]
)
def test_rooms_that_a_quiet_command_becomes_show_no_progress(
    monkeypatch: pytest.MonkeyPatch, said: loudness.Loudness, lines: int
) -> None:
    """What -q asked for reaches the process that the command turns into."""
    monkeypatch.setattr(loudness, "_now", said)
    given = dict(os.environ)
    monkeypatch.setattr(os, "environ", given)
    became: list[str] = []
    monkeypatch.setattr(os, "execv", lambda path, words: became.extend(words))
    launch.become("firmware_sim", "scenario", "run", "all")
    out, now = io.StringIO(), [0.0]
    with Watched("runs", 9, out, lambda: now[0]) as watched:
        now[0] = 3.0
        watched.done()
    terminal = in_a_terminal(monkeypatch)
    if hushed():
        with waiting("reading", 0.0):
            pass

    assert became[-4:] == ["firmware_sim", "scenario", "run", "all"]
    assert out.getvalue().count("\n") == lines
    assert hushed() is (lines == 0)
    assert terminal.getvalue() == ""


@pytest.mark.slow
def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spinner has a colour, and none with NO_COLOR."""
    terminal = in_a_terminal(monkeypatch)

    def shown() -> str:
        terminal.truncate(0)
        with waiting("reading", 0.0):
            until(lambda: "reading (" in terminal.getvalue())
        return terminal.getvalue()

    coloured = shown()
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[32m" in coloured
    assert "\x1b[32m" not in shown()
