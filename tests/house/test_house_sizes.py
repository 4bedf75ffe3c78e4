"""The house stays readable: small files, small functions, one name for one thing."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pilewise", "edge_agent", "coordinator", "firmware_sim", "city_sim", "training",
         "pytest_pilewise", "proto")  # fmt: skip
MOST_LINES, MOST_FUNCTION_LINES = 300, 50
VAGUE = {"utils", "helpers", "manager", "common", "misc", "util", "helper"}


def sources() -> list[Path]:
    """Python files of the product, generated ones excepted."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    found += list((ROOT / "bench").rglob("*.py"))
    return sorted(p for p in found if (ROOT / "pilewise" / "v1") not in p.parents)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_holds_one_idea(path: Path) -> None:
    """No file is longer than 300 lines, no function longer than 50, and each says what it is."""
    text = path.read_text()
    tree = ast.parse(text)

    assert text.count("\n") <= MOST_LINES
    long = [
        f"{node.name} has {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    ]
    assert long == []
    assert ast.get_docstring(tree)
    assert path.stem not in VAGUE


def tracked() -> list[Path]:
    """Files that git knows, or all files outside a repository."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=30
        ).stdout.decode()
        names = [name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("hint: run inside a git clone to check the tracked files")
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_the_project_names_no_machine() -> None:
    """No tracked text names a folder of somebody's machine or the host of a package registry."""
    folders = ("wo" + "rk", "ro" + "ot", "home", "fa" + "rm")
    machine = re.compile(r"(?<![\w.])/(?:" + "|".join(folders) + r")/\w")
    registry = re.compile(
        r"(?:files\.python" + r"hosted|registry\.npm" + r"js|deb\.deb" + r"ian)\."
    )
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {match[0]}"
            for pattern in (machine, registry)
            for match in pattern.finditer(text)
        ]

    assert found == []


def test_test_files_have_unique_names() -> None:
    """Two test files never share a name, so that a failure names one place."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]

    assert len(names) == len(set(names))
