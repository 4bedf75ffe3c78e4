"""Mistakes in profile files: all at once, each with its code, file and line."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.__main__ import main
from edge_agent.config_file import load_config
from edge_agent.core.profile_audit import audit
from edge_agent.core.profile_file import ProfileError, parse_profile
from edge_agent.errors import ConfigError
from edge_agent.profile_files import read_profile, read_profiles
from edge_agent.profiles import bundled_folder

SOUND = """\
id = "{name}"
maker = "M"
model = "U"
transports = ["modbus-tcp"]
power_type = "AC_3_PHASE"
sources = ["a test"]
unverified = ["all of it"]
[point.state]
register = 3
kind = "u16"
[point.power]
register = 4
kind = "u32"
feeds = "power_kw"
[state]
point = "state"
[state.words]
0 = "A"
1 = "C2"
"""
AGENT = """\
[agent]
id = "GW-1"
coordinator = "127.0.0.1:50051"
data_dir = "data"
profiles_dir = "own"
[[pile]]
uid = "A-01"
profile = "made-up"
host = "127.0.0.1"
[[pile.connector]]
standard = "IEC_62196_T2"
max_power_kw = 22
"""


def put(folder: Path, text: str, name: str = "made-up") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text.replace("{name}", name))
    return path


def test_lint_of_the_bundled_profiles_counts_models_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The last line tells at least twelve models, OCPP not among them, and no mistake."""
    assert main(["profile", "lint", "--json"]) == 0

    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["errors"] == 0
    assert told["models"] >= 12
    assert told["profiles"] > told["models"]


def test_lint_names_every_mistake_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two broken files are told in one go, and the exit code is 3."""
    first = put(tmp_path, SOUND.replace('"u32"', '"u24"').replace('"C2"', '"Sleeping"'))
    second = put(tmp_path, 'id = "x"\n[modbus\n', "broken")

    code = main(["profile", "lint", "--json", str(tmp_path)])

    said = capsys.readouterr()
    told = json.loads(said.out.splitlines()[-1])
    assert code == 3
    assert told["errors"] == 3
    assert [(p["file"], p["line"]) for p in told["problems"]] == [
        (str(second), 2),
        (str(first), 13),
        (str(first), 19),
    ]
    assert f"--> {first}:13  point.power.kind" in said.err
    assert "u24" in said.err
    assert "Sleeping" in said.err


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('sources = ["a test"]', "", "PRF-004", "sources is missing"),
        ('unverified = ["all of it"]', "", "PRF-004", "say what is unverified"),
        ('power_type = "AC_3_PHASE"', "", "PRF-004", "power_type"),
        ('maker = "M"', 'makre = "M"', "PRF-003", "did you mean maker"),
        ('"modbus-tcp"', '"modbus-udp"', "PRF-005", "modbus-udp"),
        ('"modbus-tcp"', '"modbus-tcp", "ocpp1.6"', "PRF-005", "not for both"),
        ("register = 3", "register = 70000", "PRF-005", "70000"),
        ("register = 3", 'register = "3"', "PRF-005", "whole number"),
        ("register = 3", "register = 65535\nfunction = 7", "PRF-005", "function = 7"),
        ('point = "state"', 'point = "stat"', "PRF-006", '"stat" is not there'),
        ('point = "state"', 'point = "power"\n[point.x]', "PRF-004", "register is missing"),
        ("0 = ", "idle = ", "PRF-005", '"idle" is no number'),
        ('feeds = "power_kw"', 'feeds = "watts"', "PRF-005", "watts"),
        ('feeds = "power_kw"', 'feeds = "power_kw"\nread = "once"', "PRF-005", "each time"),
        ('feeds = "power_kw"', 'kind = "ascii"', "CFG-002", "not TOML"),
        ("[state]", "[modbus]\nforbidden = [[4, 9]]\n[state]", "PRF-007", "forbidden"),
        ("[state]", "[modbus]\nmax_registers_per_read = 1\n[state]", "PRF-007", "torn"),
        ("[state]", "[step]\nregisters = 1\nports = 1\n[state]", "PRF-005", "of its own"),
        ("[state]", "[[keep_alive]]\naction = 'write'\n[state]", "PRF-004", "values is missing"),
        ("[state]", "[[write]]\nname = 'x'\nregister = 1\nfunction = 4\n[state]", "PRF-005", "4"),
        ("[state]", "[[fault]]\npoint = 'state'\ncodes = { 1 = 'CX999' }\n[state]", "PRF-005",
         "CX999"),
        (
            "[state]",
            "[[fault]]\npoint = 'state'\nbits = true\nwarnings = [70]\n[state]",
            "PRF-005",
            "70 is no bit",
        ),
        ("[state]", "[serial]\nparity = 'X'\n[state]", "PRF-005", "parity"),
        ("[state]", "[probe.identity]\nmaker = 'M'\n[state]", "PRF-006", "maker"),
        ("{name}", "other", "PRF-008", "the file is named"),
    ],
)  # fmt: skip
def test_lint_tells_each_kind_of_mistake(
    tmp_path: Path, old: str, new: str, code: str, words: str
) -> None:
    """One mistake in a sound file is refused under its stable code, in words that name it."""
    profile, problems = read_profile(put(tmp_path, SOUND.replace(old, new, 1)))

    assert profile is None
    assert code in {problem.code for problem in problems}
    assert words in " ".join(problem.message for problem in problems)


def test_conditions_must_be_decidable(tmp_path: Path) -> None:
    """A scale may depend on what is read once, not on what moves or does not exist."""
    variant = "[[point.power.when]]\nscale = 2\nall = [{ point = 'state', below = '1.2' }]\n"
    _, moving = read_profile(put(tmp_path, SOUND.replace("[state]", variant + "[state]", 1)))
    lost = variant.replace("'state'", "'firmware'").replace("'1.2'", "'new'")
    _, problems = read_profile(put(tmp_path, SOUND.replace("[state]", lost + "[state]", 1)))

    assert [problem.code for problem in moving] == ["PRF-006"]
    assert {"PRF-005", "PRF-006"} == {problem.code for problem in problems}
    assert moving[0].line == 17


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    """A wrong path is a mistake, not an empty shelf."""
    assert [p.code for p in read_profiles([tmp_path / "nowhere"]).problems] == ["PRF-010"]


def test_own_profiles_serve_piles(tmp_path: Path) -> None:
    """A pile may name a profile of the folder that the configuration names."""
    put(tmp_path / "own", SOUND)
    config = tmp_path / "agent.toml"
    config.write_text(AGENT)

    loaded = load_config(config)

    assert loaded.piles[0].profile.maker == "M"


def test_own_profile_stands_in_for_a_bundled_one(tmp_path: Path) -> None:
    """An operator can correct a bundled profile by one of the same id."""
    put(tmp_path / "own", SOUND, "keba-p30-p40")
    config = tmp_path / "agent.toml"
    config.write_text(AGENT.replace("made-up", "keba-p30-p40"))

    assert load_config(config).piles[0].profile.maker == "M"


def test_mistakes_in_own_profiles_are_told_with_those_of_the_configuration(
    tmp_path: Path,
) -> None:
    """The check of the configuration names the profile's file and line beside its own mistakes."""
    wrong = put(tmp_path / "own", SOUND.replace('"u32"', '"u24"'))
    config = tmp_path / "agent.toml"
    config.write_text(AGENT.replace('host = "127.0.0.1"', "host = 3"))

    with pytest.raises(ConfigError) as refusal:
        load_config(config)

    places = {(problem.file, problem.line) for problem in refusal.value.problems}
    assert (str(wrong), 13) in places
    assert (str(config), 9) in places


def test_show_tells_what_is_unverified(capsys: pytest.CaptureFixture[str]) -> None:
    """`profile show` carries sources and doubts, and refuses a name that it does not know."""
    assert main(["profile", "show", "--json", "schneider-evlink-pro-ac"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "word order" in told["unverified"][0]
    assert told["sources"]

    assert main(["profile", "show", "nobody"]) == 1
    assert "error[CMD-003]" in capsys.readouterr().err


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=4), SCALARS)


def places(tables: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in parsed TOML where a value stands."""
    items = tables.items() if isinstance(tables, dict) else enumerate(tables)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keba-p30-p40", "webasto-next", "phoenix-ev-cc-ac1"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_lint_survives_any_value_anywhere(name: str, data: st.DataObject) -> None:
    """Whatever stands in a file, it is a profile or a list of mistakes, never a crash."""
    tables = tomllib.loads((bundled_folder() / f"{name}.toml").read_text())
    *path, last = data.draw(st.sampled_from(list(places(tables))))
    inner: Any = tables
    for key in path:
        inner = inner[key]
    inner[last] = data.draw(ANYTHING)

    try:
        found = audit(parse_profile(tables))
    except ProfileError as error:
        found = list(error.mistakes)

    assert all(mistake.code.startswith("PRF-") and mistake.text for mistake in found)
