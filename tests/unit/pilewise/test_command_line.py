"""The command's own words: durations, places, errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from pilewise.cli.ask import place
from pilewise.cli.demo import duration_s
from pilewise.version import __version__


def pilewise(*args: str) -> subprocess.CompletedProcess[str]:
    """The command as people run it."""
    code = "from pilewise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("60s", 60), ("5m", 300), ("1.5h", 5400)]
)
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    """Seconds, minutes and hours are understood; a bare number is seconds."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-3s", "5 days", "s"])
def test_a_bad_duration_names_itself(text: str) -> None:
    """A duration that cannot be read is refused with its own text and an example."""
    with pytest.raises(typer.BadParameter, match="not a duration"):
        duration_s(text)


def test_a_place_is_latitude_then_longitude() -> None:
    """LAT,LON is read in that order; anything else is refused."""
    assert place("22.54,114.05") == (22.54, 114.05)
    with pytest.raises(typer.BadParameter, match="LAT,LON"):
        place("Shenzhen")


@pytest.mark.slow
def test_the_version_is_one_json_object() -> None:
    """`version --json` prints exactly one object on stdout."""
    ran = pilewise("version", "--json")

    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {"version": __version__}


@pytest.mark.slow
def test_asking_nobody_is_unreachable_and_says_what_to_do() -> None:
    """With no coordinator the exit code is 4 and a hint follows the error."""
    ran = pilewise("ask", "recommend", "--at", "22.5,114.0", "--target", "127.0.0.1:9")

    assert ran.returncode == 4
    assert "error[NET-001]" in ran.stderr
    assert "hint:" in ran.stderr


@pytest.mark.slow
def test_an_unknown_plug_is_a_usage_error() -> None:
    """A connector name that OCPI does not know ends with exit code 2 and names it."""
    ran = pilewise("ask", "recommend", "--at", "22.5,114.0", "--connector", "GBT-XX")

    assert ran.returncode == 2
    assert "'GBT-XX'" in ran.stderr
