"""`pilewise sim` hands its words over to the simulator's own command."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pilewise.cli import sim, sim_scenario, sim_tape


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that the process would have become."""
    words: list[str] = []
    for module in (sim, sim_scenario, sim_tape):
        monkeypatch.setattr(module, "become", lambda *args, **_: words.extend(args))
    return words


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("scenario list --json", "firmware_sim scenario list --json"),
        ("scenario new x.toml", "firmware_sim scenario new x.toml"),
        (
            "scenario run all --json --seed 7 --junit r.xml",
            "firmware_sim scenario run all --seed 7 --json --junit r.xml",
        ),
        (
            "scenario run a b --mutate all",
            "firmware_sim scenario run a b --seed 0 --mutate all",
        ),
        (
            "scenario run a --speed 60 --listen A=127.0.0.1:1 --central ws://h:1",
            "firmware_sim scenario run a --seed 0 --speed 60.0 --begin-after 0.0 "
            "--central ws://h:1 --listen A=127.0.0.1:1",
        ),
        (
            "record -c t.toml -o t.jsonl --for 5",
            "firmware_sim record -c t.toml -o t.jsonl --for 5.0",
        ),
        (
            "replay t.jsonl --speed 10 --mqtt mqtt://h:1 --json",
            "firmware_sim replay t.jsonl --speed 10.0 --piles 10 --face modbus --seed 0 "
            "--mqtt mqtt://h:1 --json",
        ),
        (
            "replay --intervals i.gz --connectors c.csv --piles 3",
            "firmware_sim replay --speed 1.0 --piles 3 --face modbus --seed 0 "
            "--intervals i.gz --connectors c.csv",
        ),
    ],
)
def test_words_reach_the_simulator(handed: list[str], typed: str, expected: str) -> None:
    """Every option is passed on under the name that the simulator knows."""
    done = CliRunner().invoke(sim.app, typed.split())

    assert done.exit_code == 0, done.output
    assert handed == expected.split()
