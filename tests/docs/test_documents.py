"""What the documents promise exists: links, files, commands, Python."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")]
)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(
    r"`((?:proto|pilewise|edge_agent|coordinator|firmware_sim|city_sim|training|tests|bench|docs)"
    r"/[\w./*-]*)`"
)


def blocks(language: str) -> list[tuple[str, str]]:
    """Code blocks of all documents, each with the document's name."""
    return [
        (path.name, text)
        for path in DOCUMENTS
        for kind, text in BLOCK.findall(path.read_text())
        if kind == language
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_local_links_and_paths_lead_somewhere(path: Path) -> None:
    """Every local link and every path in backquotes names a file of the project."""
    text = path.read_text()
    wanted = [path.parent / target for target in LINK.findall(text) if "://" not in target]
    wanted += [ROOT / target for target in PATH.findall(text)]

    missing = [str(target) for target in wanted if not any(target.parent.glob(target.name or "*"))]

    assert missing == []


def commands() -> list[str]:
    """`pilewise` command lines of all documents."""
    return sorted(
        {
            part.strip()
            for _, text in blocks("sh")
            for line in text.splitlines()
            for part in line.split("#")[0].split("&&")
            if part.strip().startswith("pilewise ")
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("line", commands())
def test_documented_commands_and_options_exist(line: str) -> None:
    """Each documented command answers --help and knows the options that it is shown with."""
    words = shlex.split(line)[1:]
    command = list(takewhile(re.compile(r"[a-z][a-z-]*").fullmatch, words))
    code = "from pilewise.cli import main; main()"

    ran = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"COLUMNS": "200", "PATH": "", "PYTHONPATH": str(ROOT)},
    )

    assert ran.returncode == 0, ran.stderr
    for option in (word for word in words if word.startswith("-")):
        assert option in ran.stdout


# Scenarios and taps of a recorder are proved by the tests of their own page.
ROOM_FILES = [
    (name, text)
    for name, text in blocks("toml")
    if not tomllib.loads(text).keys() & {"scenario", "modbus"}
]


def name_files(text: str) -> bool:
    """Whether a configuration names the files of a page on identities."""
    return any(f'"{name}' in text for name in ("ca/", "operators", "jwks", "gw-7.token"))


def put_files(folder: Path) -> None:
    """Makes what the pages on identities tell to make: an authority, keys, tokens."""
    start = "import sys; from pilewise.cli import main; sys.exit(main())"
    authority = ["-c", start, "coordinator", "ca"]
    for words in (["init", "--district", "nanshan"], ["issue-server", "--host", "localhost"]):
        subprocess.run(
            [sys.executable, *authority, *words], cwd=folder, check=True, capture_output=True,
            timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    key = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "k1",
           "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # fmt: skip
    (folder / "jwks.json").write_text(json.dumps({"keys": [key]}))
    for name, line in (("operators", "anna 0123456789abcdef0123456789abcdef\n"),
                       ("gw-7.token", "0123456789abcdef0123456789abcdef\n")):  # fmt: skip
        (folder / name).write_text(line)
        (folder / name).chmod(0o600)


@pytest.mark.slow
@pytest.mark.parametrize(("document", "text"), ROOM_FILES, ids=[name for name, _ in ROOM_FILES])
def test_documented_configurations_are_accepted(document: str, text: str, tmp_path: Path) -> None:
    """Every TOML block passes the check of the room that it configures."""
    rooms = {"agent": "edge_agent", "coordinator": "coordinator", "sim": "firmware_sim"}
    room = next(room for table, room in rooms.items() if table in tomllib.loads(text))
    path = tmp_path / f"{room}.toml"
    path.write_text(text)
    if name_files(text):
        put_files(tmp_path)

    ran = subprocess.run(
        [sys.executable, "-m", room, "-c", str(path), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert ran.returncode == 0, f"{document}: {ran.stderr}"


def test_python_in_the_documents_compiles_and_imports() -> None:
    """Every Python block parses, and what it imports from the product is there."""
    for _, text in blocks("python"):
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pilewise"):
                scope: dict[str, object] = {}
                exec(compile(ast.Module([node], []), "document", "exec"), scope)


def test_the_readme_carries_the_two_commands() -> None:
    """The newcomer's two lines stand in the README word for word."""
    text = (ROOT / "README.md").read_text()

    assert 'pip install ".[all]" && pilewise demo' in text
    assert "pip install tox && tox" in text
