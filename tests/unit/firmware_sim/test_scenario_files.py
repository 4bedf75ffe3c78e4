"""Mistakes in a scenario file are told all at once, with line, key and the names that exist."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from firmware_sim import scenario_command
from firmware_sim.bench.scenario import library, read, run
from firmware_sim.bench.scenario.condition import parse
from firmware_sim.errors import ConfigError

PILE = """[scenario]
title = "tried"
[[pile]]
pile_id = "A-01"
face = "modbus"
model = "keba-p30"
"""


def mistakes(steps: str) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as told:
        read(PILE + steps, name="tried", file="tried.toml")
    return [(found.code, found.line, found.hint) for found in told.value.findings]


@pytest.mark.parametrize(
    ("step", "code", "hint"),
    [
        ('do = "plugg"', "SCN-005", "did you mean plug?"),
        ('do = "plug"\nevse = "A-02"', "SCN-006", "did you mean A-01*1?"),
        ('do = "inject"\nfault = "GroundFailur"', "SCN-007", "did you mean GroundFailure?"),
        ('do = "inject"\nfault = "wire:odd"', "SCN-007", ""),
        ('do = "write_register"\nregister = "set_curent"\nvalue = 6', "SCN-007", "set_current"),
        ('do = "remote_start"\ntoken = "X"', "SCN-007", "ocpp16"),
        ('expect = "statu is Charging"', "SCN-009", "did you mean status?"),
        ('expect = "register.charging_stat == 3"', "SCN-009", "charging_state"),
        ('expect = "sent.StatusNotificatio == 3"', "SCN-009", "StatusNotification"),
        ('expect = "qqq.x == 3"', "SCN-009", "known: register"),
        ('expect = "status Charging"', "SCN-008", ""),
        ('expect = "status is Charging"\nwithin_s = -1', "CFG-005", ""),
        ('expect = "meter_wh > @before"', "SCN-010", "none yet"),
        ('expect = "status is Charging"\ndo = "plug"', "SCN-004", ""),
        ('do = "plug"\nsoc_pc = 3', "CFG-003", "did you mean soc_pct?"),
    ],
)
def test_mistake_is_told_with_its_line_and_the_nearest_name(
    step: str, code: str, hint: str
) -> None:
    """Each kind of mistake has its code; the line is that of the key or of its step."""
    found = mistakes(f'[[step]]\nexpect = "power_kw == 0"\n[[step]]\n{step}\n')

    assert [code] == [each[0] for each in found if each[0] == code]
    told = next(each for each in found if each[0] == code)
    assert told[1] >= 9
    assert hint in told[2]


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to run a file five times to mend five mistakes."""
    steps = '[[step]]\ndo = "x"\n[[step]]\nexpect = "y is 1"\n[[step]]\nevse = "Z"\nwait_s = 1\n'

    assert [code for code, _, _ in mistakes(steps)] == ["SCN-005", "SCN-009", "SCN-006"]


def test_scenario_that_demands_nothing_is_a_mistake() -> None:
    """A file that could never fail proves nothing."""
    assert mistakes("[[step]]\nwait_s = 5\n")[0][0] == "SCN-002"


def test_condition_reads_numbers_words_lists_and_marks() -> None:
    """Values keep their kind."""
    clauses = parse(
        "a >= 0x10 and b is not Faulted and c in x,2 and d == @m * 0.5 and e is 'two words'"
    ).clauses

    assert [c.word for c in clauses] == [">=", "is not", "in", "==", "is"]
    assert (clauses[0].value, clauses[2].value) == (16.0, ("x", 2.0))
    assert clauses[3].holds(5.0, {("m", "d"): 10.0})
    assert clauses[4].holds("two words", {})


def test_exit_codes_tell_a_failed_demand_from_a_mistake(tmp_path: Path) -> None:
    """1 is a demand that was not met, 3 a file that cannot be played, 0 success."""
    good, bad, wrong = tmp_path / "g.toml", tmp_path / "b.toml", tmp_path / "w.toml"
    good.write_text(PILE + '[[step]]\nexpect = "power_kw == 0"\n')
    bad.write_text(PILE + '[[step]]\nexpect = "power_kw == 9"\n')
    wrong.write_text(PILE + '[[step]]\nexpect = "power_k == 9"\n')

    codes = [scenario_command.main(["run", str(file)]) for file in (good, bad, wrong)]

    assert codes == [0, 1, 3]
    assert scenario_command.main(["run", "no-such-scenario"]) == 3


def test_template_runs_as_it_stands_and_is_not_written_over(tmp_path: Path) -> None:
    """`new` gives a file that passes; an existing file is left alone."""
    file = tmp_path / "mine.toml"

    assert scenario_command.main(["new", str(file)]) == 0
    assert scenario_command.main(["run", str(file)]) == 0
    file.write_text("kept")
    assert scenario_command.main(["new", str(file)]) == 2
    assert file.read_text() == "kept"


def test_report_has_seed_hash_and_junit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON object is the last line; JUnit names the failed demand and the seeds."""
    bad, report = tmp_path / "b.toml", tmp_path / "r.xml"
    bad.write_text(PILE + '[[step]]\nexpect = "power_kw == 9"\nwithin_s = 3\n')

    scenario_command.main(["run", str(bad), "--json", "--seed", "5", "--junit", str(report)])

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["scenarios"], told["failed"], told["seed"]) == (1, 1, 5)
    case = Xml.parse(report).getroot().find("testsuite/testcase")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert "power_kw == 9" in failure.get("message", "")
    assert case.find("properties/property[@name='seed.A-01']") is not None


def test_every_scenario_of_the_package_has_disturbance_deadline_and_demand() -> None:
    """A library entry disturbs something and demands something by a deadline."""
    for name in library.names():
        scenario = library.shipped(name)
        text = [line.step for line in scenario.lines]
        assert scenario.head.disturbance, name
        assert scenario.demands >= 1, name
        assert any(getattr(step, "within_s", 0) or getattr(step, "for_s", 0) for step in text), name


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_scenario_of_the_package_passes(name: str) -> None:
    """The simulated pile as shipped meets every demand of the library."""
    report = run(library.shipped(name), 7)

    assert report.passed, report.failure
