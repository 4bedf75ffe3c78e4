"""The whole tree of commands: help, options, exit codes, wherever a command stands in it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pilewise.cli import ending
from pilewise.cli.app import command
from pilewise.cli.examples import examples

# What they print is a file for another program, a room's log, or a screen.
NO_DATA = {
    "agent run", "agent unit", "coordinator run", "coordinator export",
    "coordinator privacy export", "coordinator unit", "sim run", "sim tui",
}  # fmt: skip
# The paper has configurations of its own: numbers, not files.
OTHER_CONFIG = {"city paper"}
# One looks for a terminal first, one tells a bad file as one finding among others.
READS_LATER = {"sim tui", "doctor"}
# They ask nobody at --target unless more is wanted, or tell it as one finding among others.
ASKS_LATER = {"train from-store", "doctor"}
NOBODY = "127.0.0.1:9"
ROOT = Path(__file__).resolve().parents[3]
WORDS = {
    "at": "22.5,114.0", "soc": "20", "evse": "A-01*1", "pile": "A-01", "name": "any",
    "recommendation_id": "none", "action": "poll",
}  # fmt: skip


def _leaves(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(one, "commands"):
            yield from _leaves(one, words)
        else:
            yield words, one


LEAVES = dict(_leaves(command()))
ASKING = [
    path
    for path, one in LEAVES.items()
    if path not in ASKS_LATER and {"target", "bench"} & {o.name for o in one.params}
    and path != "sim tui"
]  # fmt: skip
CONFIGURED = [
    path
    for path, one in LEAVES.items()
    if path not in READS_LATER
    and any("-c" in o.opts for o in one.params)
]  # fmt: skip


def needed(path: str) -> list[str]:
    """Words that a command cannot do without."""
    words: list[str] = []
    for one in LEAVES[path].params:
        if one.required and one.name not in ("target", "bench", "config"):
            value = WORDS.get(one.name, "1")
            words += [value] if one.param_type_name == "argument" else [one.opts[0], value]
    # There is nobody here to be asked.
    return words + ["--yes"] * any("--yes" in one.opts for one in LEAVES[path].params)


def test_the_tree_has_every_branch_that_people_were_promised() -> None:
    """The branches of the reference tree are there."""
    promised = """
        demo|version|agent run|agent check|agent doctor|agent probe|agent profile list
        agent profile show|agent profile lint|agent buffer show|agent buffer flush|agent tail
        coordinator run|coordinator import|coordinator export|coordinator models list
        coordinator models verify|coordinator models activate|coordinator models rollback
        coordinator models compare|sim run|sim scenario run|sim scenario list|sim scenario new
        sim fault list|sim fault inject|sim fault clear|sim registers|sim record|sim replay|sim tui
        city compare|train all|train from-store|train backtest choice|train backtest reliability
        train backtest arrival|ask recommend|ask guide|ask explain
    """

    words = {word.strip() for line in promised.splitlines() for word in line.split("|")} - {""}

    assert words - LEAVES.keys() == set()


@pytest.mark.parametrize("path", LEAVES)
def test_a_command_tells_what_it_and_its_words_do(path: str) -> None:
    """Every command has a sentence, and so has each of its options and arguments."""
    leaf = LEAVES[path]

    assert (leaf.help or "").strip().endswith((".", "?"))
    assert [one.name for one in leaf.params if not getattr(one, "help", None)] == []


@pytest.mark.parametrize("path", LEAVES)
def test_a_command_has_the_options_of_all(path: str) -> None:
    """-v, -q, -h and, where data are printed, --json are the same everywhere."""
    words = {word for one in LEAVES[path].params for word in one.opts}

    assert {"-v", "--verbose", "-q", "--quiet"} <= words
    assert "--json" in words or path in NO_DATA
    assert ("--config" in words) == ("-c" in words) or path in OTHER_CONFIG


@pytest.mark.parametrize("path", LEAVES)
def test_help_ends_with_an_example_that_can_be_typed(path: str) -> None:
    """Every command shows at least one whole line, and its own parser takes each of them."""
    shown = LEAVES[path].make_context(path, [], resilient_parsing=True).get_help() + "\n"

    assert examples().get(path), f"add an example of {path!r} to pilewise/cli/examples.toml"
    for line in examples()[path]:
        assert f"  {line}\n" in shown
        words = shlex.split(line.partition(" > ")[0])
        assert words[: 1 + len(path.split())] == ["pilewise", *path.split()]
        LEAVES[path].make_context(path, words[1 + len(path.split()) :])


def test_examples_are_of_commands_that_there_are() -> None:
    """No example outlives its command."""
    assert examples().keys() <= LEAVES.keys()


@pytest.mark.parametrize("path", LEAVES)
def test_a_wrong_option_is_told_with_a_hint(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt option ends with 2 and names the help that knows it."""
    code = ending.run(command(), [*path.split(), "--quite"])

    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert "error[CMD-100]: No such option: --quite" in said.err
    assert "hint: did you mean --quiet? " in said.err
    assert f"pilewise {path} --help" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("path", ASKING)
def test_nobody_at_the_other_end_is_unreachable(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command whose coordinator or bench does not answer ends with 4 and says what to start."""
    option = next(o.opts[0] for o in LEAVES[path].params if o.name in ("target", "bench"))
    folder = ["."] if path.endswith("models activate") else []

    code = ending.run(command(), [*path.split(), *needed(path), *folder, option, NOBODY])

    said = capsys.readouterr().err
    assert code == 4, said
    assert "error[NET-" in said
    assert "hint: " in said


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGURED)
def test_a_configuration_that_is_not_there_is_told(
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A command whose configuration cannot be read ends with 3 and names the file."""
    monkeypatch.setattr(os, "execv", _as_child)
    # Some make a file before they read their configuration.
    monkeypatch.chdir(tmp_path)
    missing = tmp_path / "nowhere.toml"
    more = ["--roads", "x.csv"] if path == "coordinator import" else []

    code = ending.run(command(), [*path.split(), *needed(path), *more, "-c", str(missing)])

    said = capfd.readouterr().err
    assert code == 3, said
    assert "error[" in said
    assert "nowhere.toml" in said


def _as_child(program: str, words: list[str]) -> NoReturn:
    """A room as a process of its own, where the command would become it."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run([program, *words[1:]], timeout=60, check=False, env=environ)
    raise SystemExit(ran.returncode)


def pilewise(*words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The command as people run it."""
    code = "from pilewise.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, timeout=60, check=False, **more
    )


# A small run of each process that prints; what is a room of its own ends by itself.
PRINTING = (
    "version --json", "explain", "doctor --json", "config schema connector",
    "config init agent -o -", "agent check -c agent.toml --json",
    "agent doctor -c agent.toml --offline --json", "agent profile show abb-terra-ac",
    "agent unit", "coordinator unit", "sim scenario list",
    "coordinator export -c coordinator.toml --format csv",
    "city compare --cars 10 --seeds 1 --policies nearest --json", "city paper --seeds 1 --json",
    "train backtest fleets --fleets 1 --piles 60 --json",
)  # fmt: skip


def unread(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """The command as people run it, whose output finds no reader."""
    code = "from pilewise.cli import main; main()"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, "-c", code, *words], stdout=writing, stderr=subprocess.PIPE,
            timeout=120, check=False, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    finally:
        os.close(writing)


@pytest.mark.slow
@pytest.mark.parametrize("line", PRINTING)
def test_a_reader_that_goes_away_is_no_error(line: str, tmp_path: Path) -> None:
    """`pilewise ... | head -1` ends quietly although most of the output finds no reader."""
    for kind in ("agent", "coordinator"):
        ending.run(command(), ["-q", "config", "init", kind, "-o", str(tmp_path / f"{kind}.toml")])

    ran = unread(tmp_path, *line.split())

    assert b"Traceback" not in ran.stderr
    assert b"BrokenPipe" not in ran.stderr
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_help_of_every_command_ends_quietly_without_a_reader(tmp_path: Path) -> None:
    """Whatever is typed before `--help | head -1`, nothing complains."""
    reading, writing = os.pipe()
    os.close(reading)
    # Each gets the broken pipe anew: an ended one lets its output go nowhere.
    program = (
        "import os, sys\n"
        "from pilewise.cli import ending\n"
        "from pilewise.cli.app import command\n"
        "pipe, bad = os.dup(1), []\n"
        "for path in sys.argv[1:]:\n"
        "    os.dup2(pipe, 1)\n"
        "    bad += [path] * (ending.run(command(), [*path.split(), '--help']) != 0)\n"
        "sys.exit(' '.join(bad) or 0)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-u", "-c", program, *LEAVES], stdout=writing, stderr=subprocess.PIPE,
        timeout=120, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    os.close(writing)

    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_written_for_the_shell(shell: str) -> None:
    """The script that completes words names the command; nothing of the user is changed."""
    ran = pilewise("--show-completion", shell)

    assert ran.returncode == 0
    assert b"_PILEWISE_COMPLETE" in ran.stdout


@pytest.mark.slow
def test_words_are_completed() -> None:
    """The shell is told the commands that begin as typed."""
    env = os.environ | {
        "_PILEWISE_COMPLETE": "complete_bash", "COMP_WORDS": "pilewise coord", "COMP_CWORD": "1",
    }  # fmt: skip

    ran = pilewise(env=env)

    assert ran.stdout.split() == [b"coordinator"]


@pytest.mark.slow
def test_a_terminal_of_another_century_shows_every_message() -> None:
    """Without UTF-8 nothing ends in an encoding error, and JSON stays JSON."""
    env = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}

    wrong = pilewise("ask", "recommend", "--at", "深圳", env=env)
    ran = pilewise("version", "--json", env=env)

    assert wrong.returncode == 2
    assert b"Traceback" not in wrong.stderr
    assert b"hint:" in wrong.stderr
    assert json.loads(ran.stdout)["version"]


@pytest.mark.slow
def test_no_color_means_no_escape_codes() -> None:
    """NO_COLOR wins over a terminal that is forced."""
    forced = os.environ | {"FORCE_COLOR": "1"}
    words = ("ask", "explain", "none", "--target", NOBODY)

    plain = pilewise(*words, env=forced | {"NO_COLOR": "1"})

    assert b"\x1b[31m" in pilewise(*words, env=forced).stderr
    assert b"\x1b[31m" not in plain.stderr
