"""`pilewise sim fault` and `pilewise sim registers` against a running simulator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_pilewise.process import Room

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bench of a simulator with one pile."""
    room = Room("firmware_sim", "sim", tmp_path_factory.mktemp("sim"))
    ready = room.start('[[pile]]\npile_id = "A-01"\nface = "modbus"\nmodel = "abb-terra-ac"\n')
    yield str(ready["bench"])
    room.stop()


def pilewise(*words: str) -> subprocess.CompletedProcess[str]:
    """`pilewise sim WORDS`."""
    code = "from pilewise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "sim", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def told(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON object on its last line."""
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def test_fault_is_listed_injected_and_mended(bench: str) -> None:
    """The list names what can be injected; state and registers show it; clear mends it."""
    listed = told(pilewise("fault", "list", "--bench", bench, "--json"))
    broken = pilewise("fault", "inject", "A-01*1", "GroundFailure", "--bench", bench)
    error = told(pilewise("registers", "A-01", "--find", "error", "--bench", bench, "--json"))
    mended = pilewise("fault", "clear", "A-01*1", "GroundFailure", "--bench", bench)

    assert {"GroundFailure", "wire:silent"} <= set(listed["faults"])
    assert (broken.returncode, "FAULTED" in broken.stderr) == (0, True)
    assert [row["name"] for row in error["registers"]] == ["error_code"]
    assert any(error["registers"][0]["words"])
    assert (mended.returncode, "AVAILABLE" in mended.stderr) == (0, True)


def test_registers_are_lines_for_people(bench: str) -> None:
    """Address, name, raw words, value and unit stand in columns."""
    ran = pilewise("registers", "A-01", "--find", "voltage_l1", "--bench", bench)

    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1].split()[:6] == [
        "3:4016",
        "voltage_l1",
        "0000",
        "08fc",
        "230",
        "V",
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fault", "inject", "A-01*1", "Hiccup"), 1, "error[SIM-002]: fault: unknown 'Hiccup'"),
        (("fault", "clear", "X*1"), 1, "no EVSE 'X*1' is simulated here"),
        (("registers", "X"), 1, "no pile 'X' is simulated here"),
    ],
)
def test_refusals_are_told(bench: str, words: tuple[str, ...], code: int, said: str) -> None:
    """An unknown fault, EVSE or pile is an error with a hint."""
    ran = pilewise(*words, "--bench", bench)

    assert (ran.returncode, said in ran.stderr) == (code, True), ran.stderr
    assert "hint:" in ran.stderr


def test_bench_that_is_not_there_is_unreachable() -> None:
    """Nobody at the address is exit code 4."""
    ran = pilewise("fault", "list", "--bench", "127.0.0.1:9")

    assert ran.returncode == 4
    assert "error[NET-001]: no bench answers at 127.0.0.1:9" in ran.stderr
