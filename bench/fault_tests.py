"""The list of faults, and which tests show each of them: read from the sources, nothing is run.

Running them is `faults.py`'s part.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("fault_rows.toml")
NAMED = re.compile(r"test_([A-Z]\d+)_\w+")
FAMILIES = {
    "E": "Agent",
    "L": "Link",
    "C": "Coordinator",
    "S": "Storage",
    "M": "Models",
    "V": "Cars",
    "T": "Time",
    "K": "Configuration",
}


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault, what is done about it, and what a row without tests waits for."""

    row: str
    fault: str
    answer: str
    awaits: str = ""


@dataclass(frozen=True, slots=True)
class FaultTest:
    """A test that is named after a row."""

    row: str
    path: str
    name: str
    says: str

    @property
    def node(self) -> str:
        """What pytest calls it."""
        return f"{self.path}::{self.name}"


def read_rows(path: Path = LIST) -> dict[str, FaultRow]:
    """Every row of the list, in its order."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {row: FaultRow(row, **facts) for row, facts in found.items()}


def find_tests(root: Path = ROOT) -> list[FaultTest]:
    """Every test below `root` that carries the name of a row, by row, file and line."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if not NAMED.search(text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                match := NAMED.fullmatch(node.name)
            ):
                says = " ".join((ast.get_docstring(node) or "").split())
                where = path.relative_to(root).as_posix()
                found.append(FaultTest(match[1], where, node.name, says))
    return found


def page() -> str:
    """docs/faults.md: each row with what is done about it and the tests that show it."""
    tests: dict[str, list[FaultTest]] = {}
    for test in find_tests():
        tests.setdefault(test.row, []).append(test)
    lines = [HEAD]
    family = ""
    for row in read_rows().values():
        if row.row[0] != family:
            family = row.row[0]
            lines += [f"## {FAMILIES[family]}", ""]
        lines += [
            f"### {row.row}: {row.fault}",
            "",
            f"{row.answer[0].upper()}{row.answer[1:]}.",
            "",
        ]
        shown = tests.get(row.row, [])
        lines += [f"- {test.says} `{test.node}`" for test in shown]
        if not shown:
            lines.append(f"- No test yet: comes with {row.awaits}.")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


HEAD = """# Faults

What goes wrong in the field, what Pilewise does then, and the tests that show it. The list stands
in `bench/fault_rows.toml`; a test belongs to a row by its name. This page is written by
`python -m bench.faults --page > docs/faults.md`, and a test checks that no row is missing here and
that every test named here is there.

`python -m bench.faults --json` runs them row by row and counts the rows without a test (`missing`)
and those with one that fails (`failed`); `--rows E1,S3` runs some, `--long` the long forms (more
kills, more power cuts). Tests that need the superuser, Debian packages (`nftables`, `iproute2`,
`faketime`, `e2fsprogs`, `gcc`, `mosquitto`, `socat`) or a control group skip with a hint where
these are not to be had; a row of which every test skipped counts as `skipped`.
"""
