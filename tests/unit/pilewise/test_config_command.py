"""`pilewise config`: files that are written, checked and understood as their room reads them."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pilewise.cli import config_keys, ending
from pilewise.cli.app import command

KINDS = ("agent", "coordinator", "sim")
pytestmark = pytest.mark.slow


class Told:
    """Exit code and output of one run."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out.splitlines()[-1])


@pytest.fixture
def config(capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `pilewise config` with words."""

    def run(*words: str | Path) -> Told:
        code = ending.run(command(), ["config", *map(str, words)])
        said = capfd.readouterr()
        return Told(code, said.out, said.err)

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_is_accepted_as_it_stands(kind: str, tmp_path: Path, config: Any) -> None:
    """What `init` writes passes the room's own check, and knows its kind."""
    path = tmp_path / "new.toml"

    assert config("init", kind, "-o", path).code == 0

    told = config("check", path, "--json")
    assert told.code == 0, told.err
    assert told.json["files"] == [{"file": str(path), "kind": kind, "ok": True, "problems": []}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_holds_every_key_and_its_default(kind: str, tmp_path: Path, config: Any) -> None:
    """With every # taken away, each key that the room knows stands in it, as valid TOML."""
    path = tmp_path / f"{kind}.toml"
    config("init", kind, "-o", path)

    whole = tomllib.loads(re.sub(r"(?m)^#(?=[a-z_\[])", "", path.read_text()))

    schema = config_keys.schema_of(kind)
    for table in config_keys.tables_of(schema):
        found: Any = whole
        for part in table.path.split("."):
            found = found[part][0] if isinstance(found[part], list) else found[part]
        assert {key.name for key in table.keys} <= found.keys(), table.path
        for key in table.keys:
            if key.default is not None and key.starter is None:
                assert found[key.name] == key.default, key.path


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_a_sentence(kind: str) -> None:
    """A key without a word of what it is for is found here; so is a word for no key."""
    told = config_keys.schema_of(kind)
    tables = config_keys.tables_of(told)

    wordless = [key.path for table in tables for key in table.keys if not key.about.endswith(".")]
    keys = {key.path for table in tables for key in table.keys}
    said = {f"{table}.{key}" for table, words in told["words"].items() for key in words}

    assert wordless == []
    assert (said | told["starter"].keys() | told["example"].keys()) - keys == set()


def test_a_file_is_written_over_only_by_force(tmp_path: Path, config: Any) -> None:
    """What a person wrote is not lost to a second `init`."""
    path = tmp_path / "agent.toml"
    path.write_text("mine")

    refused = config("init", "agent", "-o", path)

    assert refused.code == 2
    assert "error[CMD-103]" in refused.err
    assert "--force" in refused.err
    assert path.read_text() == "mine"
    assert config("init", "agent", "-o", path, "--force").code == 0
    assert path.read_text().startswith("# agent.toml")


@pytest.mark.parametrize("where", ["", "missing/agent.toml"])
def test_a_place_that_cannot_be_written_is_told(where: str, tmp_path: Path, config: Any) -> None:
    """A folder instead of a file, or a folder that is not there, is an error with a code."""
    told = config("init", "agent", "--force", "-o", tmp_path / where)

    assert told.code == 2
    assert "error[CMD-103]" in told.err


def test_a_file_without_permission_is_told(tmp_path: Path, config: Any) -> None:
    """A file that the user may not read is a mistake with its code, not a traceback."""
    if os.geteuid() == 0:
        pytest.skip("hint: run as another user than root, who may read everything")
    path = tmp_path / "agent.toml"
    path.write_text("")
    path.chmod(stat.S_IWUSR)

    told = config("check", path)

    assert told.code == 3
    assert "error[CFG-001]" in told.err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[a\n"])
def test_a_file_that_is_none_is_told(
    kind: str, content: bytes | None, tmp_path: Path, config: Any
) -> None:
    """A folder, bytes that are no text and text that is no TOML are told with code and file."""
    path = tmp_path / f"{kind}.toml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    told = config("check", path)

    assert told.code == 3
    assert f"{kind}.toml" in told.err
    assert re.search(r"error\[CFG-00[12]\]", told.err)
    assert "Traceback" not in told.err


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path, config: Any) -> None:
    """Two files with three mistakes: one run, each with file, line and code."""
    one, two = tmp_path / "agent.toml", tmp_path / "coordinator.toml"
    one.write_text('[agent]\nid = "G1"\nperiod_s = 0\n')
    two.write_text('[coordinator]\ndistrict = "d"\ndata_dir = "d"\nlisten = "nowhere"\n')

    told = config("check", one, two, "--json")

    assert told.code == 3
    assert told.json["mistakes"] == 3
    codes = [[one["code"] for one in file["problems"]] for file in told.json["files"]]
    assert codes == [["CFG-004", "CFG-005"], ["CFG-012"]]
    assert f"{one}:3" in told.err
    assert f"{two}:4" in told.err


@pytest.mark.parametrize(
    ("kind", "variable", "key", "value"),
    [
        ("agent", "PILEWISE_AGENT__UPLINK__BEAT_S", "uplink.beat_s", 7),
        ("coordinator", "PILEWISE_COORDINATOR__REPLAN__PERIOD_S", "replan.period_s", 7),
        ("sim", "PILEWISE_SIM__SIM__SEED", "sim.seed", 7),
    ],
)
def test_origins_are_the_file_the_environment_and_the_default(
    kind: str,
    variable: str,
    key: str,
    value: int,
    tmp_path: Path,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each value is told with where it comes from; the environment goes before the file."""
    path = tmp_path / f"{kind}.toml"
    config("init", kind, "-o", path)
    monkeypatch.setenv(variable, str(value))

    told = config("show", path, "--origin", "--json")

    found = {one["key"]: one for one in told.json["values"]}
    assert found[key] == {"key": key, "value": value, "origin": "environment", "where": variable}
    assert {one["origin"] for one in found.values()} == {"file", "environment", "default"}
    for one in found.values():
        if one["origin"] == "file":
            line = path.read_text().splitlines()[int(one["where"].rpartition(":")[2]) - 1]
            assert line.startswith(one["key"].rpartition(".")[2])


def test_show_prints_lines_of_toml(tmp_path: Path, config: Any) -> None:
    """Without --json each line is a key with its value; --origin adds where it comes from."""
    path = tmp_path / "sim.toml"
    config("init", "sim", "-o", path)

    plain, told = config("show", path), config("show", path, "--origin")

    assert "sim.tick_s = 0.2" in plain.out.splitlines()
    assert re.search(r"^sim\.tick_s = 0\.2 +# default$", told.out, re.MULTILINE)
    assert re.search(rf"^pile\[0\]\.face = \"modbus\" +# {path}:\d+$", told.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("kind", "variable", "code"),
    [
        ("agent", "PILEWISE_AGENT__UPLINK__BEET_S", "CFG-003"),
        ("coordinator", "PILEWISE_COORDINATOR__REPLAN__PERIOD", "CFG-003"),
        ("sim", "PILEWISE_SIM__SIM__SEAD", "CFG-003"),
        ("agent", "PILEWISE_AGENT__PILE", "CFG-003"),
        ("coordinator", "PILEWISE_COORDINATOR__WEBB__PORT", "CFG-003"),
        ("sim", "PILEWISE_SIM__PILE__FACE", "CFG-003"),
        ("agent", "PILEWISE_AGENT__UPLINK__BEAT_S", "CFG-005"),
        ("coordinator", "PILEWISE_COORDINATOR__REPLAN__PERIOD_S", "CFG-005"),
        ("sim", "PILEWISE_SIM__SIM__TICK_S", "CFG-005"),
    ],
)
def test_a_mistake_in_the_environment_names_its_variable(
    kind: str,
    variable: str,
    code: str,
    tmp_path: Path,
    config: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A misspelt or unusable variable is an error that names it, not silence."""
    path = tmp_path / f"{kind}.toml"
    config("init", kind, "-o", path)
    monkeypatch.setenv(variable, "-1")

    told = config("check", path)

    assert told.code == 3
    assert f"error[{code}]" in told.err
    assert f"environment {variable}" in told.err


def test_names_and_keys_are_told(config: Any) -> None:
    """The connector types, a key with its bounds, and the JSON schema of a file."""
    assert {"GBT_DC", "CHADEMO"} <= set(config("schema", "connector", "--json").json["names"])
    assert config("schema", "uplink.beat_s", "--json").json["default"] == 20.0
    whole = json.loads(config("schema", "agent").out)
    assert whole["$defs"]["AgentSection"]["properties"]["id"]["description"].startswith("Name of")


@pytest.mark.parametrize(
    "name", ["edge_agent.config_environment", "pilewise.cli.config_page", "pilewise.rooms"]
)
def test_examples_in_docstrings_hold(name: str) -> None:
    """What the docstrings of these modules compute is what they say."""
    failed, tried = doctest.testmod(importlib.import_module(name))

    assert tried > 0
    assert failed == 0


def test_an_unknown_name_is_told_what_there_is(config: Any) -> None:
    """A name that is none ends with 2 and the names that are."""
    told = config("schema", "conector")

    assert told.code == 2
    assert "error[CMD-101]" in told.err
    assert "connector" in told.err


def test_new_files_fit_together(tmp_path: Path, config: Any, monkeypatch: Any) -> None:
    """Three files as they are written: the agent reads the simulated pile, tells the coordinator,
    and says where the pile stands, without which nothing that it says would be believed."""
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        assert config("init", kind).code == 0
    agent, coordinator, sim = (
        tomllib.loads((tmp_path / f"{kind}.toml").read_text()) for kind in KINDS
    )

    (pile,), (simulated,) = agent["pile"], sim["pile"]
    assert f"{pile['host']}:{pile['port']}" == simulated["listen"]
    assert (pile["uid"], pile["profile"]) == (simulated["pile_id"], simulated["model"])
    assert {"latitude_deg", "longitude_deg"} <= pile.keys()
    assert agent["agent"]["coordinator"] == coordinator["coordinator"]["listen"]
